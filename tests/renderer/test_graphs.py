"""Recordings: batches, buffers that stay, and what a recordable rig may not do."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from renderer.avatar import load, make_rig
from renderer.engine import Engine, RenderJob
from renderer.face import SIZE
from renderer.frames import FrameRequest, RigInput
from renderer.graphs import (
    BATCH_SIZES,
    GraphCapturable,
    GraphedRig,
    graph_capture,
    padded_batch_size,
)

AVATARS = Path(__file__).resolve().parents[2] / "assets" / "avatars"
CPU = torch.device("cpu")
SIDE = 128
COUNTS = (1, 5, 2, 5, 7, 3, 1)


class Tape:
    """Records as a graph does: one output for ever, drawn over at each replay."""

    def __init__(self):
        self.sizes = []

    def __call__(self, draw):
        drawn = draw().clone()
        self.sizes.append(len(drawn))
        return lambda: drawn.copy_(draw())


@pytest.fixture(scope="module")
def rig():
    return make_rig(load(AVATARS / "ada"), SIDE, SIDE, CPU)


def some(count, seed):
    gen = torch.Generator().manual_seed(seed)
    faces = torch.rand(count, SIZE, generator=gen) * 0.6 - 0.1
    return faces, [RigInput(i, 1, 0.37 * i + seed, 0.2) for i in range(count)]


def test_a_batch_is_padded_to_the_next_recorded_one():
    assert [padded_batch_size(n) for n in (1, 2, 5, 9, 64, 65)] == [1, 2, 6, 12, 64, 96]
    assert padded_batch_size(BATCH_SIZES[-1]) == BATCH_SIZES[-1]
    assert padded_batch_size(BATCH_SIZES[-1] + 1) is None


def test_a_batch_costs_at_most_half_more_for_its_padding():
    assert all(padded_batch_size(n) <= 1.5 * n for n in range(1, BATCH_SIZES[-1] + 1))


def test_recorded_pictures_are_the_rig_s_own_bit_by_bit(rig):
    tape = Tape()
    recorded = GraphedRig(rig, CPU, tape)
    for seed, count in enumerate(COUNTS):
        faces, rig_inputs = some(count, seed)
        drawn = recorded.draw(faces, rig_inputs)
        assert drawn.shape == (count, SIDE * SIDE * 3 // 2)
        assert torch.equal(drawn, rig.draw(faces, rig_inputs))
    assert tape.sizes == [1, 6, 2, 8, 3]
    assert recorded.captured_sizes == [1, 2, 3, 6, 8]


def test_a_smaller_batch_does_not_see_the_rows_left_by_a_larger_one(rig):
    recorded = GraphedRig(rig, CPU, Tape())
    recorded.draw(*some(6, 1))
    faces, rig_inputs = some(5, 2)
    assert torch.equal(recorded.draw(faces, rig_inputs), rig.draw(faces, rig_inputs))
    alone = torch.cat(
        [rig.draw(faces[i : i + 1], rig_inputs[i : i + 1]) for i in range(5)]
    )
    assert torch.equal(recorded.draw(faces, rig_inputs), alone)


def test_a_picture_lasts_until_the_next_is_drawn(rig):
    recorded = GraphedRig(rig, CPU, Tape())
    first = recorded.draw(*some(2, 1))
    kept = first.clone()
    second = recorded.draw(*some(2, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, kept)


def test_a_batch_larger_than_any_recording_is_drawn_without_one():
    class Flat:
        width = height = 2

        def pack_inputs(self, rig_inputs):
            return torch.tensor([rig_input.level for rig_input in rig_inputs])

        def draw_pixels(self, faces, inputs):
            codes = (faces.sum(1) + 100 * inputs)[:, None]
            return codes.expand(-1, 6).to(torch.uint8)

    tape = Tape()
    faces, rig_inputs = some(BATCH_SIZES[-1] + 1, 3)
    drawn = GraphedRig(Flat(), CPU, tape).draw(faces, rig_inputs)
    assert torch.equal(drawn, Flat().draw_pixels(faces, Flat().pack_inputs(rig_inputs)))
    assert tape.sizes == []


def test_a_rig_that_cannot_be_recorded_is_drawn_as_it_is(rig):
    tries = []

    def refuses(draw):
        tries.append(draw)
        raise RuntimeError("operation not permitted when stream is capturing")

    recorded = GraphedRig(rig, CPU, refuses)
    for seed, count in enumerate((2, 5)):
        faces, rig_inputs = some(count, seed)
        assert torch.equal(
            recorded.draw(faces, rig_inputs), rig.draw(faces, rig_inputs)
        )
    assert "not permitted" in recorded.capture_error
    assert len(tries) == 1


def test_the_engine_gives_the_same_pictures_with_recordings_and_without(rig):
    def pictures(graphs):
        engine = Engine(device="cpu", graphs=graphs)
        sessions = [
            engine.open_session(load(AVATARS / name), SIDE, SIDE, seed=seed)
            for seed, name in enumerate(("ada", "leo", "ada", "fiducial", "ada"))
        ]
        kinds = {type(session.rig) for session in sessions}
        assert (GraphedRig in kinds) is graphs
        request = FrameRequest(3, 0.12, "talking", 1, bytes(range(240)) * 8, 960, 0.5)
        return [
            p
            for _ in range(2)
            for p in engine.render([RenderJob(s, request) for s in sessions])
        ]

    for one, other in zip(pictures(True), pictures(False), strict=True):
        assert np.array_equal(one.i420, other.i420)


def test_the_engine_says_when_each_stage_is_over():
    laps = []
    engine = Engine(device="cpu", on_stage_done=laps.append)
    session = engine.open_session(load(AVATARS / "ada"), SIDE, SIDE, seed=1)
    engine.render([RenderJob(session, FrameRequest(0, 0.0, "idle"))])
    assert laps == ["driver", "life", "draw", "read-back"]


class OnDevice(TorchDispatchMode):
    """Refuses what a CUDA graph cannot hold: a tensor that lies on the host."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, out)):
            if isinstance(leaf, torch.Tensor) and leaf.device.type != "meta":
                raise AssertionError(f"{func} works on the host")
        return out


