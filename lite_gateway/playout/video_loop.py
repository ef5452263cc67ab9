"""Video loop of one session: waits for each frame's due time, renders and sends it."""

from collections.abc import Callable

from lite_gateway.errors import RenderFailed
from lite_gateway.metrics import Metrics
from lite_gateway.playout.frame_rates import SessionFrameRate
from lite_gateway.playout.frame_schedule import FrameTask
from lite_gateway.playout.half_rate import LeftOut
from lite_gateway.playout.interfaces import PlaybackListener, Render, Room
from lite_gateway.playout.schedule import TIMER_TOLERANCE_S, TurnSchedule
from lite_gateway.playout.trace import FrameSent, Trace
from lite_gateway.playout.wakeups import Wakeups


class VideoLoop:
    """Loop that renders and sends the frames of a `TurnSchedule`, one at a time."""

    def __init__(
        self,
        schedule: TurnSchedule,
        render: Render,
        room: Room,
        listener: PlaybackListener,
        wakeups: Wakeups,
        *,
        frame_rate: SessionFrameRate,
        metrics: Metrics,
        trace: Trace,
        now: Callable[[], float],
    ) -> None:
        self._schedule = schedule
        self._render = render
        self._room = room
        self._listener = listener
        self._wakeups = wakeups
        self._frame_rate = frame_rate
        self._metrics = metrics
        self._trace = trace
        self._now = now

    async def run(self) -> None:
        """Send frames until cancelled."""
        while True:
            now_s = self._now()
            wait_s = self._schedule.frame_due_s(now_s) - now_s
            if wait_s > TIMER_TOLERANCE_S:
                await self._wakeups.video.wait(wait_s)
                continue
            halved = self._frame_rate.halved
            match self._schedule.next_frame(self._now(), halved):
                case LeftOut(pose):
                    self._frame_rate.left_out(pose)
                case FrameTask() as task:
                    await self._send(task)
            if (reduced := self._frame_rate.report()) is not None:
                self._listener.frame_rate_changed(reduced=reduced)

    async def _send(self, task: FrameTask) -> None:
        first = task.talkspurt is not None and not task.talkspurt.frame_sent
        if task.skipped:
            self._metrics.frames_skipped.inc(task.skipped)
        if task.left_out:
            self._frame_rate.left_out(task.request.pose, task.left_out)
        begun_s = self._now()
        try:
            frame = await self._render(task.request)
        except RenderFailed:
            self._metrics.frames_skipped.inc()
            return
        rendered_s = self._now()
        if not self._schedule.frame_rendered(task):
            return  # its turn was cut or held, and the next frame is due already
        await self._room.send_video(frame)
        sent_s = self._now()
        self._schedule.frames.sent(task, sent_s)
        if first:
            self._wakeups.audio.set()
        self._metrics.frames.inc()
        late_s = max(0.0, sent_s - task.due_s)
        self._metrics.frame_late.observe(late_s)
        self._frame_rate.shown(task.request.pose, late_s, task.skipped)
        times = (task.due_s, begun_s, rendered_s, sent_s)
        index, turn = task.request.index, task.request.turn
        self._trace(FrameSent(index, turn, *times, task.first, task.samples))
