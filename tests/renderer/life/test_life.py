"""Tests of `renderer.life.life`: idle motion, emotions, and motion with the voice."""

import math
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.lite.messages import EMOTIONS
from renderer.face import ARKIT, INDEX, SIZE
from renderer.frames import POSES
from renderer.life import expressions
from renderer.life.breath import breath_at
from renderer.life.gaze import REACH
from renderer.life.life import THINKING_S, Life
from renderer.life.native_voice import voice_analysis
from tests.renderer.life import recorded
from tests.renderer.life.voices import voice

FRAME_S = 0.04
HEAD = slice(INDEX["headYaw"], INDEX["headRoll"] + 1)
PITCH, ROLL, BLINK = INDEX["headPitch"], INDEX["headRoll"], INDEX["eyeBlinkLeft"]
BROWS = [i for name, i in INDEX.items() if name.startswith("brow")]
LIDS = [i for name, i in INDEX.items() if name.startswith(("eye", "cheek"))]

# Poses and emotions, each for some seconds.
scripts = st.lists(
    st.tuples(st.sampled_from(POSES), st.sampled_from(EMOTIONS), st.floats(0.02, 1.2)),
    min_size=1,
    max_size=8,
)


def stacked(faces):
    """Return faces as one tensor ``[n, 57]``."""
    return torch.from_numpy(np.stack(faces))


@cache
def faces_of_pose(seed, pose, seconds, frame_s=FRAME_S):
    life = Life(seed)
    count = int(seconds / frame_s)
    return stacked([life.face(i * frame_s, pose) for i in range(count)])


def faces_of_script(seed, script, begin_s=0.0):
    """Return the faces ``[n, 57]`` of a script of poses and emotions."""
    life, at_s, faces = Life(seed), begin_s, []
    for pose, emotion, duration_s in script:
        for _ in range(max(1, round(duration_s / FRAME_S))):
            faces.append(life.face(at_s, pose, emotion))
            at_s += FRAME_S
    return stacked(faces)


def gaze_of(faces):
    """Return yaw and pitch of the gaze in the world, in degrees."""
    eyes = faces[:, INDEX["gazeX"] :] * torch.tensor(REACH)
    return torch.rad2deg(eyes + faces[:, INDEX["headYaw"] : ROLL])


def blink_starts(faces):
    """Return the first frame of each blink, half blinks included."""
    shut = faces[:, BLINK] > 0.05
    return (shut[1:] & ~shut[:-1]).nonzero()[:, 0] + 1


@settings(max_examples=60, deadline=None)
@given(st.integers(), scripts, st.floats(-1e6, 1e6))
def test_faces_are_finite_bounded_and_reproducible(seed, script, begin_s):
    faces = faces_of_script(seed, script, begin_s)

    assert faces.shape[1] == SIZE
    assert faces.dtype == torch.float32
    assert torch.isfinite(faces).all()
    assert faces[:, : len(ARKIT)].min() >= 0
    assert faces.max() <= 1
    assert faces[:, HEAD].abs().max() <= 0.35
    assert torch.equal(faces, faces_of_script(seed, script, begin_s))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), scripts)
def test_nothing_but_eyes_and_lids_jumps(seed, script):
    steps = faces_of_script(seed, script).diff(dim=0)
    if len(steps) < 2:
        return
    still = torch.ones(SIZE, dtype=torch.bool)
    still[[*LIDS, INDEX["gazeX"], INDEX["gazeY"]]] = False

    assert steps[:, HEAD].abs().max() < 0.035  # 50 degrees a second
    assert steps[:, HEAD].diff(dim=0).abs().max() < 0.025
    assert steps[:, still].abs().max() < 0.3


