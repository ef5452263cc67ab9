"""Native code draws the pixels of the torch rig, alone, in batches and in threads."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from lite_gateway.config import shipped_avatars
from renderer.avatar import load, make_rig, portrait_parts
from renderer.engine import Engine
from renderer.face import SIZE
from renderer.native.library import open_best, open_build
from renderer.portrait.native_parts import NativeParts
from renderer.portrait.native_rig import NativePortraitRig
from renderer.portrait.rig import PortraitRig
from renderer.rig import RigInput
from tests.renderer.native.test_library import OWN, require_builds
from tests.renderer.portrait.faces import HEADS

CPU = torch.device("cpu")
# Textures are the same bytes on both paths and positions are settled, so that only
# rounding is left: some bytes differ by one code.
MAX_MEAN = 0.02  # codes
MAX_SHARE_BEYOND_2 = 1e-5  # of the bytes of some frames
FULL_BREATH_S = 0.42 * 4.3
SIZES = [(512, 512), (1280, 720), (1920, 1080), (640, 360), (360, 640), (270, 480),
         (130, 98)]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _builds():
    require_builds()


def libraries():
    """Return the builds of this machine that its processor can run."""
    best = OWN.index(Path(open_best()._name).stem)
    return [open_build(name) for name in OWN[: best + 1]]


def rig_inputs(count, at_s=0.0):
    return [RigInput(i, 1, at_s + 0.04 * i, 0.2) for i in range(count)]


def check_parity(parts, faces, inputs):
    """Check that every build draws what the torch rig draws, within rounding."""
    expected = PortraitRig(parts, CPU).draw(faces, inputs).short()
    for library in libraries():
        shown = NativePortraitRig(parts, library).draw(faces, inputs)
        error = (shown - expected).abs()
        assert error.float().mean() <= MAX_MEAN
        assert (error > 2).float().mean() <= MAX_SHARE_BEYOND_2


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_speech_and_idling_have_the_pixels_of_torch(stretch, size):
    mira = load(shipped_avatars() / "mira")
    some = slice(None, None, 2 if size == (512, 512) else 9)
    faces, inputs = stretch[some], rig_inputs(len(stretch))[some]

    check_parity(portrait_parts(mira, *size), faces, inputs)


def test_another_portrait_has_the_pixels_of_torch(stretch):
    theo = load(shipped_avatars() / "theo")

    check_parity(
        portrait_parts(theo, 512, 512), stretch[::5], rig_inputs(len(stretch))[::5]
    )


@pytest.mark.parametrize("size", [(320, 240), (200, 200), (96, 160)], ids=str)
@pytest.mark.parametrize("at_s", [0.0, FULL_BREATH_S], ids=["out", "in"])
def test_extreme_heads_and_breaths_have_the_pixels_of_torch(avatar, size, at_s):
    inputs = [RigInput(0, 0, at_s, 0.0)] * len(HEADS)

    check_parity(portrait_parts(avatar, *size), HEADS, inputs)


@pytest.fixture(scope="module")
def small(avatar):
    return make_rig(avatar, 160, 120, CPU, native=True)


def test_a_batch_has_the_bytes_that_its_frames_have_alone(small, stretch):
    inputs = rig_inputs(len(stretch))
    batch = small.draw(stretch, inputs)

    for i in reversed(range(len(stretch))):
        alone = small.draw(stretch[i : i + 1], inputs[i : i + 1])
        assert torch.equal(batch[i : i + 1], alone)


def test_rigs_draw_in_threads_of_their_own_as_they_do_alone(avatar, stretch):
    inputs = rig_inputs(len(stretch))
    rigs = [make_rig(avatar, 160, side, CPU, native=True) for side in (120, 160)]
    alone = [rig.draw(stretch, inputs) for rig in rigs]

    def draw_often(rig):
        return [rig.draw(stretch, inputs) for _ in range(8)]

    with ThreadPoolExecutor(len(rigs)) as pool:
        together = list(pool.map(draw_often, rigs))

    for frames, expected in zip(together, alone, strict=True):
        assert all(torch.equal(again, expected) for again in frames)


def test_faces_that_are_no_numbers_are_drawn_and_leave_no_trace(small, stretch):
    inputs = rig_inputs(1)
    before = small.draw(stretch[:1], inputs)
    for value in (torch.nan, torch.inf, -torch.inf, 3e38, -3e38):
        out = small.draw(torch.full((1, SIZE), value), inputs)
        assert out.shape == before.shape
    assert torch.equal(small.draw(stretch[:1], inputs), before)


@pytest.mark.parametrize("shape", [(1, SIZE - 1), (2, SIZE), (SIZE,)])
def test_faces_of_another_shape_are_refused(small, shape):
    with pytest.raises(ValueError, match=r"expected \[1, 57\]"):
        small.draw(torch.zeros(shape), rig_inputs(1))


@pytest.mark.parametrize("size", [(512, 512), (1920, 1080)])
def test_a_rig_takes_less_memory_than_that_of_torch(size):
    parts = portrait_parts(load(shipped_avatars() / "mira"), *size)
    seen, tensors = set(), []

    def collect(value):
        if id(value) in seen:
            return
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        elif isinstance(value, list):
            [collect(item) for item in value]
        elif hasattr(value, "__dict__"):
            [collect(item) for item in vars(value).values()]
        elif hasattr(value, "__slots__"):
            [collect(getattr(value, name)) for name in value.__slots__]

    collect(PortraitRig(parts, CPU))
    torch_bytes = sum(tensor.nbytes for tensor in tensors)
    assert NativeParts(parts).memory_bytes < 0.8 * torch_bytes


def test_without_a_build_torch_draws(avatar, monkeypatch):
    assert isinstance(make_rig(avatar, 64, 64, CPU), NativePortraitRig)
    monkeypatch.setattr("renderer.native.library.load", lambda: None)
    assert isinstance(make_rig(avatar, 64, 64, CPU), PortraitRig)
    with pytest.raises(ValueError, match="make setup"):
        make_rig(avatar, 64, 64, CPU, native=True)


def test_native_code_is_for_cpus_only():
    with pytest.raises(ValueError, match="cannot be used on meta"):
        make_rig(load(shipped_avatars() / "mira"), 64, 64, torch.device("meta"), True)
    engine = Engine(device="cpu", native=False)
    session = engine.open_session(load(shipped_avatars() / "mira"), 64, 64, seed=1)
    assert isinstance(session.rig, PortraitRig)


def changed_mesh(**changes):
    """Return the function that changes arrays of the base image's mesh."""

    def damage(parts):
        arrays = {
            name: change(getattr(parts.mesh, name)) for name, change in changes.items()
        }
        parts.mesh = dataclasses.replace(parts.mesh, **arrays)

    return damage


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (changed_mesh(triangles=lambda old: old * 0 + 1200), "that are not there"),
        (changed_mesh(triangles=lambda old: old * 0 - 1), "that are not there"),
        (changed_mesh(barycentric=lambda old: old * 0 + 99), "shares that are too"),
        (changed_mesh(centres=lambda old: old[:, :, 1:]), "cells that do not fit"),
        (
            lambda parts: parts.closeups.extend(parts.closeups),
            "more than three close-ups",
        ),
        (
            lambda parts: setattr(parts.closeups[0], "step", parts.step + 2),
            "nodes that do not fit",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(avatar, damage, fault):
    parts = portrait_parts(avatar, 160, 120)
    damage(parts)
    with pytest.raises(ValueError, match=fault):
        NativeParts(parts)
