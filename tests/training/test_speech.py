"""The speech corpus: times a mouth can be drawn by, and the same again for a seed."""

import ctypes
import shutil
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import training
from renderer.frames import SAMPLE_RATE
from training import (
    espeak,
    features,
    festival,
    flite,
    phone_sets,
    speech,
    train,
    voices,
)
from training.__main__ import finish, handed_over
from training.sounds import (
    PHONEMES,
    MissingVoice,
    SynthesisError,
    UnknownSymbol,
    phones_from_symbols,
    sounds_of,
)
from training.voices import plan


def _library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


needs_espeak = pytest.mark.skipif(
    not _library("libespeak-ng.so.1"), reason="libespeak-ng1 is not installed"
)
needs_flite = pytest.mark.skipif(
    not _library("libflite_cmu_us_slt.so.1"), reason="libflite1 is not installed"
)
needs_kal = pytest.mark.skipif(
    not Path("/usr/share/festival/voices/english/kal_diphone").exists()
    or shutil.which("festival") is None,
    reason="festival or festvox-kallpc16k is not installed",
)

SENTENCE = "A puppy, a happy camper, and about five beautiful maps."


def _level(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(sound)))) if sound.size else 0.0


def _covers(said: speech.Synthesis) -> None:
    assert said.phones[0].start_s == 0
    assert all(one.end_s == other.start_s for one, other in pairwise(said.phones))
    assert all(phone.end_s > phone.start_s for phone in said.phones)
    assert said.phones[-1].end_s == pytest.approx(len(said.audio) / said.sample_rate)
    assert {phone.sound for phone in said.phones} <= set(PHONEMES)


@needs_espeak
@pytest.mark.parametrize("voice", ["en-us+m3", "de+f2", "fr+klatt", "ru+f3", "hi+m2"])
def test_espeak_phones_cover_the_sound_without_gaps(voice: str) -> None:
    texts = {"ru": "добрый вечер, спасибо", "hi": "मुझे पानी चाहिए"}
    _covers(espeak.speak(voice, texts.get(voice[:2], SENTENCE)))


@needs_flite
def test_flite_phones_cover_the_sound_without_gaps() -> None:
    _covers(flite.speak("slt", SENTENCE, duration_factor=1.2, pitch_hz=200))


@needs_kal
def test_festival_phones_cover_the_sound_without_gaps() -> None:
    said = list(festival.speak("kal_diphone", [festival.Sentence(SENTENCE, 0.9)]))
    assert isinstance(said[0], speech.Synthesis)
    _covers(said[0])


@needs_espeak
def test_lips_that_are_shut_for_a_p_are_silent_and_their_parting_is_not() -> None:
    said = espeak.speak("en-us+m3", SENTENCE)
    rate = said.sample_rate
    closures = [
        (round(phone.start_s * rate), round(phone.end_s * rate))
        for before, phone in pairwise(said.phones)
        if phone.sound == "P" and before.sound != "SIL"
    ]
    assert len(closures) >= 4
    for start, end in closures:
        edge = (end - start) // 6  # a boundary is known to a few ms
        shut = _level(said.audio[start + edge : end - edge])
        parted = _level(said.audio[end : end + round(0.02 * rate)])
        assert 0.025 * rate < end - start < 0.08 * rate
        assert shut < 0.05 * parted


