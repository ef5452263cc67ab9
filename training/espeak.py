"""
Espeak-ng through its library, the only way it gives exact phone times.

Its markers are not boundaries as a mouth makes them. Measured on 1.51, and undone here:

* the marker of a voiceless stop is its burst; the closure is the 40 to 50 ms of exact
  zeros before it;
* the marker of a voiced stop is its closure, 30 to 40 ms, the burst inside its segment;
* the marker after a nasal comes 13 to 37 ms after the lips have parted.

Errors: ``MissingVoice``; ``Unspoken``. One library, one voice at a time: not for
threads.
"""
# ruff: noqa: RUF001 - IPA letters are meant as they stand.

import ctypes
import os
import pickle
import zlib
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.closures import fall, rise
from training.sounds import (
    LIP_STOPS,
    STOPS,
    VOWELS,
    MissingVoice,
    Spoken,
    Unspoken,
    laid_out,
    sounds_of,
)

_SYNCHRONOUS, _PHONEME_EVENTS, _IPA_NAMES = 2, 1, 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END, _EVENT_PHONEME = 0, 7
_UTF8 = 1

CLOSURE_S = 0.05  # of a stop after a pause, where all before the burst is silent
LONGEST_ZEROS_S = 0.07
NASAL_LATE_S = 0.045  # look for the true boundary this far before the marker
VOICED_LEAST_S, VOICED_MOST_S = 0.015, 0.06  # a voiced closure lasts between these
NASALS = frozenset("mɱnɲŋɳɴ")
VOICED = frozenset("bɓdɖɗɡgɟɢɾɽ")
SONORANT = VOWELS | {"L", "R", "W", "Y"}


