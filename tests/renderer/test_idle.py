"""The life that speech does not give."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from renderer.face import INDEX, SIZE
from renderer.idle import Life

POSES = {"idle": (1.0, 0, 0), "listening": (0, 1.0, 0), "talking": (0, 0, 1.0)}
FRAME_S = 0.04

weights = st.tuples(*[st.floats(0.001, 1)] * 3).map(
    lambda w: tuple(x / sum(w) for x in w)
)
FAST = ["eyeBlinkLeft", "eyeBlinkRight", "gazeX", "gazeY"]


def faces(seed, pose, seconds):
    life = Life(seed)
    return torch.stack(
        [life.face(i * FRAME_S, POSES[pose]) for i in range(int(seconds / FRAME_S))]
    )


@settings(max_examples=200, deadline=None)
@given(st.integers(), st.floats(-1e6, 1e6), weights)
def test_a_face_is_finite_bounded_and_always_the_same(seed, at_s, mix):
    got = Life(seed).face(at_s, mix)

    assert got.shape == (SIZE,)
    assert got.dtype == torch.float32
    assert torch.isfinite(got).all()
    assert got[:52].min() >= 0
    assert got.max() <= 1
    assert got[INDEX["headYaw"] :].abs().max() <= 0.7
    assert torch.equal(got, Life(seed).face(at_s, mix))


@pytest.mark.parametrize("pose", POSES)
def test_nothing_but_lids_and_gaze_ever_jumps(pose):
    steps = faces(5, pose, 120).diff(dim=0).abs()
    steps[:, [INDEX[n] for n in FAST]] = 0

    assert steps[:, INDEX["headYaw"] : INDEX["headRoll"] + 1].max() < 0.025
    assert steps.max() < 0.04


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_blinks_come_as_often_and_last_as_long_as_peoples(seed):
    life = Life(seed)
    step_s = 0.01
    shut = torch.tensor([life.blink(i * step_s) > 0.01 for i in range(60_000)])
    starts = (shut[1:] & ~shut[:-1]).nonzero()[:, 0] * step_s
    ends = (~shut[1:] & shut[:-1]).nonzero()[:, 0] * step_s
    gaps = starts.diff()

    assert 12 <= len(starts) / 10 <= 20  # a minute
    assert gaps[gaps > 1].min() > 1.6
    assert gaps.max() < 6.2
    assert (gaps < 1).sum() > 5  # some are double
    lasts = (ends[: len(starts)] - starts)[:-1]
    assert lasts.min() > 0.09
    assert lasts.max() < 0.19


def test_lids_close_quicker_than_they_open():
    life = Life(9)
    levels = torch.tensor([life.blink(i * 0.002) for i in range(30_000)])
    steps = levels.diff()

    assert (steps > 0).sum() < 0.8 * (steps < 0).sum()


@pytest.mark.parametrize("seed", range(4))
def test_a_full_blink_is_seen_at_25_frames_a_second(seed):
    lids = faces(seed, "idle", 60)[:, INDEX["eyeBlinkLeft"]]

    assert (lids > 0.9).sum() >= 8


def test_eyes_hold_still_between_glances():
    gaze = faces(4, "idle", 120)[:, INDEX["gazeX"]].diff().abs()

    assert (gaze > 0.05).sum() > 10  # it does glance
    assert (gaze < 0.01).float().mean() > 0.9


def test_seeds_live_different_lives_and_no_life_repeats():
    one, two = faces(1, "idle", 60), faces(2, "idle", 60)
    head = slice(INDEX["headYaw"], INDEX["headRoll"] + 1)

    assert (one - two)[:, head].abs().mean() > 0.005
    assert (one[:750] - one[750:])[:, head].abs().mean() > 0.005


def test_poses_differ_and_blend():
    idle, listening, talking = (faces(7, pose, 60) for pose in POSES)
    pitch, yaw = INDEX["headPitch"], INDEX["headYaw"]

    assert listening[:, pitch].mean() < idle[:, pitch].mean() - 0.02
    assert listening[:, INDEX["browInnerUp"]].mean() > 0.1
    assert talking[:, yaw].std() > listening[:, yaw].std()
    half = Life(7).face(3.0, (0.5, 0.5, 0))
    between = (idle[75] + listening[75]) / 2
    assert (half - between).abs().max() < 0.05


def test_the_face_at_rest_smiles():
    assert faces(3, "idle", 20)[:, INDEX["mouthSmileLeft"]].min() > 0.05
