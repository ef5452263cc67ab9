"""The warp is settled: its field can be inverted, and its iteration has converged."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lite_gateway.config import shipped_avatars
from renderer.avatar import load, make_rig
from renderer.portrait.model import Cells, head_rotations, unit_weights
from renderer.portrait.slopes import MAX_SLOPE, SlopeLimit
from renderer.portrait.texture_parts import TextureParts
from renderer.portrait.warp import _ITERATIONS as ITERATIONS
from renderer.portrait.warp import Motion, Textures
from tests.renderer.portrait.faces import (
    EXPRESSIONS,
    HEADS,
    some,
)

CPU = torch.device("cpu")
CELL = 8.0
CONTRACTION = 2 * MAX_SLOPE
MAX_RESIDUAL_PX = 0.2  # base-image pixels, after the worst of faces


@pytest.fixture(scope="module", params=["mira", "theo"])
def person(request):
    return make_rig(load(shipped_avatars() / request.param), 512, 512, CPU, False)


fields = arrays.arrays(
    "f4",
    st.tuples(st.just(2), st.integers(2, 20), st.integers(2, 20)),
    elements=st.floats(-40, 40, width=32),
).map(lambda array: torch.from_numpy(array)[None])


def limited(moves, hidden=None):
    if hidden is None:
        hidden = torch.zeros(moves.shape[2:], dtype=torch.bool)
    return SlopeLimit(CELL, hidden).apply(moves)


def steepest(moves):
    slopes = [moves.diff(dim=dim).abs() / CELL for dim in (2, 3)]
    return max(float(slope.max()) for slope in slopes)


@settings(max_examples=60, deadline=None)
@given(fields)
def test_no_slope_is_steeper_than_the_limit(moves):
    assert steepest(limited(moves)) <= MAX_SLOPE + 1e-5


@settings(max_examples=60, deadline=None)
@given(fields)
def test_a_field_within_the_limit_stays_as_it_is(moves):
    within = limited(moves)

    assert limited(within) == pytest.approx(within, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(fields, st.floats(0, 5), st.integers(0, 9))
def test_a_change_of_the_moves_changes_none_by_more(moves, most, seed):
    """Check that drawing is continuous, also where surfaces pass over each other."""
    generator = torch.Generator().manual_seed(seed)
    change = most * (2 * torch.rand(moves.shape, generator=generator) - 1)

    difference = (limited(moves + change) - limited(moves)).abs().max()

    assert difference <= most + 1e-3


@settings(max_examples=60, deadline=None)
@given(fields, st.floats(-1e3, 1e3))
def test_hidden_cells_influence_no_other(moves, value):
    hidden = torch.zeros(moves.shape[2:], dtype=torch.bool)
    hidden[1:-1, : moves.shape[3] // 2] = True
    other = torch.where(hidden, value, moves)

    assert limited(moves, hidden) == pytest.approx(limited(other, hidden), abs=1e-3)
    assert steepest(limited(moves, hidden)) <= MAX_SLOPE + 1e-3


def test_a_step_is_spread_around_its_middle():
    moves = torch.zeros(1, 2, 20, 60)
    moves[:, :, :, 30:] = 14.0

    spread = limited(moves)[0, 0, 10]

    assert spread[:20].abs().max() < 1e-4
    assert spread[40:] == pytest.approx(14.0, abs=1e-4)
    assert (spread + spread.flip(0)).sub(14).abs().max() < 1e-4


def motion_of(rig, faces):
    vertices = rig.surface.project(rig.surface.deform(unit_weights(faces)))
    return Motion(vertices, head_rotations(faces), torch.full((len(faces),), 0.3))


def meshes(rig, faces):
    """Return each mesh of a rig with images that it may draw for the faces."""
    layers = [(rig.mesh, 1), *((layer.mesh, 19) for layer in rig.layers)]
    for mesh, count in layers:
        yield mesh, torch.arange(len(faces)) * 7 % count


def residual(mesh, motion, image_ids):
    """Return how far each node is from where its position has moved to, in pixels."""
    positions = mesh.source_positions(motion, image_ids)
    grid = mesh.pixel_grid.normalise(positions).permute(0, 2, 3, 1)
    moves = F.grid_sample(
        mesh.displacements(motion, image_ids), grid, padding_mode="border",
        align_corners=False,
    )  # fmt: skip
    return (positions + moves - mesh.nodes).abs().amax()


@torch.inference_mode()
def test_positions_move_to_their_nodes(person, stretch):
    for faces, most in ((stretch[::5], 0.01), (EXPRESSIONS, MAX_RESIDUAL_PX)):
        for mesh, image_ids in meshes(person, faces):
            # The keyframes are any: those nearest to a face differ less from it.
            allowed = most if len(mesh.triangles) == 1 else MAX_RESIDUAL_PX
            assert residual(mesh, motion_of(person, faces), image_ids) <= allowed


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_positions_of_any_face_move_to_their_nodes(person, seed):
    faces = some(2, seed)
    with torch.inference_mode():
        for mesh, image_ids in meshes(person, faces):
            motion = motion_of(person, faces)
            moves = mesh.displacements(motion, image_ids)
            proved = CONTRACTION**ITERATIONS * float(moves.abs().max())
            assert proved < 1.5
            assert residual(mesh, motion, image_ids) <= proved + 1e-3


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), way=st.floats(0.01, 0.2))
def test_a_small_step_of_a_face_moves_positions_little(person, seed, way):
    """Check it for given keyframes: what a position shows never jumps."""
    first, last = some(2, seed)
    faces = torch.stack([first, torch.lerp(first, last, way)])
    with torch.inference_mode():
        for mesh, image_ids in meshes(person, faces):
            motion, same = motion_of(person, faces), image_ids[:1].expand(2)
            moves = mesh.displacements(motion, same)
            positions = mesh.source_positions(motion, same)
            step = float((moves[1] - moves[0]).abs().max())
            assert (positions[1] - positions[0]).abs().max() <= (
                step / (1 - CONTRACTION) + 2 * MAX_RESIDUAL_PX
            )


def test_more_steps_change_no_pixel_by_more_than_two_codes(
    person, stretch, monkeypatch
):
    faces = torch.cat([stretch[::3], HEADS, EXPRESSIONS])
    breath = torch.linspace(0, 1, len(faces))
    once = person.draw_pixels(faces, breath)
    monkeypatch.setattr("renderer.portrait.warp._ITERATIONS", 2 * ITERATIONS)

    twice = person.draw_pixels(faces, breath)

    assert (once.int() - twice.int()).abs().max() <= 2


def test_an_image_never_shows_the_next_one():
    images = np.zeros((3, 4, 16, 16), np.uint8)
    images[:, 3] = 255
    images[1] = 255
    black = np.zeros((3, 16, 16), np.float32)
    textures = Textures(TextureParts.of(images, black, (0, 0), 1.0), CPU)
    x, y = torch.meshgrid(
        torch.arange(-3.0, 20), torch.arange(-60.0, 80), indexing="xy"
    )
    ids = torch.arange(3)

    planes = textures.sample(torch.stack([x, y]).expand(3, -1, -1, -1), ids, 2)

    for i, code in enumerate((16, 235, 16)):
        assert planes.y[i].sub(code).abs().max() < 1e-3
        assert planes.uv[i].sub(128).abs().max() < 1.5


def test_coarse_cells_move_like_the_mean_of_four():
    random = np.random.default_rng(1)
    triangles = np.arange(3 * 5 * 3, dtype=np.int32).reshape(3, 5, 3)
    barycentric = random.dirichlet((1, 1, 1), (3, 5)).astype(np.float32)
    values = random.random(45, np.float32)
    coarse = Cells(triangles, barycentric, 4.0).coarse()

    fine = (values[triangles] * barycentric).sum(-1)
    mean = fine[:2, :4].reshape(1, 2, 2, 2).mean((1, 3))

    assert coarse.step == 8.0
    assert coarse.barycentric.sum(-1) == pytest.approx(1)
    assert (values[coarse.triangles] * coarse.barycentric).sum(-1) == pytest.approx(
        mean
    )