class _Name(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("text", ctypes.c_char_p),
        ("symbol", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),  # counted from the start of the utterance
        ("user", ctypes.c_void_p),
        ("id", _Name),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Said(NamedTuple):
    """Sound [n], marks [(IPA, sample)], and the text in IPA with its stress."""

    sound: NDArray[np.int16]
    marks: list[tuple[str, int]]
    reading: str


class _Engine:
    """The library, and what it said since it was last emptied."""

    def __init__(self) -> None:
        try:
            self.library = ctypes.CDLL("libespeak-ng.so.1")
        except OSError as missing:
            raise MissingVoice("espeak-ng", "libespeak-ng1") from missing
        self.sample_rate = int(
            self.library.espeak_Initialize(
                _SYNCHRONOUS, 200, None, _PHONEME_EVENTS | _IPA_NAMES
            )
        )
        if self.sample_rate <= 0:
            raise MissingVoice("espeak-ng", "espeak-ng-data")
        self.library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.blocks: list[NDArray[np.int16]] = []
        self.marks: list[tuple[str, int]] = []
        # Kept: the library holds only its address.
        self.callback = _Callback(self._take)
        self.library.espeak_SetSynthCallback(self.callback)

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self.blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        position = 0
        while (event := events[position]).type != _EVENT_END:
            if event.type == _EVENT_PHONEME:
                address = ctypes.addressof(event.id)
                name = ctypes.string_at(address, 8).split(b"\0")[0]
                self.marks.append((name.decode("utf-8", "ignore"), int(event.sample)))
            position += 1
        return 0

    def say(self, voice: str, text: str, settings: dict[int, int]) -> _Said | None:
        """What the library says and how it reads; None where there is no such voice."""
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            return None
        for parameter, value in settings.items():
            self.library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode()
        ctypes.CDLL(None).srand(zlib.crc32(encoded))  # its breath is rand()
        self.library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
        self.library.espeak_Synchronize()
        sound = np.concatenate(self.blocks) if self.blocks else np.zeros(0, np.int16)
        return _Said(sound, self.marks, self._reading(encoded))

    def _reading(self, text: bytes) -> str:
        """IPA with stress marks, which the events lack."""
        rest, clauses = ctypes.c_char_p(text), list[str]()
        while rest.value is not None:
            clause = self.library.espeak_TextToPhonemes(
                ctypes.byref(rest), _UTF8, _IPA_NAMES
            )
            clauses.append(clause.decode("utf-8", "ignore"))
        return " ".join(clauses)


@cache
def _engine() -> _Engine:
    return _Engine()


def speak(
    voice: str, text: str, *, rate: int = 170, pitch: int = 50, spread: int = 50
) -> Spoken:
    """Say ``text``; ``voice`` is ``language+variant``, rate in words a minute.

    Raises ``MissingVoice`` or ``Unspoken``.
    """
    settings = {_RATE: rate, _PITCH: pitch, _RANGE: spread}
    said = _said_apart(_engine(), voice, text, settings)
    if said is None:
        raise MissingVoice(f"espeak-ng {voice}", "espeak-ng-data")
    sound = said.sound.astype(np.float32) / np.float32(32768)
    # A mark in parentheses names the language that follows.
    marks = [(name, sample) for name, sample in said.marks if not name.startswith("(")]
    starts = _starts(sound, _engine().sample_rate, marks)
    names = [name for name, _ in marks]
    phones = laid_out(
        "ipa",
        names,
        [start / _engine().sample_rate for start in starts],
        len(sound) / _engine().sample_rate,
        _stresses(names, said.reading),
    )
    return Spoken(sound, _engine().sample_rate, phones)


def _said_apart(
    engine: _Engine, voice: str, text: str, settings: dict[int, int]
) -> _Said | None:
    """What a fork of this process says.

    The library keeps phases and noise from one utterance to the next and cannot reset
    them, so only a copy that has said nothing says the same text the same way twice.
    Raises ``Unspoken`` where the fork died of it.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            os.close(reading)
            with open(writing, "wb") as pipe:
                pickle.dump(engine.say(voice, text, settings), pipe)
            failed = 0
        finally:  # whatever happens, there is one parent
            os._exit(failed)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    if status := os.waitpid(child, 0)[1]:
        ended = os.waitstatus_to_exitcode(status)
        raise Unspoken(f"espeak-ng {voice}: its process ended with {ended}")
    said: _Said | None = pickle.loads(answer)
    return said


def _stresses(names: list[str], reading: str) -> list[int | None]:
    """Stress of each event, found in the reading; None from where the two part ways."""
    stresses: list[int | None] = []
    at: int = 0
    for name in names:
        found = reading.find(name, at, at + 12 + len(name)) if at >= 0 and name else at
        if name:
            stresses.append(
                None if found < 0 else int(reading[max(0, found - 1)] == "ˈ")
            )
            at = found + len(name) if found >= 0 else at
        else:
            stresses.append(None)
    return stresses


def _starts(
    sound: NDArray[np.float32], sample_rate: int, marks: list[tuple[str, int]]
) -> list[int]:
    """Marks [(IPA, sample)] moved to where lips close and part, in samples."""
    starts: list[int] = []
    released: int | None = (
        None  # where the lips part: from there it is the next sound's time
    )
    before = ""
    ends = [sample for _, sample in marks[1:]] + [len(sound)]
    for (name, mark), end in zip(marks, ends, strict=True):
        first, start = sounds_of("ipa", name)[0], mark
        stop = first in STOPS
        if released is not None:
            start = released
        elif stop and name[0] not in VOICED:
            start = _closing(sound, sample_rate, mark)
        elif before[:1] in NASALS and first in SONORANT:
            start = (
                rise(sound, sample_rate, mark - int(NASAL_LATE_S * sample_rate), mark)
                or mark
            )
        released = None
        if first in LIP_STOPS:
            released = (
                mark
                if name[0] not in VOICED
                else _parting(sound, sample_rate, mark, end)
            )
        starts.append(start)
        before = name
    return starts


def _closing(sound: NDArray[np.float32], sample_rate: int, burst: int) -> int:
    """Where the sound before a burst falls silent; after a pause, 50 ms before it."""
    fallen = fall(
        sound, sample_rate, max(0, burst - int(LONGEST_ZEROS_S * sample_rate)), burst
    )
    return burst - int(CLOSURE_S * sample_rate) if fallen is None else fallen


def _parting(sound: NDArray[np.float32], sample_rate: int, mark: int, end: int) -> int:
    """Where the lips of a voiced stop part; its end where that cannot be heard."""
    earliest = mark + int(VOICED_LEAST_S * sample_rate)
    latest = min(end, mark + int(VOICED_MOST_S * sample_rate))
    return rise(sound, sample_rate, earliest, latest) or end
