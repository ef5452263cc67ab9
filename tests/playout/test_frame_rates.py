"""Frame rates of several sessions that share one renderer, in virtual time."""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from lite_gateway.metrics import Metrics
from lite_gateway.playout.degradation import HOLD_S
from lite_gateway.playout.frame_rates import REPORT_INTERVAL_S, FrameRates
from lite_gateway.playout.lateness import MAX_S
from lite_gateway.playout.playout import Playout
from protocol.lite.messages import SAMPLE_RATE
from renderer.frames import FrameRequest, VideoFrame
from tests.fakes import MemoryRoom, RecordingListener, tone
from tests.virtual import run

FPS = 25


class SharedRenderer:
    """Renderer that draws one frame after the other, each in ``takes_s``."""

    def __init__(self, takes_s: float) -> None:
        self.takes_s = takes_s
        self.worked_s = 0.0
        self._free = asyncio.Lock()

    async def render(self) -> VideoFrame:
        async with self._free:
            await asyncio.sleep(self.takes_s)
            self.worked_s += self.takes_s
        return VideoFrame(2, 2, np.zeros(6, np.uint8))


@dataclass
class Shown:
    """Session of a `Site`, with what was shown and heard."""

    playout: Playout
    room: MemoryRoom
    listener: RecordingListener
    requests: list[FrameRequest]

    def frames_between(self, start_s: float, end_s: float) -> int:
        return sum(start_s <= at_s < end_s for at_s, _ in self.room.frames)


class Site:
    """Sessions in several poses that share a renderer."""

    def __init__(self, group: asyncio.TaskGroup, takes_s: float) -> None:
        self.now = asyncio.get_running_loop().time
        self.metrics = Metrics()
        self.renderer = SharedRenderer(takes_s)
        self.rates = FrameRates(
            self.metrics,
            now=self.now,
            fps=Fraction(FPS),
            rendered_s=lambda: self.renderer.worked_s,
        )
        self.tasks: list[asyncio.Task] = []
        self._group = group

    def open(self, pose: str = "idle") -> Shown:
        room, listener = MemoryRoom(), RecordingListener()
        requests: list[FrameRequest] = []

        async def render(request: FrameRequest) -> VideoFrame:
            requests.append(request)
            return await self.renderer.render()

        playout = Playout(
            render, room, self.metrics, now=self.now, frame_rates=self.rates
        )
        playout.pose = pose
        self.tasks.append(self._group.create_task(playout.run(listener)))
        return Shown(playout, room, listener, requests)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def left_out(self, pose: str) -> float:
        return self.metric("lite_frames_left_out_total", pose=pose)


@contextlib.asynccontextmanager
async def site(takes_s: float):
    async with asyncio.TaskGroup() as group:
        opened = Site(group, takes_s)
        yield opened
        for task in opened.tasks:
            task.cancel()


def test_idle_faces_are_halved_first_and_the_talking_face_is_not():
    async def main():
        async with site(0.0125) as s:  # 80 frames a second; four sessions need 100
            idle = [s.open(), s.open()]
            listening, talking = s.open("listening"), s.open()
            talking.playout.append(1, tone(12.0))
            talking.playout.seal(1)
            await asyncio.sleep(11.0)
            frames = [
                shown.frames_between(6.0, 10.0) for shown in (*idle, listening, talking)
            ]
            return s, frames, talking

    s, frames, talking = run(main(), debug=False)
    assert s.rates.level == 0  # no session any more
    assert all(abs(count - 50) <= 1 for count in frames[:2])
    assert min(frames[2:]) >= 99
    assert s.left_out("idle")
    assert not s.left_out("listening")
    assert not s.left_out("talking")
    assert talking.room.speech == tone(12.0)[: len(talking.room.speech)]
    assert talking.listener.kinds[0] == ("started", 1)


