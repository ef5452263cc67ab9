"""Self-benchmark of the renderer: how long a pass of speaking faces takes here."""

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lite_gateway.errors import RenderFailed
from lite_gateway.playout.interfaces import Render
from renderer.frames import SAMPLE_RATE, FrameRequest

FRAME_S = 0.04
_GROWTH = 4  # of the passes that are tried: 1, 4, 16 and 64 faces
_BATCH_SIZES = tuple(_GROWTH**power for power in range(4))
_TRIES = 3  # of each size; the first one may be slow
_MAX_S = 1.0  # for all of it
_GAIN = 0.9  # time of a frame that a larger pass must at least bring it down to
_SPEECH_RMS = 3000  # of s16le: ordinary speech


@dataclass(frozen=True, slots=True)
class Pass:
    """One render pass: its frames, and how long it took the render thread."""

    frames: int
    took_s: float


async def frame_time(
    renders: Callable[[int], Awaitable[Sequence[Render]]],
    newest_pass: Callable[[], Pass],
    *,
    now: Callable[[], float],
    wanted: Callable[[], bool] = lambda: True,
) -> float | None:
    """
    Return the time of one frame in the largest pass that fits into a frame's time.

    ``renders`` opens that many sessions. All faces speak, which costs most. The least
    time of several tries counts: other processes can only make it longer. Larger and
    larger passes are tried while that makes a frame cheaper, for `_MAX_S` at most, and
    as long as ``wanted`` is true. None: not one pass was measured.
    """
    end_s, frame_s, indices = now() + _MAX_S, math.inf, itertools.count(1)
    for size in _BATCH_SIZES:
        sessions, least_s = await renders(size), math.inf
        for index in itertools.islice(indices, _TRIES):
            if now() >= end_s or not wanted():
                break
            await _draw(sessions, speech_frame(index, 1, _noise(index)))
            if newest_pass().frames == size:  # not mixed with frames of others
                least_s = min(least_s, newest_pass().took_s)
        gains = least_s / size < _GAIN * frame_s
        frame_s = min(frame_s, least_s / size)
        if not gains or _GROWTH * least_s > FRAME_S:  # also if nothing was measured
            break
    return None if frame_s == math.inf else frame_s


async def _draw(sessions: Sequence[Render], request: FrameRequest) -> None:
    """Draw the frame for all sessions, in one pass if no others are drawn."""
    try:
        async with asyncio.TaskGroup() as group:
            for render in sessions:
                group.create_task(_draw_one(render, request), name="self-benchmark")
    except* RenderFailed as failed:
        raise RenderFailed("the self-benchmark could not draw") from failed


async def _draw_one(render: Render, request: FrameRequest) -> None:
    await render(request)


def speech_frame(index: int, turn: int, pcm: bytes = b"") -> FrameRequest:
    """Return the request of a frame with 40 ms of speech; silence without ``pcm``."""
    pcm = pcm or bytes(2 * round(FRAME_S * SAMPLE_RATE))
    at_s = index * FRAME_S
    return FrameRequest(index, at_s, "talking", turn, pcm, len(pcm) // 2)


def _noise(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, _SPEECH_RMS, round(FRAME_S * SAMPLE_RATE))
    return noise.clip(-32768, 32767).astype("<i2").tobytes()
