"""
Espeak-ng through its library, the only way it gives exact phone times.

Its markers are not boundaries as a mouth makes them. Measured on 1.51, and undone here:

* the marker of a voiceless stop is its burst; the closure is the 40 to 50 ms of exact zeros
  before it;
* the marker of a voiced stop is its closure, 30 to 40 ms, with the burst inside the segment;
* the marker after a nasal comes 13 to 37 ms after the lips have parted (median 18 ms).

Errors: ``MissingVoice``. One library, one voice at a time: not for threads.
"""

import ctypes
import os
import pickle
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.sounds import (
    LIP_STOPS,
    STOPS,
    VOWELS,
    MissingVoice,
    Phone,
    Spoken,
    laid_out,
    sounds_of,
)

_SYNCHRONOUS, _PHONEME_EVENTS, _IPA_NAMES = 2, 1, 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END, _EVENT_PHONEME = 0, 7
_UTF8 = 1

CLOSURE_S = 0.05  # of a stop after a pause, where all before the burst is silent
LONGEST_ZEROS_S = 0.07
STEP_S = 0.0025
RISE_DB = 5.0  # a release is at least so much louder than the closure
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
        self.blocks: list[NDArray[np.int16]] = []
        self.marks: list[tuple[str, int]] = []
        self.callback = _Callback(
            self._take
        )  # kept: the library holds only its address
        self.library.espeak_SetSynthCallback(self.callback)

    def _take(self, samples: object, count: int, events: object) -> int:
        if samples and count > 0:
            self.blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())  # type: ignore[call-overload]
        position = 0
        while (event := events[position]).type != _EVENT_END:  # type: ignore[index]
            if event.type == _EVENT_PHONEME:
                address = ctypes.addressof(event.id)
                name = (
                    ctypes.string_at(address, 8)
                    .split(b"\0")[0]
                    .decode("utf-8", "ignore")
                )
                self.marks.append((name, int(event.sample)))
            position += 1
        return 0

    def say(
        self, voice: str, text: str, settings: dict[int, int]
    ) -> tuple[NDArray[np.int16], list[tuple[str, int]]] | None:
        """Sound and marks [(IPA, sample)]; None where there is no such voice."""
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            return None
        for parameter, value in settings.items():
            self.library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode()
        self.library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
        self.library.espeak_Synchronize()
        sound = np.concatenate(self.blocks) if self.blocks else np.zeros(0, np.int16)
        return sound, self.marks


@cache
def _engine() -> _Engine:
    return _Engine()


def speak(
    voice: str, text: str, *, rate: int = 170, pitch: int = 50, spread: int = 50
) -> Spoken:
    """Say ``text``; ``voice`` is ``language`` or ``language+variant``, rate in words a minute.

    Raises ``MissingVoice`` or ``UnknownSymbol``.
    """
    settings = {_RATE: rate, _PITCH: pitch, _RANGE: spread}
    raw, marks = _said_apart(_engine(), voice, text, settings)
    sound = raw.astype(np.float32) / 32768
    marks = [(name, sample) for name, sample in marks if not name.startswith("(")]
    sample_rate = _engine().sample_rate
    return Spoken(sound, sample_rate, _phones(sound, sample_rate, marks))


def _said_apart(
    engine: _Engine, voice: str, text: str, settings: dict[int, int]
) -> tuple[NDArray[np.int16], list[tuple[str, int]]]:
    """Sound and marks from a fork of this process.

    The library keeps phases and noise from one utterance to the next and has no way to reset
    them, so only a copy that has said nothing says the same text the same way twice.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with open(writing, "wb") as pipe:
            pickle.dump(engine.say(voice, text, settings), pipe)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    said = pickle.loads(answer) if answer else None
    if said is None:
        raise MissingVoice(f"espeak-ng {voice}", "espeak-ng-data")
    raw, marks = said
    return raw, marks


def _phones(
    sound: NDArray[np.float32], sample_rate: int, marks: list[tuple[str, int]]
) -> list[Phone]:
    """Marks [(IPA, sample)] as phones whose stops close and open where lips would."""
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
                _rise(sound, sample_rate, mark - int(NASAL_LATE_S * sample_rate), mark)
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
    return laid_out(
        "ipa",
        [name for name, _ in marks],
        [s / sample_rate for s in starts],
        len(sound) / sample_rate,
    )


def _closing(sound: NDArray[np.float32], sample_rate: int, burst: int) -> int:
    """Where the sound before a burst falls silent; after a pause, a while before the burst."""
    longest = int(LONGEST_ZEROS_S * sample_rate)
    first = max(0, burst - longest)
    fallen = _rise(sound[first:burst][::-1], sample_rate, 0, burst - first)
    if fallen is None:
        return max(0, burst - int(CLOSURE_S * sample_rate))
    return burst - fallen


def _parting(sound: NDArray[np.float32], sample_rate: int, mark: int, end: int) -> int:
    """Where the lips of a voiced stop part; its end where that cannot be heard."""
    earliest = mark + int(VOICED_LEAST_S * sample_rate)
    latest = min(end, mark + int(VOICED_MOST_S * sample_rate))
    return _rise(sound, sample_rate, earliest, latest) or end


def _rise(
    sound: NDArray[np.float32], sample_rate: int, start: int, end: int
) -> int | None:
    """Sample of the strongest rise in level between two samples; None where nothing rises."""
    step = int(STEP_S * sample_rate)
    first, last = max(0, start - 3 * step), min(len(sound) - 1, end + 3 * step)
    count = (last - first) // step
    if end - start < 2 * step or count < 7:
        return None
    bright = np.diff(sound[first : first + count * step + 1].astype(np.float64))
    level = 10 * np.log10((bright.reshape(count, step) ** 2).mean(1) + 1e-8)
    smooth = np.convolve(level, np.ones(3) / 3, "valid")  # at steps 1 .. count - 2
    rises = smooth[3:] - smooth[:-3]  # over 7.5 ms: between steps 2 and 3 of the first
    best = int(np.argmax(rises))
    if rises[best] < RISE_DB:
        return None
    return min(max(first + (best + 3) * step, start), end)
