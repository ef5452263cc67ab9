"""
What may happen to a voice before a driver hears it: rooms, lines, noise, other voices.

Each condition but the last leaves every sound where it was in time, so the same phones
are asked for.  Strengths are fixed and so is the chance: a figure of one day can be
held against that of another.  The last five are the same words out of another throat,
by the vocoder that training uses (`training.revoice`): people who really sing were not
recorded.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol.lite.messages import SAMPLE_RATE
from training.augmentation import band_pass_gain, coloured_noise, music
from training.evaluation.clips import Clip
from training.revoice import Source, hold_vowels, revoice

Array = npt.NDArray[Any]
Chance = np.random.Generator
_FULL = 32768
_NOISE_DB, _MUSIC_DB, _BABBLE_DB = 15.0, 10.0, 20.0  # below the voice
_CROWD = 6
_QUIET_DB, _LOUD_DB = -30.0, 18.0
_ROOM_S, _TAIL_DB = 0.5, 3.0  # time to fall by 60 dB; tail below the direct sound
_TELEPHONE_HZ = 300.0, 3400.0
_MU = 255
_SINGER = Source(220, 0.3, notes=True)
AS_RECORDED, HELD = "as recorded", "held"


def under(clip: Clip, condition: str) -> Clip:
    """The clip as somebody hears it then; `KeyError` for an unknown condition."""
    voice = np.frombuffer(clip.speech, "<i2") / _FULL
    chance, phones = np.random.default_rng(len(voice)), clip.phones
    if condition == HELD:
        changed, longer, _ = hold_vowels(voice, phones, _SINGER, chance)
        phones = tuple(longer)
    else:
        changed = _CHANGES[condition](voice, clip, chance)
    pcm = (np.clip(changed, -1, 1 - 1 / _FULL) * _FULL).astype("<i2")
    return replace(clip, speech=pcm.tobytes(), phones=phones)


def _noise(voice: Array, clip: Clip, chance: Chance) -> Array:
    return _with(voice, coloured_noise(len(voice), chance, 0.5), _NOISE_DB)


def _music(voice: Array, clip: Clip, chance: Chance) -> Array:
    return _with(voice, music(len(voice), chance), _MUSIC_DB)


def _babble(voice: Array, clip: Clip, chance: Chance) -> Array:
    """Others talk: the clip itself, from several of its places at once."""
    places = chance.integers(len(voice) // 8, len(voice), _CROWD)
    crowd = np.sum([np.roll(voice, place) for place in places], 0)
    return _with(voice, crowd, _BABBLE_DB)


def _with(voice: Array, other: Array, below_db: float) -> Array:
    """``other`` so much below the voice, by their powers."""
    return voice + other * (_level(voice) / _level(other)) * _factor(-below_db)


def _room(voice: Array, clip: Clip, chance: Chance) -> Array:
    length = round(_ROOM_S * SAMPLE_RATE)
    tail = chance.standard_normal(length) * 1e-3 ** (np.arange(length) / length)
    tail *= _factor(-_TAIL_DB) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    size = 1 << (len(voice) + length).bit_length()
    heard = np.fft.irfft(np.fft.rfft(voice, size) * np.fft.rfft(tail, size), size)
    return _as_loud(heard[: len(voice)], voice)


def _telephone(voice: Array, clip: Clip, chance: Chance) -> Array:
    spectrum = np.fft.rfft(voice)
    hz = np.fft.rfftfreq(len(voice), 1 / SAMPLE_RATE)
    line = np.fft.irfft(spectrum * band_pass_gain(hz, *_TELEPHONE_HZ), len(voice))
    law = np.sign(line) * np.log1p(_MU * np.abs(line).clip(max=1)) / np.log1p(_MU)
    law = np.round(law * 127) / 127
    coarse: Array = np.sign(law) * ((1 + _MU) ** np.abs(law) - 1) / _MU
    return coarse


def _louder(by_db: float, voice: Array, clip: Clip, chance: Chance) -> Array:
    return voice * _factor(by_db)


def _from(source: Source, voice: Array, clip: Clip, chance: Chance) -> Array:
    return _as_loud(revoice(voice, clip.phones, source, chance), voice)


def _as_loud(changed: Array, voice: Array) -> Array:
    return changed * (_level(voice) / _level(changed))


def _level(x: Array) -> float:
    return float(np.sqrt(np.square(x).mean())) + 1e-6


def _factor(db: float) -> float:
    return float(10 ** (db / 20))


_CHANGES: dict[str, Callable[[Array, Clip, Chance], Array]] = {
    AS_RECORDED: lambda voice, clip, chance: voice,
    "noise": _noise,
    "music": _music,
    "babble": _babble,
    "room": _room,
    "telephone": _telephone,
    "quiet": partial(_louder, _QUIET_DB),
    "clipped": partial(_louder, _LOUD_DB),
    "whispered": partial(_from, Source(0, 0, tilt_db=4)),
    "sung": partial(_from, _SINGER),
    "shouted": partial(_from, Source(260, 0.25, tilt_db=9, breath=0.1)),
    "a child's": partial(_from, Source(320, 0.15, tract=0.8)),
}
CONDITIONS = (*_CHANGES, HELD)
