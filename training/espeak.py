"""Speech synthesis by espeak-ng, through its C library.

Only the library gives exact phone times. Its markers are not the boundaries that a
mouth makes. These deviations were measured with version 1.51 and are corrected here:

* The marker of a voiceless stop is at its burst. The closure is the 40 to 50 ms of
  exact zeros before it.
* The marker of a voiced stop is at its closure, which lasts 30 to 40 ms. The burst is
  inside the segment.
* The marker after a nasal is 13 to 37 ms after the lips have parted.

Errors: ``MissingVoice``, ``SynthesisError``. Not thread-safe: the library has one
voice at a time.
"""
# ruff: noqa: RUF001 - IPA letters look like Latin ones, and are meant.

import ctypes
import os
import pickle
import zlib
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conversation.speech.closures import find_fall, find_rise
from training.phones import (
    LIP_STOPS,
    STOPS,
    VOWELS,
    MissingVoice,
    Synthesis,
    SynthesisError,
    phonemes_of,
    phones_from_symbols,
)

_SYNCHRONOUS, _PHONEME_EVENTS, _IPA_NAMES = 2, 1, 2
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END, _EVENT_PHONEME = 0, 7
_UTF8 = 1

CLOSURE_S = 0.05  # of a stop after a pause, where silence hides the closure's start
MAX_ZEROS_S = 0.07
NASAL_LATE_S = 0.045  # the true boundary is searched this far before the marker
MIN_VOICED_CLOSURE_S, MAX_VOICED_CLOSURE_S = 0.015, 0.06
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


class _Utterance(NamedTuple):
    """Output of the library for one text: samples, phone markers, and stressed IPA."""

    audio: NDArray[np.int16]  # [n]
    markers: list[tuple[str, int]]  # IPA symbol, sample
    ipa: str  # of the whole text, with stress marks


class _Engine:
    """The espeak-ng library, and the output of its callback."""

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
        self.markers: list[tuple[str, int]] = []
        # This reference keeps the callback alive: the library holds only its address.
        self.callback = _Callback(self._on_synth)
        self.library.espeak_SetSynthCallback(self.callback)

    def _on_synth(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self.blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        position = 0
        while (event := events[position]).type != _EVENT_END:
            if event.type == _EVENT_PHONEME:
                address = ctypes.addressof(event.id)
                name = ctypes.string_at(address, 8).split(b"\0")[0]
                self.markers.append((name.decode("utf-8", "ignore"), int(event.sample)))
            position += 1
        return 0

    def say(self, voice: str, text: str, settings: dict[int, int]) -> _Utterance | None:
        """Synthesise ``text``; return None if the library lacks the voice."""
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            return None
        for parameter, value in settings.items():
            self.library.espeak_SetParameter(parameter, value, 0)
        encoded = text.encode()
        # The library draws its noise from rand().
        ctypes.CDLL(None).srand(zlib.crc32(encoded))
        self.library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
        self.library.espeak_Synchronize()
        audio = np.concatenate(self.blocks) if self.blocks else np.zeros(0, np.int16)
        return _Utterance(audio, self.markers, self._ipa(encoded))

    def _ipa(self, text: bytes) -> str:
        """Return the text in IPA with stress marks, which the events lack."""
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
) -> Synthesis:
    """Return ``text`` as speech; raise ``MissingVoice`` or ``SynthesisError``.

    ``voice`` is ``language+variant``, ``rate`` is in words a minute, ``pitch`` and
    ``spread`` (the pitch range) are in the library's units from 0 to 100.
    """
    settings = {_RATE: rate, _PITCH: pitch, _RANGE: spread}
    utterance = _say_in_fork(_engine(), voice, text, settings)
    if utterance is None:
        raise MissingVoice(f"espeak-ng {voice}", "espeak-ng-data")
    audio = utterance.audio.astype(np.float32) / np.float32(32768)
    # A marker in parentheses names the language that follows; it is no phone.
    markers = [
        (name, sample) for name, sample in utterance.markers if not name.startswith("(")
    ]
    starts = _phone_starts(audio, _engine().sample_rate, markers)
    names = [name for name, _ in markers]
    phones = phones_from_symbols(
        "ipa",
        names,
        [start / _engine().sample_rate for start in starts],
        len(audio) / _engine().sample_rate,
        _stresses(names, utterance.ipa),
    )
    return Synthesis(audio, _engine().sample_rate, phones)


def _say_in_fork(
    engine: _Engine, voice: str, text: str, settings: dict[int, int]
) -> _Utterance | None:
    """Synthesise in a fork of this process; raise ``SynthesisError`` if the fork dies.

    The library keeps phases and noise from one utterance to the next and cannot reset
    them. Only a copy that has not spoken yet gives the same samples for the same text.
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
        finally:  # Leave without the parent's cleanup, also after an exception.
            os._exit(failed)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    if status := os.waitpid(child, 0)[1]:
        code = os.waitstatus_to_exitcode(status)
        raise SynthesisError(f"espeak-ng {voice}: its process ended with {code}")
    utterance: _Utterance | None = pickle.loads(answer)
    return utterance


def _stresses(names: list[str], ipa: str) -> list[int | None]:
    """Return the stress of each phone, None if the stressed IPA text lacks it."""
    stresses: list[int | None] = []
    at = 0
    for name in names:
        place = ipa.find(name, at, at + 12 + len(name)) if name else -1
        if place < 0:
            stresses.append(None)
            continue
        stresses.append(int(ipa[max(0, place - 1)] == "ˈ"))
        at = place + len(name)
    return stresses


def _phone_starts(
    audio: NDArray[np.float32], sample_rate: int, markers: list[tuple[str, int]]
) -> list[int]:
    """Return the start of each phone in samples, moved to where lips close and part."""
    starts: list[int] = []
    release: int | None = None  # of the lip stop before: the next phone begins there
    before = ""
    ends = [sample for _, sample in markers[1:]] + [len(audio)]
    for (name, marker), end in zip(markers, ends, strict=True):
        first, start = phonemes_of("ipa", name)[0], marker
        stop = first in STOPS
        if release is not None:
            start = release
        elif stop and name[0] not in VOICED:
            start = _closure_start(audio, sample_rate, marker)
        elif before[:1] in NASALS and first in SONORANT:
            start = (
                find_rise(
                    audio, sample_rate, marker - int(NASAL_LATE_S * sample_rate), marker
                )
                or marker
            )
        release = None
        if first in LIP_STOPS:
            release = (
                marker
                if name[0] not in VOICED
                else _voiced_release(audio, sample_rate, marker, end)
            )
        starts.append(start)
        before = name
    return starts


def _closure_start(audio: NDArray[np.float32], sample_rate: int, burst: int) -> int:
    """Return where the audio falls silent before a burst, else 50 ms before it."""
    silence = find_fall(
        audio, sample_rate, max(0, burst - int(MAX_ZEROS_S * sample_rate)), burst
    )
    return burst - int(CLOSURE_S * sample_rate) if silence is None else silence


def _voiced_release(
    audio: NDArray[np.float32], sample_rate: int, marker: int, end: int
) -> int:
    """Return where the lips of a voiced stop part, else the end of its segment."""
    earliest = marker + int(MIN_VOICED_CLOSURE_S * sample_rate)
    latest = min(end, marker + int(MAX_VOICED_CLOSURE_S * sample_rate))
    return find_rise(audio, sample_rate, earliest, latest) or end
