"""Self-benchmark of the renderer, with a renderer whose times are known."""

import asyncio

import numpy as np
import pytest

from lite_gateway.errors import RenderFailed
from lite_gateway.playout.pass_times import Pass, frame_time
from renderer.frames import FrameRequest, VideoFrame
from tests.virtual import run


class Thread:
    """
    Render thread in virtual time: a pass takes ``fixed_s`` and ``face_s`` a face.

    ``noise`` multiplies the time of each pass, in turn.
    """

    def __init__(self, fixed_s: float, face_s: float, noise: tuple[float, ...]) -> None:
        self._fixed_s, self._face_s, self._noise = fixed_s, face_s, noise
        self._waiting: list[asyncio.Future[None]] = []
        self.newest = Pass(0, 0.0)
        self.passes: list[int] = []
        self.requests: list[FrameRequest] = []
        self.fails = False

    async def renders(self, count: int) -> list:
        return [self._render] * count

    async def _render(self, request: FrameRequest) -> VideoFrame:
        self.requests.append(request)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._begin)
        self._waiting.append(loop.create_future())
        await self._waiting[-1]
        if self.fails:
            raise RenderFailed("broken")
        return VideoFrame(2, 2, np.zeros(6, np.uint8))

    def _begin(self) -> None:
        batch, self._waiting = self._waiting, []
        factor = self._noise[len(self.passes) % len(self._noise)]
        took_s = factor * (self._fixed_s + self._face_s * len(batch))
        self.passes.append(len(batch))

        def end() -> None:
            self.newest = Pass(len(batch), took_s)
            for future in batch:
                future.set_result(None)

        asyncio.get_running_loop().call_later(took_s, end)


def measure(thread: Thread, **options) -> float | None:
    async def main() -> float | None:
        now = asyncio.get_running_loop().time
        return await frame_time(
            thread.renders, lambda: thread.newest, now=now, **options
        )

    return run(main())


def test_the_least_of_several_tries_counts():
    thread = Thread(0.0, 0.010, noise=(3.0, 1.0, 2.0))
    assert measure(thread) == pytest.approx(0.010)
    assert thread.passes == [1] * 3 + [4] * 3  # four faces are no cheaper than one


def test_passes_fit_into_a_frames_time():
    thread = Thread(0.004, 0.003, noise=(1.0,))
    assert measure(thread) == pytest.approx(0.004 / 4 + 0.003)
    assert max(thread.passes) == 4  # takes 16 ms


def test_a_renderer_that_is_better_at_many_faces_is_measured_with_many():
    thread = Thread(0.004, 0.0002, noise=(1.0,))  # as on a GPU
    assert measure(thread) == pytest.approx(0.004 / 64 + 0.0002)


def test_a_slow_renderer_is_measured_with_one_face_and_in_bounded_time():
    async def main() -> tuple[float | None, float]:
        thread = Thread(0.0, 0.4, noise=(1.0,))
        now = asyncio.get_running_loop().time
        frame_s = await frame_time(thread.renders, lambda: thread.newest, now=now)
        return frame_s, now()

    frame_s, lasted_s = run(main())
    assert frame_s == pytest.approx(0.4)
    assert lasted_s <= 1.0 + 0.4


def test_it_stops_when_a_session_starts():
    thread = Thread(0.0, 0.001, noise=(1.0,))
    measure(thread, wanted=lambda: len(thread.passes) < 2)
    assert thread.passes == [1, 1]
    assert measure(Thread(0.0, 0.001, noise=(1.0,)), wanted=lambda: False) is None


def test_a_pass_with_frames_of_others_does_not_count():
    thread = Thread(0.0, 0.010, noise=(1.0,))
    mixed = Pass(5, 0.001)

    async def main() -> float | None:
        now = asyncio.get_running_loop().time
        return await frame_time(thread.renders, lambda: mixed, now=now)

    assert run(main()) is None


def test_all_faces_speak_and_hear_new_audio_with_each_frame():
    thread = Thread(0.0, 0.010, noise=(1.0,))
    measure(thread)
    assert all(request.turn == 1 for request in thread.requests)
    assert len({request.pcm for request in thread.requests}) == len(thread.passes)
    assert all(np.frombuffer(r.pcm, "<i2").std() > 1000 for r in thread.requests)


def test_a_renderer_that_fails_is_reported():
    thread = Thread(0.0, 0.010, noise=(1.0,))
    thread.fails = True
    with pytest.raises(RenderFailed):
        measure(thread)
