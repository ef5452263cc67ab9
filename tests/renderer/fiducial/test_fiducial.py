"""Reading of the fiducial's marker after what scaling and codecs do to a frame."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from renderer.face import SIZE
from renderer.fiducial.marker import Marker, read_marker
from renderer.fiducial.rig import FiducialRig, marker_for
from renderer.rig import RigInput

RIG = FiducialRig(512, 512)

rig_inputs = st.builds(
    RigInput,
    index=st.integers(0, 2**24 - 1),
    turn=st.integers(0, 1000),
    at_s=st.just(0.0),
    level=st.floats(0, 1),
)


def luma_of(rig_input, rig=RIG):
    out = rig.draw(torch.zeros(1, SIZE), [rig_input])[0]
    return out[: rig.width * rig.height].view(rig.height, rig.width).numpy()


@settings(max_examples=40, deadline=None)
@given(rig_inputs, st.integers(0, 2**32 - 1), st.floats(0, 25), st.floats(0, 3))
def test_a_marker_survives_noise_and_blur(rig_input, seed, noise, blur):
    rng = np.random.default_rng(seed)
    blurred = Image.fromarray(luma_of(rig_input)).filter(ImageFilter.GaussianBlur(blur))
    noisy = np.asarray(blurred) + rng.normal(0, noise, (512, 512))

    assert read_marker(noisy.clip(0, 255).astype(np.uint8)) == marker_for(rig_input)


@settings(max_examples=25, deadline=None)
@given(rig_inputs, st.sampled_from([90, 128, 180, 300, 512, 720, 1023]))
def test_a_marker_survives_scaling(rig_input, side):
    scaled = Image.fromarray(luma_of(rig_input)).resize((side, side))

    assert read_marker(np.asarray(scaled)) == marker_for(rig_input)


@pytest.mark.parametrize("size", [(640, 360), (854, 480), (1280, 720), (360, 640)])
def test_a_marker_is_readable_at_every_size(size):
    rig_input = RigInput(index=0xABCDEF, turn=7, at_s=1.0, level=0.5)

    luma = luma_of(rig_input, FiducialRig(*size))

    assert read_marker(luma) == Marker(0xABCDEF, 7, 32)


def test_a_marker_survives_jpeg(tmp_path):
    rig_input = RigInput(index=54321, turn=300, at_s=0.0, level=1.0)
    Image.fromarray(luma_of(rig_input)).save(tmp_path / "a.jpg", quality=8)

    marker = read_marker(np.asarray(Image.open(tmp_path / "a.jpg").convert("L")))

    assert marker == Marker(54321, 300 % 256, 63)


@settings(max_examples=40, deadline=None)
@given(rig_inputs, st.integers(0, 63))
def test_an_inverted_cell_is_detected(rig_input, cell):
    damaged = luma_of(rig_input).copy()
    row, column = divmod(cell, 8)
    top, left = int(0.045 * 512) + 48 * row, 64 + 48 * column
    square = damaged[top : top + 48, left : left + 48]
    square[:] = 250 - square

    assert read_marker(damaged) is None


@pytest.mark.parametrize("level", [0, 16, 96, 255])
def test_a_uniform_frame_has_no_marker(level):
    assert read_marker(np.full((512, 512), level, np.uint8)) is None


def test_noise_mixed_and_tiny_frames_have_no_marker():
    a = luma_of(RigInput(index=1000, turn=1, at_s=0.0, level=0.1)).astype(int)
    b = luma_of(RigInput(index=1001, turn=1, at_s=0.0, level=0.9)).astype(int)
    rng = np.random.default_rng(0)

    assert read_marker(((a + b) // 2).astype(np.uint8)) is None
    assert read_marker(rng.integers(0, 256, (512, 512), dtype=np.uint8)) is None
    assert read_marker(np.zeros((0, 0), np.uint8)) is None
    assert read_marker(np.zeros((10, 10), np.uint8)) is None


def test_the_bar_widens_with_the_level():
    widths = [
        int((luma_of(RigInput(0, 0, 0.0, level / 4))[460] > 200).sum())
        for level in range(5)
    ]

    assert widths[0] <= 2
    assert widths == sorted(widths)
    assert widths[4] > 350


def test_each_frame_of_a_batch_has_its_own_marker():
    batch = [RigInput(index=i, turn=i, at_s=0.0, level=i / 4) for i in range(4)]

    out = RIG.draw(torch.zeros(4, SIZE), batch).numpy()

    assert [read_marker(o[: 512 * 512].reshape(512, 512)) for o in out] == [
        marker_for(c) for c in batch
    ]
    assert (out[:, 512 * 512 :] == 128).all()
