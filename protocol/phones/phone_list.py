"""
Lists of phones with their times, as clients and files have them.

A list is ``[[symbol, start_s, end_s], ...]``, in order of time and without overlap, or
an object ``{"alphabet": "arpabet", "phones": [...]}``. Without an alphabet the symbols
are IPA. Times are seconds from the start of the turn. Where there is no phone, the
driver hears the audio.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from protocol.errors import quoted
from protocol.phones.alphabets import ALPHABETS, VOWELS, UnknownPhone, phonemes_of

MAX_PHONES = 20_000  # in a list: an hour of speech has about twice as many
MAX_SYMBOL = 8  # characters, with the marks of IPA
MAX_TIME_S = 3600.0
MIN_PHONE_S = 0.003  # no mouth shows a shorter one; so many of them take no time
OVERLAP_S = 0.002  # of two phones, that comes from rounding
DIPHTHONG_FIRST_SHARE = 0.6  # of a diphthong's time belongs to its first phoneme
_SHAPE = (
    "send [[symbol, start_s, end_s], ...], or an object with such a list as "
    '"phones" and one of the alphabets '
)


class InvalidPhones(ValueError):
    """List that cannot be used; the text says which phone, why, and what is right."""


class TimedPhone(NamedTuple):
    """One phoneme with its times from the start of the turn."""

    phoneme: str  # a class of `renderer.speech.phonemes.PHONEMES`
    start_s: float
    end_s: float
    stress: int | None = None  # 1, 0, or None if unknown


def read_phones(
    value: object, *, max_phones: int = MAX_PHONES, until_s: float = 0.0
) -> list[TimedPhone]:
    """
    Return the phonemes of a parsed JSON value; raise `InvalidPhones`.

    ``until_s`` is the end of the phones before this list. Phonemes shorter than
    `MIN_PHONE_S` are left out.
    """
    alphabet, items = "ipa", value
    if isinstance(value, dict):
        alphabet, items = value.get("alphabet", alphabet), value.get("phones")
        if alphabet not in ALPHABETS:
            name = quoted(alphabet) if isinstance(alphabet, str) else "that"
            raise InvalidPhones(
                f"{name} is no alphabet of phones; use {', '.join(ALPHABETS)}"
            )
    if not isinstance(items, list):
        raise InvalidPhones(f"phones are no list; {_SHAPE}{', '.join(ALPHABETS)}")
    if len(items) > max_phones:
        raise InvalidPhones(
            f"{len(items)} phones are too many; send at most {max_phones} at a time"
        )
    phones: list[TimedPhone] = []
    for index, item in enumerate(items):
        symbol, start_s, end_s = _parts(item, f"phone {index + 1}")
        place = f"phone {index + 1}, {quoted(symbol)}"
        _check_times(place, start_s, end_s, until_s)
        phonemes, stress = _looked_up(alphabet, symbol, place)
        until_s, start_s = end_s, max(start_s, until_s)
        phones += [
            TimedPhone(phoneme, *times, stress)
            for phoneme, times in zip(
                phonemes, divided(len(phonemes), start_s, end_s), strict=True
            )
            if times[1] - times[0] >= MIN_PHONE_S
        ]
    return phones


def divided(parts: int, start_s: float, end_s: float) -> list[tuple[float, float]]:
    """Divide the interval of one symbol among its phonemes."""
    if parts == 2:
        shares: Sequence[float] = [0.0, DIPHTHONG_FIRST_SHARE, 1.0]
    else:
        shares = [k / parts for k in range(parts + 1)]
    times = [start_s + share * (end_s - start_s) for share in shares[:-1]] + [end_s]
    return list(pairwise(times))


def shifted(
    phones: Iterable[TimedPhone], by_s: float, slower: float = 1.0
) -> list[TimedPhone]:
    """Return phones that are said ``slower`` times as slowly, and then later."""
    return [
        phone._replace(
            start_s=by_s + slower * phone.start_s, end_s=by_s + slower * phone.end_s
        )
        for phone in phones
    ]


def phones_in_order(
    symbols: Sequence[Sequence[str]],
    starts_s: Sequence[float],
    end_s: float,
    stresses: Sequence[int | None],
) -> list[TimedPhone]:
    """
    Return the phones of symbols, without gaps from 0 to ``end_s``.

    ``symbols`` has the phonemes of each. A start before the one of the previous symbol
    is moved to it. Symbols without duration are dropped, adjacent silences are merged,
    and only vowels keep a stress.
    """
    starts = [min(start, end_s) for start in accumulate(starts_s, max, initial=0.0)][1:]
    phones: list[TimedPhone] = []
    silent_s = starts[0] if starts else end_s
    if silent_s > 0:
        phones.append(TimedPhone("SIL", 0.0, silent_s))
    for phonemes, start, end, stress in zip(
        symbols, starts, [*starts, end_s][1:], stresses, strict=True
    ):
        times = divided(len(phonemes), start, end)
        for phoneme, (first, last) in zip(phonemes, times, strict=True):
            if last <= first:
                continue
            if phones and phones[-1].phoneme == phoneme == "SIL":
                first = phones.pop().start_s
            vowel_stress = stress if phoneme in VOWELS else None
            phones.append(TimedPhone(phoneme, first, last, vowel_stress))
    return phones


def _parts(item: object, place: str) -> tuple[str, float, float]:
    if not isinstance(item, list | tuple) or len(item) != 3:
        raise InvalidPhones(f"{place} has not three values: [symbol, start_s, end_s]")
    symbol, start_s, end_s = item
    if isinstance(symbol, int) and not isinstance(symbol, bool):
        symbol = str(symbol)  # a viseme of Azure
    if not isinstance(symbol, str):
        raise InvalidPhones(f"the symbol of {place} is no text")
    if len(symbol) > MAX_SYMBOL:
        raise InvalidPhones(
            f"the symbol of {place}, {quoted(symbol)}, has over {MAX_SYMBOL} "
            "characters; give each phone and its times"
        )
    for time_s in (start_s, end_s):
        if isinstance(time_s, bool) or not isinstance(time_s, int | float):
            raise InvalidPhones(f"a time of {place} is no number of seconds")
    try:
        return symbol, float(start_s), float(end_s)
    except OverflowError:
        raise InvalidPhones(f"a time of {place} is too large") from None


def _check_times(place: str, start_s: float, end_s: float, until_s: float) -> None:
    if not (math.isfinite(start_s) and math.isfinite(end_s)):
        problem = "has a time that is not finite"
    elif start_s < 0:
        problem = f"starts at {start_s:g} s; times count from the turn's start, 0"
    elif end_s < start_s:
        problem = f"ends at {end_s:g} s, before it starts at {start_s:g} s"
    elif end_s > MAX_TIME_S:
        problem = f"ends at {end_s:g} s; give times in seconds, up to {MAX_TIME_S:g}"
    elif start_s < until_s - OVERLAP_S:
        problem = (
            f"starts at {start_s:g} s, before the end of the phone before it at "
            f"{until_s:g} s; phones must follow each other"
        )
    else:
        return
    raise InvalidPhones(f"{place} {problem}")


def _looked_up(
    alphabet: str, symbol: str, place: str
) -> tuple[tuple[str, ...], int | None]:
    try:
        return phonemes_of(alphabet, symbol)
    except UnknownPhone:
        others = [name for name in ALPHABETS if _has(name, symbol)]
    hint = f'; it is in "alphabet": "{others[0]}"' if others else ""
    raise InvalidPhones(f"{place} is no symbol of the alphabet {alphabet}{hint}")


def _has(alphabet: str, symbol: str) -> bool:
    try:
        phonemes_of(alphabet, symbol)
    except UnknownPhone:
        return False
    return True
