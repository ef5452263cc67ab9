"""Tie of a suit, found by its outline: it has no texture island of its own."""

import numpy as np

from studio.mesh import Floats, Proxy

# Values of male_elegantsuit01.
_SHIRT = 3  # texture island that contains the tie
# Half of the tie's width by the height above the chin, decimetres.
_HEIGHT = (-2.9, -2.2, -1.8, -1.5, -1.26, -1.17, -0.86, -0.74, -0.64, -0.61, -0.59)
_HALF = (0.02, 0.15, 0.25, 0.26, 0.26, 0.215, 0.207, 0.162, 0.1, 0.085, 0.05)


def tie(proxy: Proxy, fitted: Floats, chin: float) -> set[int]:
    """Return the faces of the shirt that belong to the tie; ``chin`` is a height."""
    island = proxy.mesh.uv_islands()
    faces = set()
    for k, corners in enumerate(proxy.mesh.faces):
        x, y, _ = fitted[corners].mean(0)
        half = float(np.interp(y - chin, _HEIGHT, _HALF, right=0.0))
        if island[proxy.mesh.uv_faces[k][0]] == _SHIRT and abs(x) < half:
            faces.add(k)
    return faces
