"""Arrival of a turn's samples and frames at a subscriber, from its recording."""

import numpy as np

from bench.probe.gateway_trace import TurnTrace
from bench.probe.listening import HEARD_RATE, SENT_RATE, Recording
from lite_gateway.playout.trace import FrameSent

FRAME_S = 0.040


def decoded_s(heard: Recording, start: int, sample: int) -> float:
    """Return when a sample of a turn was decoded; NaN if it never was."""
    place = start + sample * HEARD_RATE // SENT_RATE
    return heard.arrival_s(place) if place < len(heard.audio) else np.nan


def decoded_frames(heard: Recording, frames: list[FrameSent]) -> dict[int, float]:
    """
    Return when each frame was decoded, by index.

    For a frame that was lost it is the time of the next one; NaN if none follows.
    """
    arrivals = {int(index): at_s for at_s, index, *_ in reversed(heard.frames)}
    result, next_s = {}, np.nan
    for frame in reversed(frames):
        next_s = arrivals.get(frame.index, next_s)
        result[frame.index] = next_s
    return result


def first_frame_s(heard: Recording, turn: int) -> float:
    """Return when the first frame of a turn was decoded; NaN if none was."""
    frames = heard.frames[heard.frames[:, 2] == turn]
    return float(frames[0, 0]) if len(frames) else np.nan


def audio_ahead_ms(
    heard: Recording, turn: int, start: int, trace: TurnTrace | None = None
) -> list[float]:
    """
    Return for each frame of a turn by how many ms its audio was decoded before it.

    ``start`` is the sample of the recording at which the turn begins. The trace says
    which sample each frame shows. Without it, the first frame that arrived counts as
    the first of the turn: if that was lost, every value is too large by 40 ms.
    """
    frames = heard.frames[heard.frames[:, 2] == turn]
    if not len(frames):
        return []
    if trace is not None:
        firsts = {frame.index: frame.first for frame in trace.frames}
    else:
        firsts = {
            int(index): round((index - frames[0, 1]) * FRAME_S * SENT_RATE)
            for index in frames[:, 1]
        }
    ahead = []
    for at_s, index, *_ in frames:
        if (first := firsts.get(int(index))) is not None:
            ahead.append(1000 * (at_s - decoded_s(heard, start, first)))
    return [value for value in ahead if np.isfinite(value)]
