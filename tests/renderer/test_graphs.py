"""Tests of `renderer.graphs`: padding, static buffers, limits of a capturable rig."""

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
from renderer.frames import FrameRequest
from renderer.graphs import (
    BATCH_SIZES,
    GraphCapturable,
    GraphedRig,
    graph_capture,
    padded_batch_size,
)
from renderer.portrait.background import Gradient
from renderer.rig import RigInput

AVATARS = Path(__file__).resolve().parents[2] / "assets" / "avatars"
CPU = torch.device("cpu")
SIDE = 128
COUNTS = (1, 5, 2, 5, 7, 3, 1)


class FakeCapture:
    """Capture on the CPU: like a graph, each replay overwrites the same output."""

    def __init__(self):
        self.sizes = []  # of the captured batches

    def __call__(self, draw):
        drawn = draw().clone()
        self.sizes.append(len(drawn))
        return lambda: drawn.copy_(draw())


@pytest.fixture(scope="module")
def rig(avatar):
    return make_rig(avatar, SIDE, SIDE, CPU, native=False)


def make_batch(count, seed):
    """Return random faces, and a rig input for each."""
    gen = torch.Generator().manual_seed(seed)
    faces = torch.rand(count, SIZE, generator=gen) * 0.6 - 0.1
    return faces, [RigInput(i, 1, 0.37 * i + seed, 0.2) for i in range(count)]


def test_a_batch_is_padded_to_the_next_captured_size():
    assert [padded_batch_size(n) for n in (1, 2, 5, 9, 64, 65)] == [1, 2, 6, 12, 64, 96]
    assert padded_batch_size(BATCH_SIZES[-1]) == BATCH_SIZES[-1]
    assert padded_batch_size(BATCH_SIZES[-1] + 1) is None


def test_padding_makes_a_batch_at_most_half_larger():
    assert all(padded_batch_size(n) <= 1.5 * n for n in range(1, BATCH_SIZES[-1] + 1))


