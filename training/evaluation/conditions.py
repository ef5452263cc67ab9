"""Recording conditions for evaluation: rooms, lines, noise, and other voices.

All conditions except the last keep every phoneme at its time, so the phones stay valid.
Levels and random seeds are fixed, so results of different days can be compared.  The
last five conditions imitate other voices with the vocoder of training
(`training.revoice`); they are no recordings of such voices.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol.lite.messages import SAMPLE_RATE
from training.augmentation import (
    band_pass_gain,
    breath,
    coloured_noise,
    distant_talk,
    music,
    smack,
)
from training.evaluation.clips import Clip
from training.revoice import Source, hold_vowels, revoice

Array = npt.NDArray[Any]
Rng = np.random.Generator
_FULL_SCALE = 32768
_NOISE_DB, _MUSIC_DB, _BABBLE_DB = 15.0, 10.0, 20.0  # below the voice
_TALKERS = 6
_TALK_DB = 20.0  # of one voice elsewhere in the room, below the voice
_BREATH_DB, _SMACK = 12.0, 0.05  # below the voice; largest sample
_BREATH_S, _MAX_BREATH_S = 0.2, 0.6  # the shortest pause with a breath; the longest
_QUIET_DB, _LOUD_DB = -30.0, 18.0
_ROOM_S, _TAIL_DB = 0.5, 3.0  # time to decay by 60 dB; level below the direct path
_TELEPHONE_HZ = 300.0, 3400.0
_MU = 255
_SINGER = Source(220, 0.3, notes=True)
AS_RECORDED, HELD_VOWELS = "as recorded", "held"


def apply_condition(clip: Clip, condition: str) -> Clip:
    """Return the clip under a condition; raise `KeyError` for an unknown one."""
    voice = np.frombuffer(clip.speech, "<i2") / _FULL_SCALE
    rng, phones = np.random.default_rng(len(voice)), clip.phones
    if condition == HELD_VOWELS:
        changed, held_phones, _ = hold_vowels(voice, phones, _SINGER, rng)
        phones = tuple(held_phones)
    else:
        changed = _CHANGES[condition](voice, clip, rng)
    pcm = (np.clip(changed, -1, 1 - 1 / _FULL_SCALE) * _FULL_SCALE).astype("<i2")
    return replace(clip, speech=pcm.tobytes(), phones=phones)


def _noise(voice: Array, clip: Clip, rng: Rng) -> Array:
    return _add_below(voice, coloured_noise(len(voice), rng, 0.5), _NOISE_DB)


def _music(voice: Array, clip: Clip, rng: Rng) -> Array:
    return _add_below(voice, music(len(voice), rng), _MUSIC_DB)


def _babble(voice: Array, clip: Clip, rng: Rng) -> Array:
    """Add babble noise: the clip itself, rotated by several offsets."""
    offsets = rng.integers(len(voice) // 8, len(voice), _TALKERS)
    talkers = np.sum([np.roll(voice, offset) for offset in offsets], 0)
    return _add_below(voice, talkers, _BABBLE_DB)


def _talk(voice: Array, clip: Clip, rng: Rng) -> Array:
    """Add one voice elsewhere in the room: the clip itself, rotated."""
    return _add_below(voice, distant_talk(len(voice), [voice], rng), _TALK_DB)


def _breaths(voice: Array, clip: Clip, rng: Rng) -> Array:
    """Add a smack and a breath to each pause, and to the silence at both ends."""
    result, level = voice.copy(), _rms(voice) * _gain(-_BREATH_DB)
    for phone in clip.phones:
        first, last = (round(at * SAMPLE_RATE) for at in (phone.start_s, phone.end_s))
        last = min(last, len(voice))
        if phone.phoneme != "SIL" or last - first < _BREATH_S * SAMPLE_RATE:
            continue
        click = smack(rng)[: last - first]
        result[first : first + len(click)] += click * _SMACK
        first = max(first, last - round(_MAX_BREATH_S * SAMPLE_RATE))
        air = breath(last - first, rng)
        result[first:last] += air * (level / _rms(air))
    return result


def _add_below(voice: Array, other: Array, below_db: float) -> Array:
    """Return the voice plus ``other``, whose RMS level is ``below_db`` lower."""
    return voice + other * (_rms(voice) / _rms(other)) * _gain(-below_db)


def _room(voice: Array, clip: Clip, rng: Rng) -> Array:
    length = round(_ROOM_S * SAMPLE_RATE)
    tail = rng.standard_normal(length) * 1e-3 ** (np.arange(length) / length)
    tail *= _gain(-_TAIL_DB) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    size = 1 << (len(voice) + length).bit_length()
    reverberant = np.fft.irfft(np.fft.rfft(voice, size) * np.fft.rfft(tail, size), size)
    return _with_level_of(reverberant[: len(voice)], voice)


def _telephone(voice: Array, clip: Clip, rng: Rng) -> Array:
    spectrum = np.fft.rfft(voice)
    hz = np.fft.rfftfreq(len(voice), 1 / SAMPLE_RATE)
    line = np.fft.irfft(spectrum * band_pass_gain(hz, *_TELEPHONE_HZ), len(voice))
    law = np.sign(line) * np.log1p(_MU * np.abs(line).clip(max=1)) / np.log1p(_MU)
    law = np.round(law * 127) / 127
    result: Array = np.sign(law) * ((1 + _MU) ** np.abs(law) - 1) / _MU
    return result


def _amplified(by_db: float, voice: Array, clip: Clip, rng: Rng) -> Array:
    return voice * _gain(by_db)


def _revoiced(source: Source, voice: Array, clip: Clip, rng: Rng) -> Array:
    return _with_level_of(revoice(voice, clip.phones, source, rng), voice)


def _with_level_of(changed: Array, voice: Array) -> Array:
    return changed * (_rms(voice) / _rms(changed))


def _rms(x: Array) -> float:
    return float(np.sqrt(np.square(x).mean())) + 1e-6


def _gain(db: float) -> float:
    return float(10 ** (db / 20))


_CHANGES: dict[str, Callable[[Array, Clip, Rng], Array]] = {
    AS_RECORDED: lambda voice, clip, rng: voice,
    "noise": _noise,
    "music": _music,
    "babble": _babble,
    "talk": _talk,
    "breaths": _breaths,
    "room": _room,
    "telephone": _telephone,
    "quiet": partial(_amplified, _QUIET_DB),
    "clipped": partial(_amplified, _LOUD_DB),
    "whispered": partial(_revoiced, Source(0, 0, tilt_db=4)),
    "sung": partial(_revoiced, _SINGER),
    "shouted": partial(_revoiced, Source(260, 0.25, tilt_db=9, breath=0.1)),
    "a child's": partial(_revoiced, Source(320, 0.15, tract=0.8)),
}
CONDITIONS = (*_CHANGES, HELD_VOWELS)
