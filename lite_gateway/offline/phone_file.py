"""Files of phones with their times: JSON as on the wire, and TextGrid of aligners."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from lite_gateway.errors import GatewayError
from protocol.phones.alphabets import is_silent
from protocol.phones.phone_list import InvalidPhones, TimedPhone, read_phones

MAX_BYTES = 16 << 20
AFTER_SOUND_S = 0.1  # alignments may end so much after their sound
# Praat reads free-standing texts, numbers and flags, and leaves out all the rest.
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(-?\d[\d.eE+-]*|<\w+>)(?!\S)')
_TIERS = re.compile(r"(^|\W)phon(e|em|eme)s?$", re.IGNORECASE)
_FIX = (
    'Use JSON such as {"alphabet": "ipa", "phones": [["p", 0.12, 0.2]]}, '
    "or a TextGrid with a tier of phones."
)


class InvalidPhoneFile(GatewayError):
    """File of phones that cannot be used; the text says why and what to do."""


def read_phone_file(path: Path, sound_s: float) -> list[TimedPhone]:
    """
    Return the phones of a file, for a sound of ``sound_s`` seconds.

    Raise `InvalidPhoneFile` if it cannot be read, or if its phones are not of that
    sound.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidPhoneFile(
            f"{path}: {error.strerror}. Name another file."
        ) from None
    if len(data) > MAX_BYTES:
        raise InvalidPhoneFile(f"{path}: it has over {MAX_BYTES >> 20} MB. {_FIX}")
    try:
        phones = read_phones(_parsed(_decoded(data)))
        _check_end(phones, sound_s)
    except InvalidPhones as error:
        raise InvalidPhoneFile(f"{path}: {error}.") from None
    except ValueError as error:
        raise InvalidPhoneFile(f"{path}: it cannot be read ({error}). {_FIX}") from None
    return phones


def _decoded(data: bytes) -> str:
    is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")  # Praat writes it
    return data.decode("utf-16" if is_utf16 else "utf-8-sig")


def _parsed(text: str) -> object:
    if "ooTextFile" in text[:100]:
        return _of_text_grid(text)
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _check_end(phones: list[TimedPhone], sound_s: float) -> None:
    spoken = [phone for phone in phones if phone.phoneme != "SIL"]
    if not spoken:
        raise InvalidPhones("nothing is spoken: all phones are silence")
    if spoken[-1].end_s > sound_s + AFTER_SOUND_S:
        raise InvalidPhones(
            f"the last phone ends at {spoken[-1].end_s:g} s and the sound at "
            f"{sound_s:.2f} s; give the phones of this sound, with times in seconds"
        )


def _of_text_grid(text: str) -> object:
    """Return the tier of phones of a TextGrid in the form of `read_phones`."""
    tokens = (match.group(1) or match.group(2) or "" for match in _TOKEN.finditer(text))
    try:
        tiers = dict(_tiers(tokens))
    except (StopIteration, RuntimeError):
        raise ValueError("the TextGrid ends too early") from None
    names = [name for name in tiers if _TIERS.search(name)]
    if len(names) != 1:
        found = ", ".join(map(repr, tiers)) or "none"
        raise ValueError(f"it needs one tier of phones; its tiers are {found}")
    phones = tiers[names[0]]
    spoken = [symbol for symbol, _, _ in phones if not is_silent(symbol)]
    is_arpabet = all(symbol.isascii() and symbol.isupper() for symbol in spoken)
    return {"alphabet": "arpabet" if is_arpabet else "ipa", "phones": phones}


_Interval = tuple[str, float, float]


def _tiers(tokens: Iterator[str]) -> Iterator[tuple[str, list[_Interval]]]:
    """Yield name and intervals of each interval tier."""
    next(tokens)  # type of the file
    if next(tokens) != "TextGrid":
        raise ValueError("it is no TextGrid")
    next(tokens), next(tokens), next(tokens)  # start, end, flag
    for _ in range(int(next(tokens))):
        kind, name = next(tokens), next(tokens)
        next(tokens), next(tokens)  # start, end
        count = int(next(tokens))
        if kind != "IntervalTier":
            for _ in range(2 * count):
                next(tokens)
            continue
        intervals: list[_Interval] = []
        for _ in range(count):
            start_s, end_s = float(next(tokens)), float(next(tokens))
            intervals.append((next(tokens).replace('""', '"').strip(), start_s, end_s))
        yield name, intervals