def test_graphed_frames_are_identical_to_plain_frames(rig):
    capture = FakeCapture()
    graphed = GraphedRig(rig, CPU, capture)
    for seed, count in enumerate(COUNTS):
        faces, rig_inputs = make_batch(count, seed)
        drawn = graphed.draw(faces, rig_inputs)
        assert drawn.shape == (count, SIDE * SIDE * 3 // 2)
        assert torch.equal(drawn, rig.draw(faces, rig_inputs))
    assert capture.sizes == [1, 6, 2, 8, 3]
    assert graphed.captured_sizes == [1, 2, 3, 6, 8]


def test_old_padding_rows_do_not_change_a_smaller_batch(rig):
    graphed = GraphedRig(rig, CPU, FakeCapture())
    graphed.draw(*make_batch(6, 1))
    faces, rig_inputs = make_batch(5, 2)
    assert torch.equal(graphed.draw(faces, rig_inputs), rig.draw(faces, rig_inputs))
    alone = torch.cat(
        [rig.draw(faces[i : i + 1], rig_inputs[i : i + 1]) for i in range(5)]
    )
    assert torch.equal(graphed.draw(faces, rig_inputs), alone)


def test_a_frame_is_valid_until_the_next_draw(rig):
    graphed = GraphedRig(rig, CPU, FakeCapture())
    first = graphed.draw(*make_batch(2, 1))
    copy_of_first = first.clone()
    second = graphed.draw(*make_batch(2, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, copy_of_first)


def test_a_batch_above_the_largest_size_is_drawn_without_a_graph():
    class Flat:
        width = height = 2

        def pack_inputs(self, rig_inputs):
            return torch.tensor([rig_input.level for rig_input in rig_inputs])

        def draw_pixels(self, faces, inputs):
            codes = (faces.sum(1) + 100 * inputs)[:, None]
            return codes.expand(-1, 6).to(torch.uint8)

    capture = FakeCapture()
    faces, rig_inputs = make_batch(BATCH_SIZES[-1] + 1, 3)
    drawn = GraphedRig(Flat(), CPU, capture).draw(faces, rig_inputs)
    assert torch.equal(drawn, Flat().draw_pixels(faces, Flat().pack_inputs(rig_inputs)))
    assert capture.sizes == []


def test_a_rig_whose_capture_fails_is_drawn_without_graphs(rig):
    captures = []

    def failing_capture(draw):
        captures.append(draw)
        raise RuntimeError("operation not permitted when stream is capturing")

    graphed = GraphedRig(rig, CPU, failing_capture)
    for seed, count in enumerate((2, 5)):
        faces, rig_inputs = make_batch(count, seed)
        assert torch.equal(graphed.draw(faces, rig_inputs), rig.draw(faces, rig_inputs))
    assert "not permitted" in graphed.capture_error
    assert len(captures) == 1


def test_the_engine_renders_the_same_frames_with_and_without_graphs(avatar):
    other = dataclasses.replace(
        avatar, name="other", background=Gradient("#000000", "#ffffff")
    )
    fiducial = load(AVATARS / "fiducial")

    def render(graphs):
        engine = Engine(device="cpu", graphs=graphs, native=False)
        sessions = [
            engine.open_session(each, SIDE, SIDE, seed=seed)
            for seed, each in enumerate((avatar, other, avatar, fiducial, avatar))
        ]
        kinds = {type(session.rig) for session in sessions}
        assert (GraphedRig in kinds) is graphs
        request = FrameRequest(3, 0.12, "talking", 1, bytes(range(240)) * 8, 960, 0.5)
        return [
            p
            for _ in range(2)
            for p in engine.render([RenderJob(s, request) for s in sessions])
        ]

    for graphed, plain in zip(render(True), render(False), strict=True):
        assert np.array_equal(graphed.i420, plain.i420)


def test_the_engine_reports_each_stage():
    stages = []
    engine = Engine(device="cpu", on_stage_done=stages.append)
    session = engine.open_session(load(AVATARS / "fiducial"), SIDE, SIDE, seed=1)
    engine.render([RenderJob(session, FrameRequest(0, 0.0, "idle"))])
    assert stages == ["driver", "life", "draw", "read-back"]


class RefuseHost(TorchDispatchMode):
    """Mode that raises for operations on host tensors: CUDA graphs cannot have any."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, out)):
            if isinstance(leaf, torch.Tensor) and leaf.device.type != "meta":
                raise AssertionError(f"{func} has a tensor on the host")
        return out


def to_meta(value):
    """Copy a rig with its tensors on the meta device, where they have no data."""
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    if isinstance(value, list):
        return [to_meta(item) for item in value]
    if dataclasses.is_dataclass(value):
        return type(value)(
            *(to_meta(getattr(value, f.name)) for f in dataclasses.fields(value))
        )
    if hasattr(value, "__dict__"):
        twin = copy.copy(value)
        for name, attribute in vars(value).items():
            setattr(twin, name, to_meta(attribute))
        return twin
    return value


def draw_on_device(rig):
    faces, breath = torch.zeros(2, SIZE, device="meta"), torch.zeros(2, device="meta")
    rig.draw_pixels(faces, breath)  # fills the caches of the rig
    with RefuseHost():
        return rig.draw_pixels(faces, breath)


def test_a_portrait_uses_no_host_tensor_while_it_draws(rig):
    assert isinstance(rig, GraphCapturable)
    assert draw_on_device(to_meta(rig)).shape == (2, SIDE * SIDE * 3 // 2)


@pytest.mark.parametrize(
    "operation",
    [
        lambda faces, breath: faces * float(breath.max()),
        lambda faces, breath: faces[breath > 0],
        lambda faces, breath: faces * torch.tensor(2.0),
        lambda faces, breath: faces + torch.ones(SIZE).to(faces.device),
    ],
)
def test_operations_that_a_graph_cannot_contain_are_detected(operation):
    class WrongRig:
        def draw_pixels(self, faces, breath):
            return operation(faces, breath)

    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)):
        draw_on_device(WrongRig())


def test_without_cuda_a_replay_draws_again(rig):
    graphed = GraphedRig(rig, CPU, graph_capture(CPU))
    first = graphed.draw(*make_batch(2, 1))
    copy_of_first = first.clone()
    graphed.draw(*make_batch(2, 2))
    assert torch.equal(first, copy_of_first)
    assert torch.equal(first, rig.draw(*make_batch(2, 1)))