@pytest.mark.parametrize("pose", ["idle", "listening"])
@pytest.mark.parametrize("seed", [1, 2])
def test_blink_gaps_are_like_those_of_people(pose, seed):
    starts = blink_starts(faces_of_pose(seed, pose, 600)) * FRAME_S
    gaps = starts.diff()
    apart = gaps[gaps > 0.6]  # the rest are double

    assert 10 <= len(starts) / 10 <= 24  # a minute
    assert apart.min() >= 0.75
    assert apart.max() < 14
    assert 2 < apart.median() < apart.mean() < 6  # skewed
    assert apart.std() > 0.3 * apart.mean()
    assert 0.01 < (gaps <= 0.6).float().mean() < 0.25


def test_a_listener_blinks_less_than_a_speaker():
    listening, talking = (
        len(blink_starts(faces_of_pose(1, pose, 600)))
        for pose in ("listening", "talking")
    )

    assert listening < 0.8 * talking


def test_lids_close_in_a_tenth_of_a_second_and_open_more_slowly():
    step_s = 0.005
    lids = faces_of_pose(9, "idle", 60, step_s)[:, BLINK]
    shut = (lids > 0.01).int().diff()
    starts, ends = (shut == 1).nonzero()[:, 0], (shut == -1).nonzero()[:, 0]
    whole = 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=False):
        lid = lids[start : end + 1]
        if lid.max() < 0.99 or (end - start) * step_s > 0.4:
            continue  # half or double
        whole += 1
        top = (lid > 0.99).nonzero()[:, 0]
        assert 0.05 <= top[0] * step_s <= 0.10
        assert 0.11 <= (len(lid) - top[-1]) * step_s <= 0.21
    assert whole > 7


@pytest.mark.parametrize("seed", range(4))
def test_full_blinks_are_visible_at_25_frames_a_second(seed):
    lids = faces_of_pose(seed, "idle", 60)[:, BLINK]

    assert (lids > 0.9).sum() >= 8


@pytest.mark.parametrize(
    ("pose", "least", "most"),
    [("listening", 0.85, 0.97), ("talking", 0.55, 0.8), ("idle", 0.65, 0.9)],
)
def test_the_gaze_is_mostly_on_the_viewer(pose, least, most):
    at_viewer = (gaze_of(faces_of_pose(1, pose, 600)).norm(dim=1) < 3).float().mean()

    assert least < at_viewer < most


def test_the_gaze_is_steady_in_the_world_while_the_head_moves():
    faces = faces_of_pose(4, "idle", 240)
    gaze, head = gaze_of(faces), torch.rad2deg(faces[:, HEAD])
    calm = faces[:, BLINK] < 0.01
    steps = gaze.diff(dim=0).norm(dim=1)[calm[1:] & calm[:-1]]

    assert (steps < 0.3).float().mean() > 0.85  # held
    assert (steps > 4).sum() > 30  # and moved
    # Glances take one or two frames: what is between holding and landing is rare.
    assert head.diff(dim=0).abs().max() > 0.2


def test_thinking_looks_up_and_aside_and_then_relaxes():
    up, aside, relaxed = [], [], []
    for seed in range(40):
        script = [("listening", "neutral", 2), ("thinking", "neutral", 8)]
        faces = faces_of_script(seed, script)
        gaze = gaze_of(faces)
        thinking = gaze[60:145]  # the first seconds, after the eyes have moved
        away = thinking[thinking.norm(dim=1) > 4]
        up.append(away[:, 1].mean().item())
        aside.append(len(away) / len(thinking))
        assert faces[90, INDEX["browDownLeft"]] > 0.1
        late = faces[50 + int((THINKING_S + 1) / FRAME_S) :]
        relaxed.append(late[:, INDEX["browDownLeft"]].max().item())
    assert min(up) > 2
    assert sum(aside) / len(aside) > 0.6
    assert max(relaxed) < 0.08


def test_a_listener_nods_every_few_seconds_with_raised_brows():
    faces = faces_of_pose(7, "listening", 120)
    pitch = torch.rad2deg(faces[:, PITCH])
    fast = pitch[6:] - pitch[:-6]  # within 240 ms nothing else dips so far
    dips = (fast < -1.0).int().diff() == 1

    assert 12 <= dips.sum() <= 60
    assert faces[:, INDEX["browInnerUp"]].min() > 0.1
    assert faces[:, INDEX["mouthSmileLeft"]].mean() > 0.18
    assert faces[:, ROLL].abs().mean() > 0.015


