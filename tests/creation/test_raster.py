import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from creation.raster import _CHUNK, raster

BOX = (2.0, 1.0, 26.0, 19.0)


def random_mesh(seed, triangles=20):
    """Return xy, depth and triangles, which share no corners; some lie outside."""
    draw = np.random.default_rng(seed)
    xy = draw.uniform(-6, 34, (3 * triangles, 2))
    corners = draw.permutation(3 * triangles).reshape(-1, 3).astype(np.int32)
    return xy, draw.uniform(1, 2, len(xy)), corners


def loop(xy, depth, triangles, box, step):
    """Return triangle and depth of each pixel, one pixel after the other."""
    left, top, right, bottom = box
    rows, columns = round((bottom - top) / step), round((right - left) / step)
    best, near = np.full((rows, columns), -1), np.full((rows, columns), np.inf)
    inverses = [
        np.linalg.inv(np.vstack([xy[corners].T, np.ones(3)])) for corners in triangles
    ]
    for row in range(rows):
        for column in range(columns):
            at = [left + (column + 0.5) * step, top + (row + 0.5) * step, 1]
            for number, corners in enumerate(triangles):
                shares = inverses[number] @ at
                behind = shares @ depth[corners]
                if shares.min() >= 0 and behind < near[row, column]:
                    best[row, column], near[row, column] = number, behind
    return best, near


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 2.0, 0.75]))
def test_the_nearest_triangle_wins_as_in_a_plain_loop(seed, step):
    xy, depth, triangles = random_mesh(seed)
    drawn = raster(xy, depth, triangles, BOX, step)
    best, near = loop(xy, depth, triangles, BOX, step)
    assert (drawn.triangle == best).all()
    np.testing.assert_allclose(drawn.depth, near, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_shares_sum_to_one_and_give_back_the_pixel(seed):
    xy, depth, triangles = random_mesh(seed)
    drawn = raster(xy, depth, triangles, BOX)
    assert drawn.hit.any()
    np.testing.assert_allclose(drawn.shares[drawn.hit].sum(1), 1, atol=1e-6)
    assert drawn.shares[drawn.hit].min() > -1e-5
    assert not drawn.shares[~drawn.hit].any()
    assert np.isinf(drawn.depth[~drawn.hit]).all()
    rows, columns = drawn.triangle.shape
    x, y = np.meshgrid(2.5 + np.arange(columns), 1.5 + np.arange(rows))
    found = drawn.interpolate(triangles, xy)
    np.testing.assert_allclose(found[drawn.hit][:, 0], x[drawn.hit], atol=1e-3)
    np.testing.assert_allclose(found[drawn.hit][:, 1], y[drawn.hit], atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_a_mesh_and_its_box_may_move_together(seed):
    xy, depth, triangles = random_mesh(seed)
    here = raster(xy, depth, triangles, BOX)
    left, top, right, bottom = BOX
    there = raster(
        xy + np.array([40, -8]),
        depth,
        triangles,
        (left + 40, top - 8, right + 40, bottom - 8),
    )
    assert (here.triangle == there.triangle).all()


def test_a_mesh_outside_of_the_box_leaves_it_empty():
    xy = np.array([[50.0, 50], [60, 50], [50, 60]])
    drawn = raster(xy, np.ones(3), np.array([[0, 1, 2]], np.int32), BOX)
    assert not drawn.hit.any()
    assert drawn.triangle.shape == (18, 24)


def test_of_two_triangles_in_one_place_the_first_wins():
    xy = np.array([[0.0, 0], [40, 0], [0, 40]])
    twice = np.array([[0, 1, 2], [0, 1, 2]], np.int32)
    drawn = raster(xy, np.ones(3), twice, (0, 0, 8, 8))
    assert (drawn.triangle == 0).all()


def test_a_mesh_of_more_pairs_than_fit_a_chunk_is_drawn_whole():
    side = 900.0
    xy = np.tile([[0.0, 0], [side, 0], [0, side]], (6, 1))
    depth = np.repeat([3.0, 1, 5, 2, 1, 4], 3)
    triangles = np.arange(18, dtype=np.int32).reshape(-1, 3)
    drawn = raster(xy, depth, triangles, (0, 0, side, side))
    assert 6 * side**2 > _CHUNK
    assert set(np.unique(drawn.triangle)) == {-1, 1}
