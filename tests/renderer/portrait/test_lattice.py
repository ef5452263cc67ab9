"""Lattice of added vertices: every pixel lies where its triangle says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderer.portrait.lattice import Lattice, cell_centres

STEP = 8


def places(lattice):
    """Return the pixel of each vertex ``[n, 2]``, in the order of their numbers."""
    down, across = lattice.knots()
    x, y = np.meshgrid((across + 0.5) * STEP, (down + 0.5) * STEP)
    return np.stack([x.ravel(), y.ravel()], -1)


@given(
    rows=st.integers(4, 40),
    columns=st.integers(4, 40),
    at=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
)
def test_a_point_is_the_weighted_mean_of_its_triangle(rows, columns, at):
    lattice = Lattice(rows, columns, STEP)
    points = np.array(at) * (STEP * columns, STEP * rows)

    triangles, barycentric = lattice.bind(points)

    assert barycentric.min() >= 0
    assert barycentric.sum(-1) == pytest.approx(np.ones(len(points)))
    # Between the border and the first vertices, half a cell away, the nearest is taken.
    inside = points.clip(STEP / 2, np.array([columns, rows]) * STEP - STEP / 2)
    found = (places(lattice)[triangles] * barycentric[..., None]).sum(1)
    np.testing.assert_allclose(found, inside, atol=1e-6)


def test_every_border_has_vertices():
    down, across = Lattice(11, 7, STEP).knots()
    assert (down[0], down[-1], across[0], across[-1]) == (0, 10, 0, 6)
    assert np.diff(down).max() <= 3


def test_centres_of_cells_go_row_by_row():
    centres = cell_centres(16, 32, 2, 3, STEP)
    assert centres.tolist() == [
        [20, 36], [28, 36], [36, 36], [20, 44], [28, 44], [36, 44]
    ]  # fmt: skip