def without_data(thing):
    """A copy of a rig whose tensors have shapes only: a device nobody can read."""
    if isinstance(thing, torch.Tensor):
        return thing.to("meta")
    if isinstance(thing, list):
        return [without_data(each) for each in thing]
    if dataclasses.is_dataclass(thing):
        return type(thing)(
            *(without_data(getattr(thing, f.name)) for f in dataclasses.fields(thing))
        )
    if hasattr(thing, "__dict__"):
        twin = copy.copy(thing)
        for name, value in vars(thing).items():
            setattr(twin, name, without_data(value))
        return twin
    return thing


def draw_on_device(rig):
    faces, breath = torch.zeros(2, SIZE, device="meta"), torch.zeros(2, device="meta")
    rig.draw_pixels(faces, breath)  # may keep something for later
    with OnDevice():
        return rig.draw_pixels(faces, breath)


@pytest.mark.parametrize("name", ["ada", "leo"])
def test_a_drawn_rig_needs_nothing_from_the_host_while_it_draws(name):
    rig = make_rig(load(AVATARS / name), SIDE, SIDE, CPU)
    assert isinstance(rig, GraphCapturable)
    assert draw_on_device(without_data(rig)).shape == (2, SIDE * SIDE * 3 // 2)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda faces, breath: faces * float(breath.max()),
        lambda faces, breath: faces[breath > 0],
        lambda faces, breath: faces * torch.tensor(2.0),
        lambda faces, breath: faces + torch.ones(SIZE).to(faces.device),
    ],
)
def test_what_a_graph_cannot_hold_is_seen(spoil):
    class Spoilt:
        def draw_pixels(self, faces, breath):
            return spoil(faces, breath)

    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        draw_on_device(Spoilt())


def test_elsewhere_than_on_cuda_a_recording_draws_each_time(rig):
    recorded = GraphedRig(rig, CPU, graph_capture(CPU))
    first = recorded.draw(*some(2, 1))
    kept = first.clone()
    recorded.draw(*some(2, 2))
    assert torch.equal(first, kept)