def test_level_by_level_until_all_faces_are_halved_and_back():
    async def main():
        levels = []
        async with site(0.022) as s:  # 45 frames a second; three sessions need 75
            idle, listening, talking = s.open(), s.open("thinking"), s.open()
            talking.playout.append(1, tone(100.0))
            talking.playout.seal(1)
            for _ in range(8):
                levels.append(s.metric("lite_degradation_level"))
                await asyncio.sleep(1.0)
            frames = [
                shown.frames_between(6.0, 8.0) for shown in (idle, listening, talking)
            ]
            s.renderer.takes_s = 0.004
            for _ in range(3):
                await asyncio.sleep(HOLD_S + 0.5)
                levels.append(s.metric("lite_degradation_level"))
            at_s = s.now()
            await asyncio.sleep(2.0)
            whole = [
                shown.frames_between(at_s, at_s + 2.0)
                for shown in (idle, listening, talking)
            ]
            return levels, frames, whole, talking, idle

    levels, frames, whole, talking, idle = run(main(), debug=False)
    assert levels[:1] + levels[2:4] + levels[7:] == [0, 1, 2, 3, 2, 1, 0]
    assert all(abs(count - 25) <= 1 for count in frames)
    assert all(abs(count - 50) <= 1 for count in whole)
    # The audio was never interrupted, and each frame shows its own moment.
    sent = [sent for sent in talking.room.audio if any(sent.pcm)]
    starts_s = [audio.at_s for audio in sent]
    steps_s = [b - a for a, b in itertools.pairwise(starts_s)]
    assert max(steps_s) < 0.0405
    assert (
        b"".join(audio.pcm for audio in sent)
        == tone(100.0)[: 2 * sum(len(audio.pcm) // 2 for audio in sent)]
    )
    first = next(request for request in talking.requests if request.turn)
    most = round((MAX_S + 0.5 / FPS) * SAMPLE_RATE)  # a late machine, and half the rate
    consumed = 0
    for request in talking.requests:
        if not request.turn:
            continue
        consumed += len(request.pcm) // 2
        frame = request.index - first.index
        moment = consumed - request.lookahead_samples
        expected = frame * SAMPLE_RATE // FPS + len(first.pcm) // 2
        assert abs(moment + first.lookahead_samples - expected) <= most
    # Each listener is told once that the rate is halved, and once that it is whole.
    assert [reduced for _, reduced in idle.listener.reduced] == [True, False]
    assert [reduced for _, reduced in talking.listener.reduced] == [True, False]
    assert idle.listener.reduced[0] < talking.listener.reduced[0]


def test_a_halved_face_begins_to_speak_at_once_and_has_its_full_rate():
    async def main():
        async with site(0.018) as s:  # 55 frames a second; three sessions need 75
            sessions = [s.open(), s.open(), s.open()]
            await asyncio.sleep(3.5)
            waits_s = []
            for shown in sessions:
                await asyncio.sleep(1.013)
                said_s, level = s.now(), s.rates.level
                shown.playout.append(1, tone(0.6))
                shown.playout.seal(1)
                await asyncio.sleep(1.0)
                requests = [request for request in shown.requests if request.turn]
                indices = [request.index for request in requests]
                first_s = next(a.at_s for a in shown.room.audio if any(a.pcm))
                waits_s.append((level, first_s - said_s, indices))
            return waits_s

    for level, wait_s, indices in run(main(), debug=False):
        assert level == 1
        assert wait_s < 0.041
        assert len(indices) >= 14  # of 15
        assert indices[1] == indices[0] + 1


def test_an_interrupt_shows_a_closing_mouth_at_once_at_every_level():
    async def main():
        async with site(0.045) as s:  # one session alone is late
            shown = s.open()
            shown.playout.append(1, tone(60.0))
            await asyncio.sleep(5.0)
            assert s.rates.level == 3
            waits_s = []
            for turn in range(1, 12):
                await asyncio.sleep(1.007)
                cut_s = s.now()
                shown.playout.flush(turn)
                count = len(shown.requests)
                await asyncio.sleep(0.5)
                waits_s.append(
                    next(at_s - cut_s for at_s, _ in shown.room.frames if at_s > cut_s)
                )
                assert shown.requests[count].turn == 0
                shown.playout.append(turn + 1, tone(60.0))
            return waits_s

    # A frame may be on its way; the next one is the first without speech.
    assert max(run(main(), debug=False)) <= 2 * 0.045 + 0.001


def test_a_session_is_told_at_most_once_a_minute():
    async def main():
        async with site(0.030) as s:
            shown, _ = s.open(), s.open()
            for _ in range(10):
                s.renderer.takes_s = 0.030
                await asyncio.sleep(3.0)
                s.renderer.takes_s = 0.002
                await asyncio.sleep(3 * HOLD_S)
            return shown.listener.reduced, s.now()

    reports, lasted_s = run(main(), debug=False)
    halved_s = [at_s for at_s, reduced in reports if reduced]
    assert len(halved_s) >= lasted_s / (3 * REPORT_INTERVAL_S)
    for before_s, after_s in itertools.pairwise(halved_s):
        assert after_s - before_s >= REPORT_INTERVAL_S
    kinds = [reduced for _, reduced in reports]
    assert kinds == [True, False] * (len(kinds) // 2) + [True] * (len(kinds) % 2)


def test_frames_left_out_are_neither_late_nor_skipped():
    async def main():
        async with site(0.030) as s:  # two sessions need 50 of 33; halved, 25
            s.open(), s.open()
            await asyncio.sleep(3.0)
            before = counts(s)
            await asyncio.sleep(5.0)
            return [
                after - start for after, start in zip(counts(s), before, strict=True)
            ]

    def counts(s: Site) -> list[float]:
        late = "lite_frame_late_seconds"
        in_time = s.metric(f"{late}_bucket", le="0.04")
        return [
            s.left_out("idle"),
            s.metric("lite_frames_total"),
            s.metric("lite_frames_skipped_total"),
            s.metric(f"{late}_count") - in_time,
        ]

    left_out, frames, skipped, late = run(main(), debug=False)
    assert left_out == pytest.approx(5 * FPS, abs=2)
    assert frames == pytest.approx(5 * FPS, abs=2)
    assert (skipped, late) == (0, 0)
