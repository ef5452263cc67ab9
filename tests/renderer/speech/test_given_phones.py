"""Driver of given phones: the mouth follows them, and hears where there are none."""

import numpy as np
import pytest
import torch

from renderer.face import INDEX
from renderer.frames import SAMPLE_RATE, Phone
from renderer.speech import given_phones
from renderer.speech.driver import AudioChunk
from renderer.speech.given_phones import PhonesDriver
from renderer.speech.lip_driver import FADE_S
from renderer.speech.native_driver import make_lip_driver
from renderer.speech.phone_curves import phone_curves

FRAME = SAMPLE_RATE // 25
HEARD = 0.37  # weight that the hearing of these tests sets


class ConstantHearing:
    """Hearing whose face has one weight, and that counts what it consumed."""

    def begin(self):
        return [0]

    def drive(self, states, chunks):
        faces = torch.zeros(len(states), len(INDEX))
        for state, chunk, face in zip(states, chunks, faces, strict=True):
            state[0] += len(chunk.pcm)
            face[INDEX["jawForward"]] = HEARD
        return faces


def drive(given, frames, lookahead_s=0.0):
    """Return the faces of ``frames``; ``given`` has the phones of some of them."""
    driver = PhonesDriver(ConstantHearing())
    state, lookahead, faces = driver.begin(), round(lookahead_s * SAMPLE_RATE), []
    for index in range(frames):
        count = FRAME + (lookahead if index == 0 else 0)
        chunk = AudioChunk(torch.zeros(count), lookahead, tuple(given.get(index, ())))
        faces.append(driver.drive([state], [chunk])[0].numpy())
    assert state.hearing == [frames * FRAME + lookahead]
    return np.stack(faces)  # face i shows (i + 1) / 25 s


def word(start_s, *phonemes, length_s=0.12):
    return [
        Phone(phoneme, start_s + k * length_s, start_s + (k + 1) * length_s)
        for k, phoneme in enumerate(phonemes)
    ]


def at(faces, time_s, name):
    return faces[round(time_s * 25) - 1, INDEX[name]]


@pytest.mark.parametrize("lookahead_s", [0.0, 0.12])
def test_the_mouth_shows_each_phone_at_its_time(lookahead_s):
    phones = word(0.2, "M", "AA", "F", "UW", "S", "P", "AA", length_s=0.2)
    faces = drive({0: phones}, 45, lookahead_s)
    closed = [at(faces, time_s, "mouthPressLeft") for time_s in (0.28, 1.28)]
    assert min(closed) > 0.4
    assert at(faces, 0.72, "mouthRollLower") > 0.5 > 0.2 > at(faces, 0.72, "jawOpen")
    assert at(faces, 0.92, "mouthPucker") > 0.5
    assert at(faces, 0.52, "jawOpen") > 0.4 > at(faces, 1.12, "jawOpen") + 0.2
    assert not faces[20:38, INDEX["jawForward"]].round(3).any()


def test_phones_given_in_parts_give_the_faces_of_all_at_once():
    phones = word(0.0, *["P", "AA", "F", "UW", "S", "M", "AO", "SH"] * 2)
    whole = drive({0: phones}, 45)
    parts = drive({5 * k: phones[4 * k : 4 * k + 4] for k in range(4)}, 45)
    # A part arrives a frame or more before the one before it ends: what is further
    # ahead pulls a little.
    assert np.abs(parts - whole).max() < 0.1


def test_phones_given_a_second_ahead_give_the_faces_of_all_at_once(monkeypatch):
    phones = word(0.1, *["P", "AA", "F", "UW", "S", "M", "AO", "SH"] * 4)
    whole = drive({0: phones}, 90)
    computed = []

    def count(*args):
        computed.append(args)
        return phone_curves(*args)

    monkeypatch.setattr(given_phones, "phone_curves", count)
    ahead = {k: [p for p in phones if p.start_s // 0.04 == k + 26] for k in range(90)}
    ahead[0] = [p for p in phones if p.start_s < 1.08]
    assert (drive(ahead, 90) == whole).all()
    assert len(computed) < 90 / 4  # not once for each frame


def test_hearing_takes_over_without_a_jump_where_there_are_no_phones():
    faces = drive({0: word(0.4, "AA", "P", "AA"), 1: word(2.0, "AA")}, 60)
    heard = faces[:, INDEX["jawForward"]]
    assert heard[0] == pytest.approx(HEARD)
    assert at(faces, 0.56, "jawForward") < 0.05
    assert at(faces, 1.5, "jawForward") == pytest.approx(HEARD, abs=0.01)
    assert at(faces, 2.08, "jawForward") < 0.15
    step = HEARD * (1 - np.exp(-0.04 / FADE_S)) + 0.01
    assert np.abs(np.diff(heard)).max() <= step


def test_a_short_gap_is_silence_and_a_long_one_is_heard():
    short = drive({0: [*word(0.0, "AA"), *word(0.3, "AA")]}, 10)
    assert not short[:, INDEX["jawForward"]].any()
    long = drive({0: [*word(0.0, "AA"), *word(0.6, "AA")]}, 20)
    assert at(long, 0.36, "jawForward") > 0.2


def test_phones_that_come_after_their_time_change_nothing():
    late = drive({20: word(0.2, "AA", "P", "UW")}, 30)
    assert (late == drive({}, 30)).all()


def test_phones_that_overlap_are_cut_to_what_is_new():
    overlapping = [Phone("AA", 0.0, 0.4), Phone("P", 0.2, 0.5), Phone("S", 0.1, 0.3)]
    assert drive({0: overlapping}, 12) == pytest.approx(
        drive({0: [Phone("AA", 0.0, 0.4), Phone("P", 0.4, 0.5)]}, 12)
    )


def test_turns_in_a_batch_do_not_share_phones():
    driver = PhonesDriver(ConstantHearing())
    states = [driver.begin(), driver.begin()]
    chunk = AudioChunk(torch.zeros(FRAME), FRAME // 2, tuple(word(0.0, "AA")))
    given, heard = driver.drive(states, [chunk, AudioChunk(chunk.pcm, FRAME // 2)])
    assert given[INDEX["jawOpen"]] > 0.3
    assert heard[INDEX["jawForward"]] == pytest.approx(HEARD)


@pytest.mark.parametrize("native", [False, None])
def test_without_phones_the_faces_are_those_of_hearing(native):
    voice = 0.2 * torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(1))
    hearing = make_lip_driver(native=native)
    both = PhonesDriver(make_lip_driver(native=native))
    alone, beside = hearing.begin(), both.begin()
    for start in range(0, SAMPLE_RATE, FRAME):
        chunk = AudioChunk(voice[start : start + FRAME], FRAME // 2)
        face = both.drive([beside], [chunk])
        assert torch.equal(face, hearing.drive([alone], [chunk]))