@needs_flite
def test_flite_is_quieter_in_a_p_than_around_it() -> None:
    said = flite.speak("rms", SENTENCE)
    rate = said.sample_rate
    for phone in said.phones:
        if phone.sound == "P":
            start, end = round(phone.start_s * rate), round(phone.end_s * rate)
            shut = _level(said.audio[start + (end - start) // 4 : end])
            assert shut < 0.5 * _level(said.audio[end : end + round(0.06 * rate)])


@needs_espeak
def test_espeak_knows_where_the_stress_is() -> None:
    said = espeak.speak("en-us", "banana")
    vowels = [
        phone.stress for phone in said.phones if phone.sound in ("AX", "AE", "AH")
    ]
    assert vowels == [0, 1, 0]


@needs_espeak
def test_the_same_seed_gives_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    part = next(part for part in plan() if part.source == "espeak")
    speech.fill(part, tmp_path / "a", 6, 1, Counter())
    espeak.speak("de+f2", "etwas anderes")
    speech.fill(part, tmp_path / "b", 12, 1, Counter())
    first = sorted((tmp_path / "a").rglob("*.*"))
    assert len(first) >= 4
    for path in first:
        again = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert again.read_bytes() == path.read_bytes()


@needs_flite
def test_flite_says_the_same_again_whatever_it_said_between() -> None:
    first = flite.speak("rms", SENTENCE)
    flite.speak("rms", "something else", duration_factor=1.3, pitch_hz=90)
    again = flite.speak("rms", SENTENCE)
    assert np.array_equal(first.audio, again.audio)
    assert first.phones == again.phones


@needs_espeak
@needs_flite
def test_espeak_breathes_the_same_after_another_synthesiser() -> None:
    first = espeak.speak("en-us+whisperf", SENTENCE)
    flite.speak("rms", "something else")
    assert np.array_equal(first.audio, espeak.speak("en-us+whisperf", SENTENCE).audio)


@needs_espeak
def test_what_is_on_disk_is_kept_and_loads_as_it_was_said(tmp_path: Path) -> None:
    part = next(part for part in plan() if part.source == "espeak" and part.held_out)
    before_s = speech.fill(part, tmp_path, 4, 1, Counter())
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert speech.fill(part, tmp_path, 4, 1, Counter()) == pytest.approx(before_s)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == stamps
    utterances = speech.load(tmp_path)
    assert all(one.held_out and one.voice == part.voice for one in utterances)
    sound = utterances[0].audio()
    assert len(sound) / SAMPLE_RATE == pytest.approx(utterances[0].duration_s)
    assert np.abs(sound).max() == pytest.approx(speech.PEAK, abs=0.01)


@needs_espeak
def test_a_voice_that_is_missing_names_its_package() -> None:
    with pytest.raises(MissingVoice, match="espeak-ng-data"):
        espeak.speak("xx-nowhere", "hello")


def test_every_table_leads_to_known_sounds() -> None:
    tables = [*phone_sets.PHONE_SETS.values(), phone_sets.IPA, phone_sets.IPA_WHOLE]
    assert {
        sound for table in tables for sounds in table.values() for sound in sounds
    } <= (set(PHONEMES))


def test_an_unknown_symbol_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(UnknownSymbol, match="Q"):
        sounds_of("radio", "Q")
    with pytest.raises(UnknownSymbol):
        sounds_of("ipa", "ʘ")


def test_a_diphthong_is_two_sounds_and_silences_are_one() -> None:
    phones = phones_from_symbols(
        "radio", ["pau", "pau", "ay", "b"], [0.0, 0.1, 0.2, 0.3], 0.4
    )
    assert [phone.sound for phone in phones] == ["SIL", "AA", "IH", "B"]
    assert phones[1].end_s == pytest.approx(0.26)


def test_phones_that_come_too_early_leave_no_overlap() -> None:
    phones = phones_from_symbols("radio", ["aa", "b", "m"], [0.0, 0.2, 0.1], 0.4)
    assert [(phone.sound, phone.start_s, phone.end_s) for phone in phones] == [
        ("AA", 0.0, 0.2),
        ("M", 0.2, 0.4),
    ]


def test_held_voices_are_held_everywhere_and_most_of_the_plan_is_of_people() -> None:
    parts = plan()
    held = {part.name.partition("+")[2] for part in parts if part.held_out}
    assert {"m7", "f5", "klatt4", "linda", "Mike", "Alicia"} <= held
    assert {"sv", "tr", "ja"} <= {part.language for part in parts if part.held_out}
    assert not {"sv", "tr", "ja"} & {
        part.language for part in parts if not part.held_out
    }
    people = sum(part.minutes for part in parts if part.source != "espeak")
    assert 0.6 < people / sum(part.minutes for part in parts) < 0.7


@needs_espeak
def test_an_utterance_that_ends_its_process_is_missing_and_the_next_is_not() -> None:
    with pytest.raises(SynthesisError, match="ended with 1"):
        espeak.speak("en-us+m3", SENTENCE, rate=1.5)  # the library takes no fractions
    _covers(espeak.speak("en-us+m3", SENTENCE))


def test_one_worker_that_fails_ends_the_others() -> None:
    programs = ("import time; time.sleep(600)", "import sys; sys.exit(3)")
    workers = [subprocess.Popen([sys.executable, "-c", each]) for each in programs]
    with pytest.raises(SystemExit, match="3"):
        finish(workers)
    assert all(worker.poll() is not None for worker in workers)


def test_only_who_asks_for_it_gets_other_weights_into_the_driver(
    tmp_path: Path,
) -> None:
    made, installed = tmp_path / "fit.npz", tmp_path / "lips.npz"
    made.write_bytes(b"new")
    installed.write_bytes(b"shipped")
    said = handed_over(made, None)
    assert installed.read_bytes() == b"shipped"
    assert str(made) in said
    assert "--install" in said
    assert str(made) in handed_over(made, installed)
    assert installed.read_bytes() == b"new"


def test_the_guide_tells_the_numbers_that_are_planned() -> None:
    guide = Path(training.__file__).with_name("README.md").read_text()
    assert f"--hours {voices.PLANNED_HOURS:g} " in guide
    assert f"--hours {features.PLANNED_HOURS:g}`" in guide
    assert f"--steps {train.PLANNED_STEPS}`" in guide
