"""
The sounds a mouth can show, and how every synthesiser's symbols map to them.

A phone is one sound with its time. Of P, B and M the interval is the closure, lips shut
to lips parted; T, D, K and CH begin at their closure too. A diphthong is two phones.

Errors: ``MissingVoice``, and ``Unspoken`` for one utterance, such as ``UnknownSymbol``:
a symbol that no table holds (it is never guessed).
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

from renderer.speech.phonemes import SOUNDS
from training.phone_sets import ALPHABETS, IPA, IPA_WHOLE

VOWELS = frozenset(SOUNDS[1:16])
LIP_STOPS = frozenset({"P", "B"})
STOPS = LIP_STOPS | {"T", "D", "K", "CH"}

DIPHTHONG_FIRST = 0.6  # of a diphthong's time belongs to its first sound


class Unspoken(Exception):
    """One utterance could not be made; the text says why."""


class UnknownSymbol(Unspoken):
    """A synthesiser named a phone that its table does not hold."""

    def __init__(self, alphabet: str, symbol: str) -> None:
        super().__init__(f"unknown symbol {alphabet}: {symbol!r}")


class MissingVoice(RuntimeError):
    """A synthesiser or voice is not installed; names the Debian package that has it."""

    def __init__(self, voice: str, package: str) -> None:
        super().__init__(f"{voice} is missing: apt-get install {package}")
        self.package = package


class Phone(NamedTuple):
    """One sound from ``start_s`` to ``end_s``; stress is 1, 0, or None if unknown."""

    sound: str
    start_s: float
    end_s: float
    stress: int | None


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a synthesiser said: sound [n] float32, and phones that cover all of it."""

    sound: NDArray[np.float32]
    sample_rate: int
    phones: list[Phone]


def _letters(symbol: str) -> str:
    """IPA without what a mouth does not show: length, tone, stress, nasality."""
    kept = symbol.replace("ç", "\0")
    kept = "".join(
        c
        for c in unicodedata.normalize("NFD", kept)
        if c not in "-'\"ˈˌ.:?;^*˞0123456789"
    )
    kept = "".join(c for c in kept if unicodedata.category(c) not in {"Mn", "Lm", "Sk"})
    return kept.replace("\0", "ç")


def _ipa(symbol: str) -> tuple[str, ...]:
    if symbol in IPA_WHOLE:
        return IPA_WHOLE[symbol]
    letters, found = _letters(symbol), list[str]()
    while letters:
        size = 2 if letters[:2] in IPA else 1
        if letters[:size] not in IPA:
            raise UnknownSymbol("ipa", symbol)
        found += IPA[letters[:size]]
        letters = letters[size:]
    return tuple(found) or ("SIL",)


def sounds_of(alphabet: str, symbol: str) -> tuple[str, ...]:
    """The sounds of one symbol, in time. Raises ``UnknownSymbol``."""
    if alphabet == "ipa":
        return _ipa(symbol)
    try:
        return ALPHABETS[alphabet][symbol]
    except KeyError:
        raise UnknownSymbol(alphabet, symbol) from None


def read_wav(path: Path) -> tuple[NDArray[np.float32], int]:
    """Sound [n] of a PCM16 mono WAV file, and its rate in Hz."""
    with wave.open(str(path), "rb") as file:
        raw = file.readframes(file.getnframes())
        sound = np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768)
        return sound, file.getframerate()


def laid_out(
    alphabet: str,
    symbols: Sequence[str],
    starts_s: Sequence[float],
    end_s: float,
    stresses: Sequence[int | None] | None = None,
) -> list[Phone]:
    """Phones from symbols and where they start, without gaps from 0 to ``end_s``.

    Only vowels keep a stress; a symbol without time goes; SIL beside SIL is one.
    """
    starts = [min(start, end_s) for start in accumulate(starts_s, max, initial=0.0)][1:]
    phones: list[Phone] = []
    if not starts or starts[0] > 0:
        phones.append(Phone("SIL", 0.0, (starts or [end_s])[0], None))
    given = stresses or [None] * len(symbols)
    for symbol, start, end, stress in zip(
        symbols, starts, [*starts[1:], end_s], given, strict=True
    ):
        sounds = sounds_of(alphabet, symbol)
        for sound, first, last in _shared(sounds, start, end):
            if last <= first:
                continue
            if phones and phones[-1].sound == sound == "SIL":
                first = phones.pop().start_s
            mark = stress if sound in VOWELS else None
            phones.append(Phone(sound, first, last, mark))
    return phones


def _shared(
    sounds: Sequence[str], start_s: float, end_s: float
) -> list[tuple[str, float, float]]:
    """Lay the sounds of one symbol over its interval."""
    if len(sounds) == 2:
        shares = [0.0, DIPHTHONG_FIRST, 1.0]
    else:
        shares = [k / len(sounds) for k in range(len(sounds) + 1)]
    times = [start_s + share * (end_s - start_s) for share in shares[:-1]] + [end_s]
    return [(sound, *span) for sound, span in zip(sounds, pairwise(times), strict=True)]
