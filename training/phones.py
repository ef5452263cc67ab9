"""Phones: phonemes with their times, as a synthesiser or an aligner gives them.

Phonemes are the classes in ``PHONEMES``, which are those that a mouth can show. The
phone of P, B and M is the closure, from the lips' closing to their release. T, D, K and
CH begin at their closure too. A diphthong is two phones.

Errors: ``MissingVoice`` if a synthesiser is not installed, and ``SynthesisError`` if
one utterance fails. ``UnknownSymbol``, a symbol without an entry in the tables, is such
an error: symbols are never guessed.
"""

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from protocol.phones import alphabets
from protocol.phones.alphabets import LIP_STOPS as LIP_STOPS
from protocol.phones.alphabets import STOPS as STOPS
from protocol.phones.alphabets import VOWELS as VOWELS
from protocol.phones.alphabets import UnknownPhone, ipa_phonemes
from protocol.phones.phone_list import phones_in_order
from renderer.frames import Phone as Phone
from renderer.speech.phonemes import PHONEMES as PHONEMES
from training.phone_sets import PHONE_SETS


class SynthesisError(Exception):
    """One utterance could not be synthesised; the text says why."""


class UnknownSymbol(SynthesisError):
    """A synthesiser named a phone that its table lacks."""

    def __init__(self, phone_set: str, symbol: str) -> None:
        super().__init__(f"unknown symbol {symbol!r} of the phone set {phone_set!r}")


class MissingVoice(RuntimeError):
    """A synthesiser or voice is not installed; the text names its package."""

    def __init__(
        self, voice: str, package: str, command: str = "apt-get install"
    ) -> None:
        super().__init__(f"{voice} is not installed: {command} {package}")
        self.package = package


@dataclass(frozen=True, slots=True)
class Synthesis:
    """Audio ``[n]`` float32 of one utterance, and the phones that cover all of it."""

    audio: NDArray[np.float32]
    sample_rate: int
    phones: list[Phone]


def phonemes_of(phone_set: str, symbol: str) -> tuple[str, ...]:
    """Return the phonemes of one symbol in order of time; raise ``UnknownSymbol``."""
    try:
        if phone_set == "ipa":
            return ipa_phonemes(symbol) or ("SIL",)
        if phone_set == "kokoro":
            return alphabets.phonemes_of(phone_set, symbol)[0]
        return PHONE_SETS[phone_set][symbol]
    except (KeyError, UnknownPhone):
        raise UnknownSymbol(phone_set, symbol) from None


def read_wav(path: Path) -> tuple[NDArray[np.float32], int]:
    """Return the audio ``[n]`` float32 of a PCM16 mono WAV file and its rate in Hz."""
    with wave.open(str(path), "rb") as file:
        raw = file.readframes(file.getnframes())
        audio = np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768)
        return audio, file.getframerate()


def phones_from_symbols(
    phone_set: str,
    symbols: Sequence[str],
    starts_s: Sequence[float],
    end_s: float,
    stresses: Sequence[int | None] | None = None,
) -> list[Phone]:
    """Return phones from symbols and their starts, without gaps from 0 to ``end_s``.

    A start before the one of the previous symbol is moved to it. Symbols without
    duration are dropped, adjacent silences are merged, and only vowels keep a stress.
    """
    phonemes = [phonemes_of(phone_set, symbol) for symbol in symbols]
    timed = phones_in_order(
        phonemes, starts_s, end_s, stresses or [None] * len(symbols)
    )
    return [Phone(*phone) for phone in timed]
