"""Operations on pictures and meshes, against plain formulas."""

import numpy as np
import pytest

from creation.images import (
    blur,
    encode,
    grown,
    linear,
    nearest,
    polygon,
    sample,
    shrunk,
    spread,
)
from creation.surface import distances, harmonic, normals


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_the_nearest_true_pixel_is_found_exactly(rng):
    mask = rng.random((23, 31)) < 0.03
    rows, columns = np.nonzero(mask)
    y, x = np.mgrid[:23, :31]
    apart = np.hypot(y[..., None] - rows, x[..., None] - columns)

    row, column, distance = nearest(mask)

    assert distance == pytest.approx(apart.min(-1))
    assert mask[row, column].all()
    assert np.hypot(row - y, column - x) == pytest.approx(distance)


def test_without_a_true_pixel_distances_are_infinite():
    assert np.isinf(nearest(np.zeros((4, 5), bool))[2]).all()


@pytest.mark.parametrize("sigma", [0.8, 3.0, 14.0])
def test_a_blur_has_the_width_and_the_sum_of_its_gaussian(sigma):
    spot = np.zeros((161, 161), np.float32)
    spot[80, 80] = 1

    soft = blur(spot, sigma)

    x = np.arange(161) - 80
    assert soft.sum() == pytest.approx(1, rel=0.02)
    assert np.sqrt((soft.sum(0) * x * x).sum()) == pytest.approx(sigma, rel=0.15)


def test_a_blur_leaves_a_plain_picture_as_it_is():
    plain = np.full((20, 30, 3), 0.4, np.float32)

    assert blur(plain, 6.0) == pytest.approx(0.4, abs=1e-5)


def test_only_what_is_known_spreads(rng):
    picture = rng.random((30, 30, 3)).astype(np.float32)
    known = np.zeros((30, 30), np.float32)
    known[5:10, 5:10] = 1
    picture[5:10, 5:10] = 0.25

    assert spread(picture, known, 4.0) == pytest.approx(0.25, abs=1e-4)


def test_sampling_at_centres_of_pixels_returns_them(rng):
    picture = rng.random((7, 9, 3)).astype(np.float32)
    x, y = np.meshgrid(np.arange(9) + 0.5, np.arange(7) + 0.5)

    for mode in ("bilinear", "bicubic"):
        at = sample(picture, np.stack([x, y], -1), mode)
        assert at == pytest.approx(picture, abs=1e-5)


def test_light_and_its_code_are_inverse(rng):
    picture = rng.random((4, 4, 3)).astype(np.float32)

    assert encode(linear(picture)) == pytest.approx(picture, abs=1e-5)


def test_a_polygon_covers_its_area_also_across_the_border():
    square = np.array([[2.5, 3.25], [8.5, 3.25], [8.5, 9.25], [2.5, 9.25]])

    assert polygon(square, 20, 20).sum() == pytest.approx(36, rel=0.1)
    assert polygon(square - 5, 20, 20).sum() == pytest.approx(3.5 * 4.25, rel=0.15)
    assert polygon(square + 50, 20, 20).sum() == 0


def test_masks_grow_and_shrink_by_pixels():
    mask = np.zeros((20, 20), bool)
    mask[8:12, 8:12] = True

    assert grown(mask, 2).sum() == 64
    assert shrunk(grown(mask, 2), 2).sum() == 16
    assert grown(mask, 0) is mask


def grid_mesh(side):
    numbers = np.arange(side * side).reshape(side, side)
    a, b = numbers[:-1, :-1].ravel(), numbers[:-1, 1:].ravel()
    c, d = numbers[1:, :-1].ravel(), numbers[1:, 1:].ravel()
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    points = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1).astype(float)
    return points, triangles.astype(np.int32)


def test_harmonic_values_solve_the_equation(rng):
    _, triangles = grid_mesh(9)
    known = (rng.random(81) < 0.2).astype(float)
    values = rng.random((81, 2))

    found = harmonic(triangles, known, values, 3.0)

    laplacian = np.zeros((81, 81))
    for a, b, c in triangles:
        for i, j in ((a, b), (b, c), (c, a)):
            laplacian[i, j] = laplacian[j, i] = -1
    laplacian -= np.diag(laplacian.sum(1))
    exact = np.linalg.solve(
        laplacian + np.diag(3 * known + 1e-9), 3 * known[:, None] * values
    )
    assert found == pytest.approx(exact, abs=1e-3)


def test_normals_of_a_plane_point_one_way():
    points, triangles = grid_mesh(4)

    assert np.abs(normals(points, triangles)) == pytest.approx(
        np.tile([0, 0, 1.0], (16, 1))
    )


def test_distances_are_those_to_the_nearest_spot(rng):
    points, spots = rng.random((50, 3)), rng.random((7, 3))
    apart = np.linalg.norm(points[:, None] - spots, axis=2)

    near, number = distances(points, spots)

    assert near == pytest.approx(apart.min(1))
    assert (number == apart.argmin(1)).all()
