"""Phones: phonemes with their times, as a synthesiser or an aligner gives them.

Phonemes are the classes in ``PHONEMES``, which are those that a mouth can show. The
phone of P, B and M is the closure, from the lips' closing to their release. T, D, K and
CH begin at their closure too. A diphthong is two phones.

Errors: ``MissingVoice`` if a synthesiser is not installed, and ``SynthesisError`` if
one utterance fails. ``UnknownSymbol``, a symbol without an entry in the tables, is such
an error: symbols are never guessed.
"""

import unicodedata
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from renderer.speech.phonemes import PHONEMES
from training.phone_sets import IPA, IPA_WHOLE, PHONE_SETS

VOWELS = frozenset(PHONEMES[1:16])
LIP_STOPS = frozenset({"P", "B"})
STOPS = LIP_STOPS | {"T", "D", "K", "CH"}

DIPHTHONG_FIRST_SHARE = 0.6  # of a diphthong's time belongs to its first phoneme


class SynthesisError(Exception):
    """One utterance could not be synthesised; the text says why."""


class UnknownSymbol(SynthesisError):
    """A synthesiser named a phone that its table lacks."""

    def __init__(self, phone_set: str, symbol: str) -> None:
        super().__init__(f"unknown symbol {symbol!r} of the phone set {phone_set!r}")


class MissingVoice(RuntimeError):
    """A synthesiser or voice is not installed; the text names its Debian package."""

    def __init__(self, voice: str, package: str) -> None:
        super().__init__(f"{voice} is not installed: apt-get install {package}")
        self.package = package


class Phone(NamedTuple):
    """One phoneme with its times; stress is 1, 0, or None if unknown."""

    phoneme: str
    start_s: float
    end_s: float
    stress: int | None


@dataclass(frozen=True, slots=True)
class Synthesis:
    """Audio ``[n]`` float32 of one utterance, and the phones that cover all of it."""

    audio: NDArray[np.float32]
    sample_rate: int
    phones: list[Phone]


def _letters(symbol: str) -> str:
    """Strip IPA marks that a mouth does not show: length, tone, stress, nasality."""
    # NFD would split ç into a letter and a mark, so a placeholder protects it.
    text = symbol.replace("ç", "\0")
    text = "".join(
        c
        for c in unicodedata.normalize("NFD", text)
        if c not in "-'\"ˈˌ.:?;^*˞0123456789"
    )
    text = "".join(c for c in text if unicodedata.category(c) not in {"Mn", "Lm", "Sk"})
    return text.replace("\0", "ç")


def _ipa(symbol: str) -> tuple[str, ...]:
    if symbol in IPA_WHOLE:
        return IPA_WHOLE[symbol]
    letters, phonemes = _letters(symbol), list[str]()
    while letters:
        size = 2 if letters[:2] in IPA else 1
        if letters[:size] not in IPA:
            raise UnknownSymbol("ipa", symbol)
        phonemes += IPA[letters[:size]]
        letters = letters[size:]
    return tuple(phonemes) or ("SIL",)


def phonemes_of(phone_set: str, symbol: str) -> tuple[str, ...]:
    """Return the phonemes of one symbol in order of time; raise ``UnknownSymbol``."""
    if phone_set == "ipa":
        return _ipa(symbol)
    try:
        return PHONE_SETS[phone_set][symbol]
    except KeyError:
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
    starts = [min(start, end_s) for start in accumulate(starts_s, max, initial=0.0)][1:]
    phones: list[Phone] = []
    if not starts or starts[0] > 0:
        phones.append(Phone("SIL", 0.0, (starts or [end_s])[0], None))
    symbol_stresses = stresses or [None] * len(symbols)
    for symbol, start, end, stress in zip(
        symbols, starts, [*starts[1:], end_s], symbol_stresses, strict=True
    ):
        phonemes = phonemes_of(phone_set, symbol)
        for phoneme, first, last in _divided(phonemes, start, end):
            if last <= first:
                continue
            if phones and phones[-1].phoneme == phoneme == "SIL":
                first = phones.pop().start_s
            vowel_stress = stress if phoneme in VOWELS else None
            phones.append(Phone(phoneme, first, last, vowel_stress))
    return phones


def _divided(
    phonemes: Sequence[str], start_s: float, end_s: float
) -> list[tuple[str, float, float]]:
    """Divide the interval of one symbol among its phonemes."""
    if len(phonemes) == 2:
        shares = [0.0, DIPHTHONG_FIRST_SHARE, 1.0]
    else:
        shares = [k / len(phonemes) for k in range(len(phonemes) + 1)]
    times = [start_s + share * (end_s - start_s) for share in shares[:-1]] + [end_s]
    return [
        (phoneme, *span)
        for phoneme, span in zip(phonemes, pairwise(times), strict=True)
    ]
