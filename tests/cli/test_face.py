"""``lite-gateway face``: a driver's face as numbers, and how it is fed for it."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.__main__ import main
from lite_gateway.cli.face import faces_of, first_moment_s
from lite_gateway.cli.render import frame_requests
from lite_gateway.offline.audio_frames import hearings
from lite_gateway.offline.wav import read_wav
from protocol.lite.messages import SAMPLE_RATE
from renderer.face import INDEX, NAMES, SIZE

HELLO = Path(__file__).parents[2] / "web" / "samples" / "hello.wav"
RATES = [Fraction(10), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60)]


class Listener:
    """A driver that shows how far it has heard past the moment, in seconds."""

    def begin(self):
        return []

    def drive(self, states, chunks):
        faces = torch.zeros(len(states), SIZE)
        for state, new, face in zip(states, chunks, faces, strict=True):
            state.append(new.pcm)
            face[0] = new.lookahead_samples / SAMPLE_RATE
            face[1] = sum(map(len, state)) / SAMPLE_RATE
        return faces


def face(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["face", *map(str, arguments)], {})
    return ended.value.code


def written(path):
    told = json.loads(path.read_text())
    assert told["names"] == list(NAMES)
    return told, np.array(told["frames"])


@given(
    total=st.integers(0, 5000),
    fps=st.sampled_from(RATES),
    ahead=st.integers(0, SAMPLE_RATE * 120 // 1000),
)
def test_all_that_is_heard_is_heard_once_and_no_sooner_than_asked(total, fps, ahead):
    speech = np.arange(total, dtype="<i2").tobytes()
    heard, frames = b"", list(hearings(speech, fps, ahead))
    for index, new in enumerate(frames):
        heard += new.pcm
        assert new.start == int(index * SAMPLE_RATE / fps) < total
        middle = new.start + new.length // 2
        assert len(heard) // 2 == middle + new.lookahead_samples
        assert new.lookahead_samples == min(ahead, total - middle)
    assert heard == speech[: len(heard)]
    assert len(frames) == 0 or frames[-1].start + new.length >= total - 1


def test_a_driver_hears_the_lookahead_past_the_moment_of_its_face():
    speech = bytes(2 * SAMPLE_RATE)
    for milliseconds in (0, 40, 120):
        faces = faces_of(Listener(), speech, Fraction(25), milliseconds)
        moments = first_moment_s(Fraction(25)) + np.arange(len(faces)) / 25
        assert faces[:20, 0].tolist() == pytest.approx([milliseconds / 1000] * 20)
        past = (faces[:, 1] - faces[:, 0]).numpy()
        assert past == pytest.approx(moments, abs=1e-3)


def test_a_rendered_file_is_heard_as_in_a_room():
    speech = read_wav(HELLO)
    requests = list(frame_requests(bytes(1920 * 3), speech, bytes(1920 * 2)))
    spoken = [request for request in requests if request.turn]
    assert b"".join(request.pcm for request in spoken) == speech
    assert [request.index for request in requests] == list(range(len(requests)))
    assert [request.pose for request in requests[:3] + requests[-2:]] == ["idle"] * 5
    # A session hears 120 ms past the end of a frame, which is 20 ms past its middle.
    assert spoken[0].lookahead_samples == SAMPLE_RATE * (20 + 120) // 1000
    assert spoken[-1].lookahead_samples < spoken[0].lookahead_samples


@pytest.mark.parametrize("fps", ["10", "25", "29.97", "60"])
def test_frames_of_any_rate_cover_the_file(fps, tmp_path, capsys):
    output = tmp_path / "face.json"
    assert face(HELLO, "-o", output, "--fps", fps, "--lookahead-ms", 40) == 0
    told, frames = written(output)
    seconds = len(read_wav(HELLO)) / 2 / SAMPLE_RATE
    assert told["fps"] == pytest.approx(float(fps))
    assert told["lookahead_ms"] == 40
    assert told["t0"] == pytest.approx(0.5 / float(fps), abs=1e-3)
    assert frames.shape == (frames.shape[0], SIZE)
    assert len(frames) / float(fps) == pytest.approx(seconds, abs=1 / float(fps))
    assert frames[:, INDEX["jawOpen"]].max() > 0.2
    assert frames.min() >= 0
    assert frames.max() <= 1


def test_only_idle_motion_blinks_and_moves_the_head(tmp_path, capsys):
    output = tmp_path / "face.json"
    moved = [INDEX["eyeBlinkLeft"], INDEX["headYaw"], INDEX["gazeX"]]
    assert face(HELLO, "-o", output) == 0
    _, still = written(output)
    assert not still[:, moved].any()
    assert face(HELLO, "-o", output, "--idle") == 0
    _, alive = written(output)
    assert alive[:, INDEX["headYaw"]].std() > 0
    assert alive[:, INDEX["jawOpen"]] == pytest.approx(still[:, INDEX["jawOpen"]])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((HELLO, "--fps", "9"), "10..60"),
        ((HELLO, "--fps", "1/0"), "10..60"),
        ((HELLO, "--fps", "fast"), "fast is not a rate in 10..60"),
        ((HELLO, "--fps", "nan"), "nan is not a rate in 10..60"),
        ((HELLO, "--lookahead-ms", "121"), "0..120"),
        ((HELLO, "--lookahead-ms", "-1"), "0..120"),
        ((HELLO, "--lookahead-ms", "x"), "x is not a whole number in 0..120"),
        ((HELLO, "--driver", "no.such:thing"), "no.such"),
        (("missing.wav",), "missing.wav"),
        ((Path(__file__),), "PCM WAV"),
    ],
)
def test_bad_input_is_named_with_status_2(arguments, told, tmp_path, capsys):
    assert face(*arguments, "-o", tmp_path / "face.json") == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "face.json").exists()


class Narrow(Listener):
    """Knows of ARKit only."""

    def drive(self, states, chunks):
        return torch.zeros(len(states), 52)


@pytest.mark.parametrize(
    ("driver", "told"),
    [
        ("json:dumps", "TypeError: dumps() missing"),
        (".x:y", "module:factory"),
        ("os:getcwd", "returned str, which has no begin()"),
        (f"{__name__}:Narrow", "Narrow.drive returned a tensor [1, 52]"),
    ],
)
def test_a_driver_that_is_none_is_named_with_status_2(driver, told, tmp_path, capsys):
    assert face(HELLO, "-o", tmp_path / "face.json", "--driver", driver) == 2
    assert told in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named_with_status_2(tmp_path, capsys):
    assert face(HELLO, "-o", tmp_path / "no" / "face.json") == 2
    assert "face.json" in capsys.readouterr().err
