"""Warp of a portrait: each pixel shows one point of the image, and it is found."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lite_gateway.config import shipped_avatars
from renderer.avatar import load, make_rig
from renderer.face import SIZE, face
from renderer.portrait import warp
from renderer.portrait.model import head_rotations, unit_weights
from renderer.portrait.slopes import MAX_SLOPE, SlopeLimit
from renderer.portrait.warp import Motion
from renderer.rig import RigInput

CPU = torch.device("cpu")
EXTREMES = torch.stack(
    [
        face(jawOpen=1.0),
        face(mouthFunnel=1.0, jawOpen=0.4),
        face(mouthClose=1.0, jawOpen=1.0),
        face(mouthPressLeft=1.0, mouthPressRight=1.0, mouthRollLower=1.0),
        face(eyeBlinkLeft=1.0, eyeBlinkRight=1.0, browInnerUp=1.0),
        face(headYaw=9.0, headPitch=9.0, headRoll=-9.0, jawOpen=0.7),
    ]
)


def random_face(seed):
    """Return a face with a third of its weights: a spoken one has a quarter."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0, 1, (1, SIZE)) * (rng.random((1, SIZE)) < 0.33)
    return torch.from_numpy(weights.astype(np.float32))


@pytest.fixture(scope="module")
def mira():
    return make_rig(load(shipped_avatars() / "mira"), 512, 512, CPU, native=False)


def motion(rig, shown):
    vertices = rig.surface.project(rig.surface.deform(unit_weights(shown)))
    return Motion(vertices, head_rotations(shown), torch.full((len(shown),), 0.5))


def test_twice_the_steps_draw_the_same_pixels(mira, monkeypatch):
    inputs = [RigInput(0, 1, 0.5, 0.2)] * len(EXTREMES)
    shown = mira.draw(EXTREMES, inputs).int()
    monkeypatch.setattr(warp, "_ITERATIONS", 2 * warp._ITERATIONS)
    difference = (mira.draw(EXTREMES, inputs).int() - shown).abs()
    assert difference.max() <= 2


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_node_shows_the_point_that_moved_there(mira, seed):
    shown = random_face(seed)
    for mesh in (mira.mesh, *(layer.mesh for layer in mira.layers)):
        ids, state = torch.zeros(1, dtype=torch.int64), motion(mira, shown)
        found = mesh.source_positions(state, ids)
        moves = mesh.displacements(state, ids)
        at = warp._sample(moves, mesh.pixel_grid.normalise(found))
        error = (found + at - mesh.nodes).abs().max()  # base-image pixels
        assert error <= (2 * MAX_SLOPE) ** warp._ITERATIONS * moves.abs().max() + 0.01
        across, down = moves.diff(dim=3).abs().max(), moves.diff(dim=2).abs().max()
        assert max(across, down) <= MAX_SLOPE * mesh.cell_size * 1.001


def test_moves_within_the_limit_are_unchanged():
    gentle = torch.linspace(0, 2, 12).expand(1, 2, 9, 12) + torch.arange(9)[:, None]
    limit = SlopeLimit(8.0, torch.zeros(9, 12, dtype=torch.bool))
    assert torch.allclose(limit.apply(gentle), gentle, atol=1e-4)


def test_hidden_cells_do_not_influence_others():
    hidden = torch.zeros(9, 12, dtype=torch.bool)
    hidden[3:6, 4:8] = True
    moves = torch.zeros(1, 2, 9, 12).masked_fill(hidden, 50.0)
    assert SlopeLimit(8.0, hidden).apply(moves).abs().max() < 1e-3
