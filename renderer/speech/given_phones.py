"""
Driver that follows given phones, and hears where there are none.

Phones may be given for all of a turn or for parts of it, before or with their audio.
The mouth follows them by the curves that the network is trained on. Hearing goes on
beside them, so it takes over wherever phones end; the difference between both faces
fades as between two look-aheads.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from renderer.face import SIZE
from renderer.frames import SAMPLE_RATE, Phone
from renderer.speech.coarticulation import Array
from renderer.speech.driver import AudioChunk, Driver, Faces
from renderer.speech.mouth_weights import BITE_RANGE, SHUT_RANGE, mouth_weights
from renderer.speech.native_driver import make_lip_driver
from renderer.speech.network_shape import CURVES, STEP_S, WEIGHTS
from renderer.speech.phone_curves import phone_curves
from renderer.speech.readouts import FADE_S
from renderer.tensors import like, to_array

if TYPE_CHECKING:
    import torch

MAX_GAP_S = 0.2  # between two phones is silence; in a longer gap the driver hears
LEAD_S = 0.12  # before its first phone the mouth begins to move
_REACH_S = 0.4  # phones further from a moment do not change its face
_KEPT_S = 1.0  # behind the moment
_BLOCK_STEPS = 12
# Values of a curve at which lips begin to meet and meet, and those of `mouth_weights`.
# These are low, because the network's curves are blurred by doubt. With given phones,
# lips meet while their phone lasts, and leave the sounds beside it alone.
_CERTAIN = {
    "shut": ((0.35, 1.0), SHUT_RANGE),
    "bite": ((0.3, 0.9), BITE_RANGE),
}


class PhoneTrack:
    """Phones of one turn, in order of time, and the curves of the mouth that says them.

    Curves are computed for a block of steps at a time, and interpolated.
    """

    def __init__(self) -> None:
        self._phones: list[Phone] = []
        self._block = np.zeros((0, len(CURVES)), np.float32)
        self._first = 0  # step of the block's first curves
        self._seen_s = -math.inf  # phones that begin later do not change the block

    def add(self, phones: Sequence[Phone]) -> None:
        """Add phones; one that begins before the end of the latest is cut or left out.

        Phones without a length are left out too.
        """
        for phone in phones:
            until_s = self._phones[-1].end_s if self._phones else -math.inf
            added = phone._replace(start_s=max(phone.start_s, until_s))
            if added.start_s < added.end_s:
                if not self._phones or self._phones[-1].start_s <= self._seen_s:
                    self._block = self._block[:0]
                self._phones.append(added)

    def forget_before(self, at_s: float) -> None:
        """Drop phones that are too old to be needed from ``at_s`` on."""
        old = 0
        while old < len(self._phones) and self._phones[old].end_s < at_s - _KEPT_S:
            old += 1
        del self._phones[:old]

    def covers(self, at_s: float) -> bool:
        """Return whether phones say what the mouth does at a moment."""
        before = bisect_right(self._phones, at_s, key=_start) - 1
        ended_s = self._phones[before].end_s if before >= 0 else -math.inf
        if at_s < ended_s:
            return True
        if before + 1 == len(self._phones):
            return False
        next_s = self._phones[before + 1].start_s
        return next_s - ended_s <= MAX_GAP_S or next_s - at_s <= LEAD_S

    def curves_at(self, at_s: float) -> Array:
        """Return the curves ``[1, len(CURVES)]`` of a moment near phones."""
        step = int(at_s // STEP_S)
        if not 0 <= step - self._first < len(self._block) - 1:
            end_s = at_s + _BLOCK_STEPS * STEP_S
            self._first, self._seen_s = step, end_s + _REACH_S
            spans = self._spans(at_s - _REACH_S, self._seen_s)
            steps = np.arange(step, step + _BLOCK_STEPS)
            self._block = phone_curves(spans, steps * STEP_S)
        row = step - self._first
        fraction = at_s / STEP_S - step
        before, after = self._block[row : row + 1], self._block[row + 1 : row + 2]
        curves: Array = before + np.float32(fraction) * (after - before)
        return curves

    def _spans(self, start_s: float, end_s: float) -> list[Phone]:
        """Return the phones of a time and one on each side, with silence in gaps."""
        spans: list[Phone] = []
        low = bisect_right(self._phones, start_s, key=_end)
        high = bisect_right(self._phones, end_s, key=_start)
        for phone in self._phones[max(0, low - 1) : high + 1]:
            gap_from_s = spans[-1].end_s if spans else phone.start_s - 1.0
            if gap_from_s < phone.start_s:
                _extend(spans, Phone("SIL", gap_from_s, phone.start_s))
            _extend(spans, phone)
        return spans


def _start(phone: Phone) -> float:
    return phone.start_s


def _end(phone: Phone) -> float:
    return phone.end_s


def _extend(spans: list[Phone], phone: Phone) -> None:
    """Add a phone; one silence follows no other."""
    if spans and spans[-1].phoneme == phone.phoneme == "SIL":
        phone = spans.pop()._replace(end_s=phone.end_s)
    spans.append(phone)


@dataclass(slots=True, eq=False)
class PhonesState:
    """State of one turn: that of hearing, and the phones given so far."""

    hearing: Any
    track: PhoneTrack = field(default_factory=PhoneTrack)
    consumed: int = 0  # samples that the driver was given
    moment_s: float = 0.0  # that the latest face shows
    follows_phones: bool | None = None  # None: there is no face yet
    face: Array = field(default_factory=lambda: np.zeros(SIZE, np.float32))  # latest
    heard: Array = field(default_factory=lambda: np.zeros(SIZE, np.float32))  # latest
    # Part of the difference between hearing and phones that has not faded yet.
    residual: Array = field(default_factory=lambda: np.zeros(SIZE, np.float32))


class PhonesDriver:
    """Driver of given phones, beside a driver that hears."""

    def __init__(self, hearing: Driver) -> None:
        self._hearing = hearing

    def begin(self) -> PhonesState:
        """Return the state of a new turn."""
        return PhonesState(self._hearing.begin())

    def drive(
        self, states: Sequence[PhonesState], chunks: Sequence[AudioChunk]
    ) -> Faces:
        """Return the next face of each turn, as `NativeLipsDriver` does."""
        heard = self._hearing.drive([state.hearing for state in states], chunks)
        faces = to_array(heard).copy()
        for state, chunk, face in zip(states, chunks, faces, strict=True):
            state.consumed += len(chunk.given)
            state.track.add(chunk.phones)
            moment_s = (state.consumed - chunk.lookahead_samples) / SAMPLE_RATE
            _show(state, moment_s, face)
        return like(chunks[0].given, faces) if chunks else faces


def _show(state: PhonesState, moment_s: float, face: Array) -> None:
    """Change the heard face of a moment to the one that is shown."""
    heard = face.copy()
    follows_phones = state.track.covers(moment_s)
    if follows_phones:
        face[:] = _given_face(state.track, moment_s)
    if state.follows_phones not in (None, follows_phones):
        # The residual must not contain movement: both faces are of the latest moment.
        given = _given_face(state.track, state.moment_s) if follows_phones else None
        state.residual = state.face - (state.heard if given is None else given)
    elapsed_s = max(0.0, moment_s - state.moment_s)
    state.residual = state.residual * math.exp(-elapsed_s / FADE_S)
    np.clip(face + state.residual, 0, 1, out=face)
    state.face, state.heard = face.copy(), heard
    state.follows_phones, state.moment_s = follows_phones, moment_s
    state.track.forget_before(moment_s)


def _given_face(track: PhoneTrack, at_s: float) -> Array:
    curves = track.curves_at(at_s)
    for curve, (known, counted) in _CERTAIN.items():
        column = CURVES.index(curve)
        curves[:, column] = np.interp(curves[:, column], (0, *known), (0, *counted))
    face: Array = mouth_weights(curves)[0]
    return face


def make_built_in_driver(
    device: "str | torch.device" = "cpu",
    native: bool | None = None,
    weights: Path = WEIGHTS,
) -> Driver:
    """Return the driver without an option; the arguments are `make_lip_driver`'s."""
    return PhonesDriver(make_lip_driver(device, native, weights))
