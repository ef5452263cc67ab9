"""Command `lite-gateway face`, and the audio that a driver gets for each frame."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.__main__ import main
from lite_gateway.cli.face import drive_speech, first_face_s
from lite_gateway.cli.render import frame_requests
from lite_gateway.offline.audio_frames import split_audio
from lite_gateway.offline.wav import read_wav
from protocol.lite.messages import SAMPLE_RATE
from renderer.face import INDEX, NAMES, SIZE
from renderer.frames import Phone

HELLO = Path(__file__).parents[2] / "web" / "samples" / "hello.wav"
RATES = [Fraction(10), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60)]


class LookaheadDriver:
    """Driver that returns its look-ahead and its consumed audio, in seconds."""

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
    with pytest.raises(SystemExit) as exit_info:
        main(["face", *map(str, arguments)], {})
    return exit_info.value.code


def failure(*arguments):
    """Run a command that must end with status 1; return its text."""
    text = face(*arguments)
    assert isinstance(text, str)  # of `sys.exit`
    return text


def read_faces(path):
    content = json.loads(path.read_text())
    assert content["names"] == list(NAMES)
    return content, np.array(content["frames"])


@given(
    total=st.integers(0, 5000),
    fps=st.sampled_from(RATES),
    lookahead=st.integers(0, SAMPLE_RATE * 120 // 1000),
)
def test_audio_is_consumed_once_and_not_before_its_lookahead(total, fps, lookahead):
    speech = np.arange(total, dtype="<i2").tobytes()
    consumed, frames = b"", list(split_audio(speech, fps, lookahead))
    for index, frame in enumerate(frames):
        consumed += frame.pcm
        assert frame.start == int(index * SAMPLE_RATE / fps) < total
        middle = frame.start + frame.length // 2
        assert len(consumed) // 2 == middle + frame.lookahead_samples
        assert frame.lookahead_samples == min(lookahead, total - middle)
    assert consumed == speech[: len(consumed)]
    assert len(frames) == 0 or frames[-1].start + frames[-1].length >= total - 1


def test_driver_gets_the_lookahead_past_the_time_of_its_face():
    speech = bytes(2 * SAMPLE_RATE)
    for milliseconds in (0, 40, 120):
        faces = drive_speech(LookaheadDriver(), speech, Fraction(25), milliseconds)
        times_s = first_face_s(Fraction(25)) + np.arange(len(faces)) / 25
        assert faces[:20, 0].tolist() == pytest.approx([milliseconds / 1000] * 20)
        consumed_s = faces[:, 1] - faces[:, 0]
        assert consumed_s == pytest.approx(times_s, abs=1e-3)


def test_driver_gets_the_audio_of_a_rendered_file_as_in_a_room():
    speech = read_wav(HELLO)
    requests = list(frame_requests(bytes(1920 * 3), speech, bytes(1920 * 2)))
    spoken = [request for request in requests if request.turn]
    assert b"".join(request.pcm for request in spoken) == speech
    assert [request.index for request in requests] == list(range(len(requests)))
    assert [request.pose for request in requests[:3] + requests[-2:]] == ["idle"] * 5
    # In a session, the look-ahead is 120 ms past the end of a frame. The end is 20 ms
    # past the middle.
    assert spoken[0].lookahead_samples == SAMPLE_RATE * (20 + 120) // 1000
    assert spoken[-1].lookahead_samples < spoken[0].lookahead_samples


@pytest.mark.parametrize("fps", ["10", "25", "29.97", "60"])
def test_frames_of_any_rate_cover_the_file(fps, tmp_path, capsys):
    output = tmp_path / "face.json"
    assert face(HELLO, "-o", output, "--fps", fps, "--lookahead-ms", 40) == 0
    content, frames = read_faces(output)
    seconds = len(read_wav(HELLO)) / 2 / SAMPLE_RATE
    assert content["fps"] == pytest.approx(float(fps))
    assert content["lookahead_ms"] == 40
    assert content["t0"] == pytest.approx(0.5 / float(fps), abs=1e-3)
    assert frames.shape == (frames.shape[0], SIZE)
    assert len(frames) / float(fps) == pytest.approx(seconds, abs=1 / float(fps))
    assert frames[:, INDEX["jawOpen"]].max() > 0.2
    assert frames.min() >= 0
    assert frames.max() <= 1


def test_only_idle_motion_blinks_and_moves_the_head(tmp_path, capsys):
    output = tmp_path / "face.json"
    idle_only = [INDEX["eyeBlinkLeft"], INDEX["headYaw"], INDEX["gazeX"]]
    assert face(HELLO, "-o", output) == 0
    _, still = read_faces(output)
    assert not still[:, idle_only].any()
    assert face(HELLO, "-o", output, "--idle") == 0
    _, with_idle = read_faces(output)
    assert with_idle[:, INDEX["headYaw"]].std() > 0
    assert with_idle[:, INDEX["jawOpen"]] == pytest.approx(still[:, INDEX["jawOpen"]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((HELLO, "--fps", "9"), "10..60"),
        ((HELLO, "--fps", "1/0"), "10..60"),
        ((HELLO, "--fps", "fast"), "fast is not a rate in 10..60"),
        ((HELLO, "--fps", "nan"), "nan is not a rate in 10..60"),
        ((HELLO, "--lookahead-ms", "121"), "0..120"),
        ((HELLO, "--lookahead-ms", "-1"), "0..120"),
        ((HELLO, "--lookahead-ms", "x"), "x is not a whole number in 0..120"),
    ],
)
def test_a_number_out_of_range_is_wrong_usage(arguments, message, tmp_path, capsys):
    assert face(*arguments, "-o", tmp_path / "face.json") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "face.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((HELLO, "--driver", "no.such:thing"), "no.such"),
        (("missing.wav",), "missing.wav"),
        ((Path(__file__),), "Use a WAV"),
    ],
)
def test_invalid_input_is_reported(arguments, message, tmp_path):
    assert message in failure(*arguments, "-o", tmp_path / "face.json")
    assert not (tmp_path / "face.json").exists()


class ArkitOnlyDriver(LookaheadDriver):
    """Driver whose faces lack head and gaze."""

    def drive(self, states, chunks):
        return torch.zeros(len(states), 52)


@pytest.mark.parametrize(
    ("driver", "message"),
    [
        ("json:dumps", "TypeError: dumps() missing"),
        (".x:y", "module:factory"),
        ("os:getcwd", "returned str, which has no begin()"),
        (
            f"{__name__}:ArkitOnlyDriver",
            "ArkitOnlyDriver.drive returned a tensor [1, 52]",
        ),
    ],
)
def test_an_invalid_driver_is_reported(driver, message, tmp_path):
    output = tmp_path / "face.json"
    assert message in failure(HELLO, "-o", output, "--driver", driver)


def with_phones(tmp_path, content, name="phones.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


PHONES = {"alphabet": "arpabet", "phones": [["M", 0.1, 0.5], ["UW1", 0.5, 1.0]]}
GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.4
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.4
        intervals: size = 1
        intervals [1]:
            xmin = 0.1
            xmax = 1.0
            text = "moo ""1.5"" x"
    item [2]:
        class = "IntervalTier"
        name = "ann - phones"
        xmin = 0
        xmax = 1.4
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.1
            text = ""
        intervals [2]:
            xmin = 0.1
            xmax = 0.5
            text = "M"
        intervals [3]:
            xmin = 0.5
            xmax = 1.0
            text = "UW1"
"""
SHORT_GRID = """File type = "ooTextFile short"
"TextGrid"

0
1.4
<exists>
1
"IntervalTier"
"phones"
0
1.4
4
0
0.1
"pau"
0.1
0.5
"M"
0.5
1.0
"UW1"
1.0
1.4
"<eps>"
"""


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (PHONES, "arpabet.json"),
        ([["m", 0.1, 0.5], ["u", 0.5, 1]], "ipa.json"),
        (GRID, "long.TextGrid"),
        (SHORT_GRID, "short.TextGrid"),
    ],
)
@pytest.mark.parametrize("lookahead_ms", [0, 120])
def test_the_mouth_follows_the_phones_of_a_file(
    content, name, lookahead_ms, tmp_path, capsys
):
    phones, output = with_phones(tmp_path, content, name), tmp_path / "face.json"
    options = ("-o", output, "--lookahead-ms", lookahead_ms)
    assert face(HELLO, *options, "--phones", phones) == 0
    _, frames = read_faces(output)
    times_s = 0.02 + np.arange(len(frames)) / 25
    hummed = frames[(times_s > 0.14) & (times_s < 0.5)]
    rounded = frames[(times_s > 0.62) & (times_s < 0.96)]
    assert hummed[:, INDEX["mouthPressLeft"]].min() > 0.4
    assert hummed[:, INDEX["mouthClose"]] == pytest.approx(
        hummed[:, INDEX["jawOpen"]], abs=0.05
    )
    assert rounded[:, INDEX["mouthPucker"]].min() > 0.6
    assert rounded[:, INDEX["mouthPressLeft"]].max() < 0.05
    assert face(HELLO, *options) == 0
    _, heard = read_faces(output)
    assert np.abs(heard - frames).max() > 0.3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([["m", 0.1, 0.5], ["u", 0.4, 1]], "starts at 0.4 s, before the end"),
        ([["m", 0.1, 50]], "the last phone ends at 50 s and the sound at 2"),
        ([["m", 100, 500]], "the last phone ends at 500 s"),
        ([], "nothing is spoken"),
        ([["sil", 0, 1]], "nothing is spoken"),
        ([["M9", 0.1, 0.5]], "'M9' is no symbol of the alphabet ipa"),
        ({"phones": [["m", -1, 0.5]]}, "starts at -1 s"),
        ("{", "it cannot be read"),
        ("[" * 100_000, "nested too deeply"),
        ('[["m", NaN, 1]]', "not finite"),
        (GRID[:-40], "the TextGrid ends too early"),
        (GRID.replace("phones", "letters"), "its tiers are 'words', 'ann - letters'"),
        (GRID.replace('"M"', '"Mx"'), "'Mx' is no symbol"),
    ],
)
def test_bad_phones_are_reported(content, message, tmp_path):
    phones, output = with_phones(tmp_path, content), tmp_path / "face.json"
    error = failure(HELLO, "-o", output, "--phones", phones)
    assert message in error
    assert str(phones) in error
    assert not output.exists()


def test_a_file_of_phones_that_cannot_be_read_is_reported(tmp_path):
    output, phones = tmp_path / "face.json", tmp_path / "phones.json"
    assert "No such file" in failure(HELLO, "-o", output, "--phones", phones)
    phones.write_bytes(b"\xff\x00\x81")
    assert "it cannot be read" in failure(HELLO, "-o", output, "--phones", phones)


def test_a_rendered_file_gets_its_phones_with_its_first_audio():
    phones = (Phone("M", 0.1, 0.5),)
    requests = list(
        frame_requests(bytes(1920 * 3), bytes(9600), b"", "neutral", phones)
    )
    assert [request.phones for request in requests[:6]] == [(), (), (), phones, (), ()]
