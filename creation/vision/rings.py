"""
Numbers of the 478 landmarks: lips, eyes, brows, oval, and the twin in a mirror.

Left and right are the person's own, as in ARKit: the right eye is on the left of the
picture. Source: MediaPipe 0.10.21, the options of its landmark network and
``face_mesh_connections``.
"""

import numpy as np
import numpy.typing as npt

COUNT = 478

# Rings around the lips from the right corner, over the lower lip to the left corner,
# and back over the upper lip: outside, where lips meet, and two between them.
LIPS_OUTER = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
    *(185, 40, 39, 37, 0, 267, 269, 270, 409),
)
LIPS_INNER = (
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
    *(191, 80, 81, 82, 13, 312, 311, 310, 415),
)
_LIPS_BETWEEN = (
    *(76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    *(184, 74, 73, 72, 11, 302, 303, 304, 408),
    *(62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    *(183, 42, 41, 38, 12, 268, 271, 272, 407),
)

# Rims of the lids from the outer corner, over the lower lid to the inner corner, and
# again from the outer corner over the upper lid.
RIGHT_EYE = (
    *(33, 7, 163, 144, 145, 153, 154, 155, 133),
    *(246, 161, 160, 159, 158, 157, 173),
)
LEFT_EYE = (
    *(263, 249, 390, 373, 374, 380, 381, 382, 362),
    *(466, 388, 387, 386, 385, 384, 398),
)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)  # ring
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
RIGHT_IRIS = (468, 469, 470, 471, 472)  # centre, then its rim in quarter turns
LEFT_IRIS = (473, 474, 475, 476, 477)

OVAL = (  # ring of the face from the middle of the forehead, over its left side
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378),
    *(400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21),
    *(54, 103, 67, 109),
)
FOREHEAD, CHIN = 10, 152
TEMPLES = (234, 454)  # right, left
MOUTH_CORNERS = (61, 291)  # right, left
INNER_LIPS = (13, 14)  # middle of the upper and of the lower lip, where they meet


def outline(ring: tuple[int, ...]) -> list[int]:
    """Return the landmarks of lips or lids in the order around the opening."""
    half = len(ring) // 2 + 1  # the first half has both corners
    return [*ring[:half], *ring[: half - 1 : -1]]


# Points that the second look of the landmark network gives, in its order.
LIP_POINTS = (
    *LIPS_OUTER,
    *LIPS_INNER,
    *_LIPS_BETWEEN,
)
RIGHT_EYE_POINTS = (
    *RIGHT_EYE,
    *(130, 25, 110, 24, 23, 22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190),
    *(226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222, 221, 189),
    *(35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245, 156),
    *(70, 63, 105, 66, 107, 55, 193),
)
LEFT_EYE_POINTS = (
    *LEFT_EYE,
    *(359, 255, 339, 254, 253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414),
    *(446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444, 443, 442, 441, 413),
    *(265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465, 383),
    *(300, 293, 334, 296, 336, 285, 417),
)

_MIDLINE = (
    *(0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 94, 151, 152),
    *(164, 168, 175, 195, 197, 199, 200),
)


def _mirror() -> npt.NDArray[np.intp]:
    right = [point for point in range(248) if point not in _MIDLINE]
    twins = np.arange(COUNT)
    # The left side has the numbers from 248 on, in the order of their twins.
    pairs = [*zip(right, range(248, 468), strict=True)]
    # The rim of an iris begins on the left of the picture's iris in both eyes.
    pairs += [(468, 473), (469, 476), (470, 475), (471, 474), (472, 477)]
    for one, other in pairs:
        twins[one], twins[other] = other, one
    return twins


MIRROR = _mirror()  # [478]: the number of a landmark in the mirrored picture
