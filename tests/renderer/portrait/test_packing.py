"""Arrays of a package: unused vertices go, and what is left keeps its place."""

import numpy as np
import pytest

from renderer.arkit import UNITS
from renderer.portrait.packing import BoundCells, PackedCloseup, PackedSurface

VERTICES = 40
USED = np.arange(3, VERTICES, 2)


def cells(rng, *shape):
    triangles = rng.choice(USED, (*shape, 3))
    return BoundCells(triangles, rng.dirichlet((1, 1, 1), shape))


def packed(rng, vertices=VERTICES, base_image=None):
    closeup = PackedCloseup(
        box=(8, 16, 24, 32),
        weights=rng.random((5, len(UNITS))),
        features=rng.random((len(UNITS), 2)),
        cells=cells(rng, 5, 4, 4),
    )
    return PackedSurface(
        neutral=rng.normal(size=(vertices, 3)),
        blendshapes=rng.normal(size=(len(UNITS), vertices, 3)),
        head_weight=rng.uniform(-0.2, 1.2, vertices),
        breath_weight=rng.random(vertices),
        camera=rng.normal(size=(3, 4)),
        pivot=rng.normal(size=3),
        breath_offset=rng.normal(size=3),
        base_image=base_image or cells(rng, 30, 40),
        closeups={"mouth": closeup},
    )


def test_cells_keep_their_triangles_and_weights():
    surface = packed(np.random.default_rng(1))
    arrays = surface.arrays()

    assert len(arrays["neutral"]) == len(USED)  # 1200 cells name each of them
    for name, bound in (
        ("plate", surface.base_image),
        ("mouth", surface.closeups["mouth"].cells),
    ):
        corners = arrays[f"{name}_corners"]
        expected = surface.neutral[bound.triangles].astype(np.float32)
        np.testing.assert_array_equal(arrays["neutral"][corners], expected)
        shares = arrays[f"{name}_shares"].astype(int)
        assert shares.sum(-1).max() <= 255
        assert np.abs(shares / 255 - bound.barycentric[..., :2]).max() <= 1 / 255


def test_displacements_keep_their_size_to_a_step():
    surface = packed(np.random.default_rng(2))
    arrays = surface.arrays()

    sizes = arrays["shape_sizes"][:, None, None]
    difference = arrays["shapes"] * sizes - surface.blendshapes[:, USED]
    assert (np.abs(difference) <= 0.51 * sizes).all()


def test_a_unit_that_moves_nothing_is_no_division_by_zero():
    surface = packed(np.random.default_rng(3))
    surface.blendshapes[4] = 0
    arrays = surface.arrays()
    assert not arrays["shapes"][4].any()
    assert np.isfinite(arrays["shape_sizes"]).all()


def test_weights_of_head_and_breath_are_bytes_within_their_limits():
    surface = packed(np.random.default_rng(4))
    arrays = surface.arrays()
    for name, weight in (
        ("skull", surface.head_weight),
        ("rise", surface.breath_weight),
    ):
        assert arrays[name].dtype == np.uint8
        expected = weight[USED].clip(0, 1)
        np.testing.assert_allclose(arrays[name] / 255, expected, atol=0.51 / 255)


def test_more_vertices_than_a_package_can_number_are_refused():
    rng, count = np.random.default_rng(5), 66_000
    triangles = np.arange(count).reshape(100, 220, 3)
    many = BoundCells(triangles, rng.dirichlet((1, 1, 1), (100, 220)))
    surface = packed(rng, count, many)
    with pytest.raises(ValueError, match="66000 vertices"):
        surface.arrays()