def test_motion_differs_by_seed_and_does_not_repeat():
    first, second = faces_of_pose(1, "idle", 60), faces_of_pose(2, "idle", 60)

    assert (first - second)[:, HEAD].abs().mean() > 0.005
    assert (first[:750] - first[750:])[:, HEAD].abs().mean() > 0.005


def test_a_pose_is_reached_within_300_ms():
    brow = INDEX["browInnerUp"]
    script = [("idle", "neutral", 2), ("listening", "neutral", 2)]
    faces = faces_of_script(3, script)[:, brow]
    plain = faces_of_pose(3, "idle", 4)[:, brow]
    gained = faces - plain[: len(faces)]

    assert gained[:50].abs().max() < 1e-6
    assert gained[50] < 0.06  # no jump
    assert gained[58] > 0.8 * gained[75:].mean()


def test_the_face_at_rest_smiles():
    assert faces_of_pose(3, "idle", 20)[:, INDEX["mouthSmileLeft"]].min() > 0.05


def test_a_flickering_pose_does_not_move_the_head_further():
    script = [(pose, "neutral", 0.02) for pose in ("talking", "idle") * 60]
    assert faces_of_script(1, script)[:, HEAD].abs().max() < math.radians(9)


# Emotions.


@pytest.mark.parametrize("emotion", ["surprised", "angry"])
def test_lids_close_with_any_emotion(emotion):
    faces = faces_of_script(4, [("idle", emotion, 60)])
    shut = faces[:, BLINK] > 0.95

    assert shut.sum() >= 8
    assert faces[shut, INDEX["eyeWideLeft"]].max() < 0.03


def test_the_protocol_has_the_same_emotions():
    assert tuple(expressions.EMOTION_WEIGHTS) == EMOTIONS
    assert set(expressions.POSE_WEIGHTS) == set(POSES)


def test_docs_life_has_the_table_of_emotions():
    page = (Path(__file__).parents[3] / "docs" / "life.md").read_text()
    for name, amounts in expressions.EMOTION_WEIGHTS.items():
        cell = ", ".join(f"{shape} {x:+g}" for shape, x in amounts.items())
        assert f"| `{name}` | {cell or 'nothing'} |" in page


@pytest.mark.parametrize(
    ("emotion", "shape"),
    [
        ("happy", "mouthSmileLeft"),
        ("sad", "mouthFrownLeft"),
        ("surprised", "browOuterUpLeft"),
        ("concerned", "browInnerUp"),
        ("serious", "browDownLeft"),
        ("angry", "noseSneerLeft"),
    ],
)
def test_an_emotion_fades_in_and_out_within_300_ms(emotion, shape):
    script = [("idle", name, 1.2) for name in ("neutral", emotion, "neutral")]
    faces = faces_of_script(2, script) - faces_of_pose(2, "idle", 3.6)
    added = faces[:, INDEX[shape]]
    full = expressions.EMOTION_WEIGHTS[emotion].get(shape.removesuffix("Left"), 0)

    assert added[:30].abs().max() < 1e-6
    assert added[30] < 0.4 * full
    assert added[39] == pytest.approx(full, rel=0.15)
    assert added[72:].abs().max() < 0.05


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_an_emotion_does_not_part_lips_while_talking(emotion):
    plain = faces_of_script(2, [("talking", "neutral", 3)])
    faces = faces_of_script(2, [("talking", emotion, 3)])
    parting = [i for name, i in INDEX.items() if name.startswith(expressions.PARTING)]
    mouth = [i for name, i in INDEX.items() if name.startswith("mouth")]

    assert torch.equal(faces[:, parting], plain[:, parting])
    assert (faces - plain)[:, mouth].max() < 0.25


# Motion with the voice.


