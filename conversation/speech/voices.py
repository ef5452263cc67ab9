"""Voices: Hibari's "heart", a lower one made from it, and espeak-ng without Hibari."""

import logging
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from conversation.speech.frame_times import EARLY_S, timed_phones
from conversation.speech.lower_voice import FORMANTS, lower
from conversation.speech.onnx_output import with_output
from conversation.speech.sound import (
    VOICE_RATE,
    Sound,
    UnreadableSound,
    pcm16,
    read_wav,
    resampled,
)
from protocol.phones.phone_list import TimedPhone, shifted

log = logging.getLogger(__name__)

HIBARI_NAMES = ("heart", "heart-low")
MIN_SPEED, MAX_SPEED = 0.5, 2.0
_SEED = 0  # of the voice's noise: the same text always sounds the same
# Both voices then have some -24 dB of full scale, and peaks below 0 dB.
_GAIN, _LOW_GAIN = 1.5, 2.0
_WARM_UP = "Hello there."
_FRAMES = "/Clip_output_0"  # tensor of Hibari's graph: the frames of each symbol
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_ESPEAK_WORDS_A_MINUTE = 165
_ESPEAK_TIMEOUT_S = 20.0
# Kinds of errors that the log has: a voice of another release fails in each sentence.
_told = set[type[Exception]]()


class SpokenSentence(NamedTuple):
    """Sentence as s16le, mono, 24 kHz, and its phones where the voice knows them."""

    pcm: bytes
    phones: tuple[TimedPhone, ...] = ()


class Voice(Protocol):
    """Voice that says one sentence at a time. One thread uses it at a time."""

    name: str

    def sentences(self, text: str) -> list[str]:
        """Split a text into what is said at once."""

    def say(self, sentence: str, speed: float) -> SpokenSentence:
        """Return a sentence as sound."""


class HibariVoice:
    """Voice "heart" of Hibari: an American woman, by a network in its package."""

    name = HIBARI_NAMES[0]

    def __init__(self, model: Any) -> None:
        self._model = model

    def sentences(self, text: str) -> list[str]:
        return list(self._model.split_sentences(text))

    def say(self, sentence: str, speed: float) -> SpokenSentence:
        phrases = _phrases(self._model, sentence, speed)
        return _joined((_GAIN * phrase.sound, phrase.phones()) for phrase in phrases)


class LowHibariVoice:
    """Man's voice, made from "heart" by lower pitch and formants."""

    name = HIBARI_NAMES[1]

    def __init__(self, model: Any) -> None:
        self._model = model

    def sentences(self, text: str) -> list[str]:
        return list(self._model.split_sentences(text))

    def say(self, sentence: str, speed: float) -> SpokenSentence:
        """Say it faster, because lower formants come from playing it slower."""
        from hibari import dsp

        parts = []
        for phrase in _phrases(self._model, sentence, speed / FORMANTS):
            low = lower(phrase.sound, phrase.pitch_hz, dsp.HOP)
            slower = len(low) / max(1, len(phrase.sound))
            parts.append((_LOW_GAIN * low, shifted(phrase.phones(), 0.0, slower)))
        return _joined(parts)


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Part of a sentence as the network of Hibari says it at once."""

    symbols: str
    sound: Sound
    pitch_hz: Sound
    frames: list[int]  # of each symbol, and of both ends

    def phones(self) -> list[TimedPhone]:
        """Return the phones of the phrase; none if they cannot be found."""
        try:
            return timed_phones(self.symbols, self.frames, self.sound, EARLY_S)
        except Exception as error:  # boundary: speech without phones can be heard too
            if type(error) not in _told:
                _told.add(type(error))
                log.warning("a sentence is said without phones: %r", error)
            return []


def _phrases(model: Any, sentence: str, speed: float) -> Iterator[_Phrase]:
    from hibari import dsp

    rng = np.random.default_rng(_SEED)
    for phonemes in model.phonemize(sentence):
        symbols = "".join(symbol for symbol in phonemes if symbol in model.vocab)
        if not symbols:
            continue
        inputs = {
            "ids": np.asarray([model.ids(symbols)], np.int64),
            "speed": np.asarray([speed], np.float32),
        }
        *spectra, frames = model.sess.run(None, inputs)
        outputs = [batch[0] for batch in spectra]
        sound: Sound = dsp.synth(*outputs, rng)
        counts = np.ravel(frames).astype(int).tolist()
        yield _Phrase(symbols, sound, outputs[-1], counts)


def _joined(parts: Iterable[tuple[Sound, list[TimedPhone]]]) -> SpokenSentence:
    """Return the sounds of phrases and their phones, one after the other."""
    pcm, phones = b"", list[TimedPhone]()
    for sound, timed in parts:
        phones += shifted(timed, len(pcm) / 2 / VOICE_RATE)
        pcm += pcm16(sound)
    return SpokenSentence(pcm, tuple(phones))


class EspeakVoice:
    """Voice of the program espeak-ng: a machine's, for where Hibari is missing."""

    name = "espeak"

    def __init__(self, program: str) -> None:
        self._program = program

    def sentences(self, text: str) -> list[str]:
        return [part for part in _SENTENCE_END.split(text.strip()) if part.strip()]

    def say(self, sentence: str, speed: float) -> SpokenSentence:
        words_a_minute = round(_ESPEAK_WORDS_A_MINUTE * speed)
        command = [self._program, "-v", "en-us", "-s", str(words_a_minute)]
        spoken = subprocess.run(
            [*command, "--stdin", "--stdout"],
            input=sentence.encode(),
            capture_output=True,
            timeout=_ESPEAK_TIMEOUT_S,
            check=True,
        )
        try:
            sound, rate = read_wav(spoken.stdout)
        except UnreadableSound:
            return SpokenSentence(b"")  # no header: nothing can be said
        return SpokenSentence(pcm16(resampled(sound, rate, VOICE_RATE)))


def load_voices() -> dict[str, Voice]:
    """Return the voices of this machine by name, warm; the first is the default."""
    voices = _hibari_voices() or _espeak_voices()
    for voice in voices:
        voice.say(_WARM_UP, 1.0)
    return {voice.name: voice for voice in voices}


def _hibari_voices() -> list[Voice]:
    try:
        from hibari import Hibari
        from hibari.voices import voice_path
    except ImportError as error:
        log.warning("no natural voice: %s", error)
        return []
    graph = Path(voice_path(HIBARI_NAMES[0])).read_bytes()
    model = Hibari(threads=1, model=with_output(graph, _FRAMES))
    return [HibariVoice(model), LowHibariVoice(model)]


def _espeak_voices() -> list[Voice]:
    program = shutil.which("espeak-ng")
    return [EspeakVoice(program)] if program else []
