"""
Networks that find faces, landmarks and people in a photo, as torch modules.

Their weights are MediaPipe's (Apache-2.0, see NOTICE). `tools.vision_weights` converts
them into ``weights.npz``, which lies beside this file and is not in the repository.
"""

from creation.vision.faces import (
    FoundFace,
    Landmarks,
    find_faces,
    landmarks,
    quarters_to_upright,
)
from creation.vision.person_mask import person_mask
from creation.vision.weights import WeightsMissing

__all__ = [
    "FoundFace",
    "Landmarks",
    "WeightsMissing",
    "find_faces",
    "landmarks",
    "person_mask",
    "quarters_to_upright",
]