def faces_of_turn(seed, pcm, lookahead, emotion="neutral"):
    """Return the faces of 1 s of listening, a turn, and 2 s of idling."""
    life, faces = Life(seed), []
    for i in range(25):
        faces.append(life.face(i * FRAME_S, "listening", emotion))
    frames = len(pcm) // 1920
    consumed = 0
    for i in range(frames):
        until = min(len(pcm) // 2, 960 * i + 480 + lookahead)
        new, consumed = pcm[2 * consumed : 2 * until], max(consumed, until)
        at_s = (25 + i) * FRAME_S
        life.add_audio(at_s, 1, new, consumed - 960 * i - 480)
        faces.append(life.face(at_s, "talking", emotion))
    for i in range(50):
        faces.append(life.face((25 + frames + i) * FRAME_S, "idle", emotion))
    return stacked(faces)


@pytest.mark.parametrize("lookahead", [0, 2880])
def test_the_head_nods_with_stressed_syllables(lookahead):
    """One syllable a second is louder and higher than the rest."""
    stressed_s = [1.0 + n for n in range(8)]
    pcm = voice(10.0, stressed_s)
    near = far = 0.0
    for seed in range(12):
        nods = -faces_of_turn(seed, pcm, lookahead)[25:, PITCH].diff()  # down is plus
        for at_s in stressed_s[1:]:
            first = round((at_s - 0.15) / FRAME_S)
            near += nods[first : first + 10].clamp(min=0).sum().item()
            far += nods[first + 12 : first + 22].clamp(min=0).sum().item()

    assert near > 2 * far


def test_brows_and_head_move_with_speech_and_not_with_silence():
    speech, silence = voice(8.0, [1.0, 2.6, 4.1, 5.5]), bytes(2 * 24_000 * 8)
    brow = INDEX["browInnerUp"]
    moved = {}
    for name, pcm in (("speech", speech), ("silence", silence)):
        faces = torch.cat([faces_of_turn(seed, pcm, 2880)[35:225] for seed in range(6)])
        moved[name] = (faces[:, brow].amax(), faces[:, PITCH].diff().abs().mean())

    assert moved["speech"][0] > moved["silence"][0] + 0.15
    assert moved["speech"][1] > 2 * moved["silence"][1]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.floats(0.2, 5.5), max_size=8),
    st.sampled_from([-480, 0, 480, 2880]),
    st.sampled_from(EMOTIONS),
)
def test_speech_does_not_make_head_or_brows_jump(seed, stressed_s, lookahead, emotion):
    faces = faces_of_turn(seed, voice(6.0, stressed_s), lookahead, emotion)
    steps = faces.diff(dim=0)

    assert steps[:, HEAD].abs().max() < 0.045
    assert steps[:, HEAD].diff(dim=0).abs().max() < 0.04
    assert steps[:, BROWS].abs().max() < 0.3
    assert faces[:, HEAD].abs().max() < math.radians(15)


def test_a_second_turn_gives_finite_faces():
    loud, quiet = voice(3.0, [1.0]), voice(3.0, [1.0], gain=0.1)
    life = Life(1)
    for number, pcm in ((1, loud), (2, quiet)):
        for i in range(75):
            at_s = (75 * number + i) * FRAME_S
            life.add_audio(at_s, number, pcm[1920 * i : 1920 * (i + 1)], 480)
            faces = life.face(at_s, "talking")
    assert np.isfinite(faces).all()


def test_breath_is_continuous_and_uses_its_whole_range():
    levels = [breath_at(i / 25) for i in range(500)]

    assert min(levels) < 0.01
    assert max(levels) > 0.99
    assert max(abs(a - b) for a, b in pairwise(levels)) < 0.05


def test_a_seed_has_the_motion_that_was_recorded(native):
    analysis = voice_analysis(torch.device("cpu"), native)
    with np.load(recorded.FILE) as file:
        expected = dict(zip(recorded.SEEDS, file["arr_0"], strict=True))
    for seed, faces in expected.items():
        motion = recorded.motion(lambda seed: Life(seed, analysis), seed)
        assert np.abs(motion - faces).max() < 1e-6
