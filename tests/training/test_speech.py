"""Speech synthesis and the corpus: phone times, and repeatable output for a seed."""

import ctypes
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

import training
from protocol.phones.alphabets import IPA, IPA_WHOLE
from renderer.frames import SAMPLE_RATE
from training import (
    espeak,
    festival,
    flite,
    phone_sets,
    speech,
)
from training.__main__ import STAGES, install_weights, wait_for
from training.phones import (
    PHONEMES,
    MissingVoice,
    SynthesisError,
    UnknownSymbol,
    phonemes_of,
    phones_from_symbols,
)
from training.voices import plan

Test = TypeVar("Test", bound=Callable[..., None])


def _library(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _needs(packages: str, installed: bool) -> Callable[[Test], Test]:
    """Return a decorator that marks the test, and skips it without the packages."""
    skip = pytest.mark.skipif(not installed, reason=f"{packages} is not installed")
    return lambda test: pytest.mark.program(skip(test))


needs_espeak = _needs("libespeak-ng1", _library("libespeak-ng.so.1"))
needs_flite = _needs("libflite1", _library("libflite_cmu_us_slt.so.1"))
needs_kal = _needs(
    "festival or festvox-kallpc16k",
    Path("/usr/share/festival/voices/english/kal_diphone").exists()
    and shutil.which("festival") is not None,
)

SENTENCE = "A puppy, a happy camper, and about five beautiful maps."


def _rms(audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(audio)))) if audio.size else 0.0


def _assert_covered(synthesis: speech.Synthesis) -> None:
    assert synthesis.phones[0].start_s == 0
    assert all(
        phone.end_s == after.start_s for phone, after in pairwise(synthesis.phones)
    )
    assert all(phone.end_s > phone.start_s for phone in synthesis.phones)
    assert synthesis.phones[-1].end_s == pytest.approx(
        len(synthesis.audio) / synthesis.sample_rate
    )
    assert {phone.phoneme for phone in synthesis.phones} <= set(PHONEMES)


@needs_espeak
@pytest.mark.parametrize("voice", ["en-us+m3", "de+f2", "fr+klatt", "ru+f3", "hi+m2"])
def test_espeak_phones_cover_the_audio_without_gaps(voice: str) -> None:
    texts = {"ru": "добрый вечер, спасибо", "hi": "मुझे पानी चाहिए"}
    _assert_covered(espeak.speak(voice, texts.get(voice[:2], SENTENCE)))


@needs_flite
def test_flite_phones_cover_the_audio_without_gaps() -> None:
    _assert_covered(flite.speak("slt", SENTENCE, duration_factor=1.2, pitch_hz=200))


@needs_kal
def test_festival_phones_cover_the_audio_without_gaps() -> None:
    results = list(festival.speak("kal_diphone", [festival.Sentence(SENTENCE, 0.9)]))
    assert isinstance(results[0], speech.Synthesis)
    _assert_covered(results[0])


@needs_espeak
def test_espeak_closure_of_p_is_silent_and_its_release_is_not() -> None:
    synthesis = espeak.speak("en-us+m3", SENTENCE)
    rate = synthesis.sample_rate
    closures = [
        (round(phone.start_s * rate), round(phone.end_s * rate))
        for before, phone in pairwise(synthesis.phones)
        if phone.phoneme == "P" and before.phoneme != "SIL"
    ]
    assert len(closures) >= 4
    for start, end in closures:
        edge = (end - start) // 6  # boundaries are exact to a few ms
        closure = _rms(synthesis.audio[start + edge : end - edge])
        release = _rms(synthesis.audio[end : end + round(0.02 * rate)])
        assert 0.025 * rate < end - start < 0.08 * rate
        assert closure < 0.05 * release


@needs_flite
def test_flite_closure_of_p_is_quieter_than_its_release() -> None:
    synthesis = flite.speak("rms", SENTENCE)
    rate = synthesis.sample_rate
    for phone in synthesis.phones:
        if phone.phoneme == "P":
            start, end = round(phone.start_s * rate), round(phone.end_s * rate)
            closure = _rms(synthesis.audio[start + (end - start) // 4 : end])
            assert closure < 0.5 * _rms(synthesis.audio[end : end + round(0.06 * rate)])


@needs_espeak
def test_espeak_marks_the_stressed_vowel() -> None:
    synthesis = espeak.speak("en-us", "banana")
    vowels = [
        phone.stress
        for phone in synthesis.phones
        if phone.phoneme in ("AX", "AE", "AH")
    ]
    assert vowels == [0, 1, 0]


@needs_espeak
def test_same_seed_gives_the_same_files_in_any_order(tmp_path: Path) -> None:
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
def test_flite_output_does_not_depend_on_earlier_utterances() -> None:
    first = flite.speak("rms", SENTENCE)
    flite.speak("rms", "something else", duration_factor=1.3, pitch_hz=90)
    again = flite.speak("rms", SENTENCE)
    assert np.array_equal(first.audio, again.audio)
    assert first.phones == again.phones


@needs_espeak
@needs_flite
def test_espeak_noise_does_not_depend_on_another_synthesiser() -> None:
    first = espeak.speak("en-us+whisperf", SENTENCE)
    flite.speak("rms", "something else")
    assert np.array_equal(first.audio, espeak.speak("en-us+whisperf", SENTENCE).audio)


@needs_espeak
def test_existing_utterances_are_kept_and_can_be_loaded(tmp_path: Path) -> None:
    part = next(part for part in plan() if part.source == "espeak" and part.held_out)
    before_s = speech.fill(part, tmp_path, 4, 1, Counter())
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert speech.fill(part, tmp_path, 4, 1, Counter()) == pytest.approx(before_s)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == stamps
    utterances = speech.load(tmp_path)
    assert all(u.held_out and u.voice == part.voice for u in utterances)
    audio = utterances[0].audio()
    assert len(audio) / SAMPLE_RATE == pytest.approx(utterances[0].duration_s)
    assert np.abs(audio).max() == pytest.approx(speech.PEAK, abs=0.01)


@needs_espeak
def test_missing_voice_error_names_the_debian_package() -> None:
    with pytest.raises(MissingVoice, match="espeak-ng-data"):
        espeak.speak("xx-nowhere", "hello")


def test_phone_sets_contain_known_phonemes_only() -> None:
    tables = [*phone_sets.PHONE_SETS.values(), IPA, IPA_WHOLE]
    assert {
        phoneme
        for table in tables
        for phonemes in table.values()
        for phoneme in phonemes
    } <= (set(PHONEMES))


def test_unknown_symbol_raises_an_error() -> None:
    with pytest.raises(UnknownSymbol, match="Q"):
        phonemes_of("radio", "Q")
    with pytest.raises(UnknownSymbol):
        phonemes_of("ipa", "ʘ")


def test_diphthong_becomes_two_phones_and_silences_are_merged() -> None:
    phones = phones_from_symbols(
        "radio", ["pau", "pau", "ay", "b"], [0.0, 0.1, 0.2, 0.3], 0.4
    )
    assert [phone.phoneme for phone in phones] == ["SIL", "AA", "IH", "B"]
    assert phones[1].end_s == pytest.approx(0.26)


def test_phones_out_of_order_do_not_overlap() -> None:
    phones = phones_from_symbols("radio", ["aa", "b", "m"], [0.0, 0.2, 0.1], 0.4)
    assert [(phone.phoneme, phone.start_s, phone.end_s) for phone in phones] == [
        ("AA", 0.0, 0.2),
        ("M", 0.2, 0.4),
    ]


def test_plan_holds_out_voices_and_is_mostly_human_voices() -> None:
    parts = plan()
    held_out = {part.name.partition("+")[2] for part in parts if part.held_out}
    assert {"m7", "f5", "klatt4", "linda", "Mike", "Alicia"} <= held_out
    assert {"sv", "tr", "ja"} <= {part.language for part in parts if part.held_out}
    assert not {"sv", "tr", "ja"} & {
        part.language for part in parts if not part.held_out
    }
    human = sum(part.minutes for part in parts if part.source != "espeak")
    assert 0.6 < human / sum(part.minutes for part in parts) < 0.75


@needs_espeak
def test_crash_of_espeak_fails_one_utterance_only() -> None:
    with pytest.raises(SynthesisError, match="ended with 1"):
        espeak.speak("en-us+m3", SENTENCE, rate=1.5)  # the library needs whole numbers
    _assert_covered(espeak.speak("en-us+m3", SENTENCE))


def test_failed_worker_ends_the_others() -> None:
    programs = ("import time; time.sleep(600)", "import sys; sys.exit(3)")
    workers = [subprocess.Popen([sys.executable, "-c", code]) for code in programs]
    with pytest.raises(SystemExit, match="3"):
        wait_for(workers)
    assert all(worker.poll() is not None for worker in workers)


def test_workers_end_with_the_command_that_started_them() -> None:
    worker = "import os, time; os.kill(os.getppid(), 15); time.sleep(600)"
    command = (
        "import subprocess, sys; from training.__main__ import *; exit_on_signals(); "
        f"worker = subprocess.Popen([sys.executable, '-c', {worker!r}]); "
        "print(worker.pid, flush=True); wait_for([worker])"
    )
    root = Path(training.__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", command], cwd=root, stdout=subprocess.PIPE, check=False
    )
    assert ended.returncode == 128 + signal.SIGTERM
    assert not Path(f"/proc/{int(ended.stdout)}").exists()


def test_a_run_under_nohup_outlives_its_terminal() -> None:
    command = (
        "import os, signal; from training.__main__ import *; "
        "signal.signal(signal.SIGHUP, signal.SIG_IGN); exit_on_signals(); "
        "os.kill(os.getpid(), signal.SIGHUP); print('alive')"
    )
    root = Path(training.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", command], cwd=root, stdout=subprocess.PIPE, check=False
    )
    assert run.returncode == 0
    assert run.stdout == b"alive\n"


def test_weights_are_installed_on_request_only(
    tmp_path: Path,
) -> None:
    weights, installed = tmp_path / "fit.npz", tmp_path / "lips.npz"
    weights.write_bytes(b"new")
    installed.write_bytes(b"shipped")
    message = install_weights(weights, None)
    assert installed.read_bytes() == b"shipped"
    assert str(weights) in message
    assert "--install" in message
    assert str(weights) in install_weights(weights, installed)
    assert installed.read_bytes() == b"new"


def test_readme_has_the_planned_numbers() -> None:
    readme = Path(training.__file__).with_name("README.md").read_text()
    first, second = STAGES
    assert f"--hours {first.speech_hours:g} " in readme
    assert f"--hours {first.shard_hours:g}`" in readme
    assert f"--steps {first.steps}`" in readme
    assert f"--seed 2 --hours {second.speech_hours:g}`" in readme
    assert f"`--hours {second.shard_hours:g}`" in readme
    assert f"--steps {second.steps} --rate {second.max_rate:g} " in readme
