"""
One session's pictures and sound, on one clock, with nothing waiting behind anything.

A turn is spoken in one or more *stretches*: a stretch begins when sound is in hand
(at once for bursts) and ends when the turn is over, cut, or has run dry.  Each
stretch re-phases the frame clock, so its first frame is rendered immediately; frame
and sound positions are both counted from its start and cannot drift.

Sound is handed out in steps of at most 20 ms, at most 40 ms ahead of the listener.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from lite_gateway.errors import RenderFailed
from lite_gateway.metrics import Metrics
from lite_gateway.playout.frame_clock import FrameClock, Tick
from lite_gateway.playout.jitter_buffer import JitterBuffer
from lite_gateway.playout.trace import (
    AudioReceived,
    AudioSent,
    FadeSent,
    FrameSent,
    Trace,
    TurnCut,
    untraced,
)
from lite_gateway.playout.turn_audio import TurnAudio, faded, loudness
from protocol.lite.messages import EMOTIONS, SAMPLE_RATE
from renderer.frames import FrameRequest, VideoFrame

STEP = SAMPLE_RATE // 50  # 20 ms, the most sound handed out at once
STEP_S = STEP / SAMPLE_RATE
AHEAD_S = STEP_S  # how long before it is due a step is handed out
FADE = SAMPLE_RATE * 8 // 1000  # an interrupt ends in 8 ms of fade, not in a click
HEAR_AHEAD = SAMPLE_RATE * 120 // 1000  # the most future sound a driver is given
# A listener has a frame 35 to 45 ms before its sound (`bench latency`, L4). Lips that
# move later by some of that are in time, and have heard so much more: a frame shows the
# face of 20 ms before its middle, which for 25 frames a second is that of its start.
SEEN_FIRST = SAMPLE_RATE * 20 // 1000
TIMER_S = 0.0005  # event loops wake in whole milliseconds, some a little early
STARVED_S = 0.5
_SILENCE = bytes(2 * STEP)


class Room(Protocol):
    """Where pictures and sound go."""

    @property
    def queued_s(self) -> float:
        """Sound handed over that nobody has heard yet."""
        ...

    async def show(self, picture: VideoFrame) -> None: ...

    async def sound(self, pcm: bytes) -> None: ...

    def clear(self) -> None:
        """Drop the sound that nobody has heard yet."""
        ...


class PlaybackListener(Protocol):
    """Whom playout tells what happened to a turn; each call returns at once."""

    def started(self, turn: int) -> None: ...

    def finished(self, turn: int) -> None: ...

    def starved(self, turn: int) -> None: ...

    def expired(self, turn: int) -> None: ...


@dataclass(slots=True, eq=False)
class _Talkspurt:
    turn: TurnAudio
    first_frame: int
    first_sample: int
    drawn: asyncio.Event = field(default_factory=asyncio.Event)  # its first frame
    shown: asyncio.Event = field(default_factory=asyncio.Event)


class Playout:
    def __init__(
        self,
        render: Callable[[FrameRequest], Awaitable[VideoFrame]],
        room: Room,
        metrics: Metrics,
        trace: Trace = untraced,
        *,
        now: Callable[[], float],
        fps: Fraction = Fraction(25),
        missing_end_s: float = 10.0,
        source: str = "websocket",
    ) -> None:
        self.pose, self.emotion = "idle", EMOTIONS[0]  # between turns
        self._render = render
        self._room = room
        self._metrics = metrics
        self._trace = trace
        self._now = now
        self._missing_end_s = missing_end_s
        self._source = source
        self._born_s = now()
        self._clock = FrameClock(fps, now)
        self._cushion = JitterBuffer()
        self._turns: deque[TurnAudio] = deque()  # neither played out nor cut
        self._flushed = 0  # the newest turn that was cut
        self._stretch: _Talkspurt | None = None
        self._fade = b""
        self._cut = TurnCut(0.0, 0, 0)  # the newest of a turn that was heard
        self._free_s = 0.0  # when the turn before was over
        self._starved: int = 0  # the turn whose hunger was told
        self._sound_changed = asyncio.Event()
        self._phase_changed = asyncio.Event()

    @property
    def buffered_s(self) -> float:
        """Sound received and not yet handed out, of all turns."""
        return sum(turn.unplayed_s for turn in self._turns)

    def open(self, number: int) -> None:
        """A turn that is next in line, though its sound is yet to come."""
        self._turns.append(TurnAudio(number, self._now()))
        self._sound_changed.set()

    def append(self, number: int, pcm: bytes, emotion: str | None = None) -> None:
        """More sound for a turn, and what it is said with; the first piece opens it."""
        now_s = self._now()
        if not self._turns or self._turns[-1].number < number:
            self._turns.append(TurnAudio(number, now_s))
        turn = next(each for each in reversed(self._turns) if each.number == number)
        turn.append(pcm, now_s, emotion)
        self._trace(AudioReceived(now_s, number, turn.end))
        self._metrics.pcm_buffered.observe(self._turns[0].unplayed_s)
        self._sound_changed.set()

    def seal(self, number: int) -> None:
        """No more sound for a turn."""
        for turn in self._turns:
            if turn.number == number:
                turn.sealed = True
        self._sound_changed.set()

    def flush(self, upto: int, outcome: str = "interrupted") -> float:
        """
        Cut every turn up to ``upto``: now, in this call.

        Returns how many seconds of the turn being spoken had been heard.
        """
        turn = self._turns[0] if self._turns else None
        if turn is None or turn.number > upto:
            return 0.0
        queued = round(self._room.queued_s * SAMPLE_RATE) if self._stretch else 0
        heard = max(0, turn.played - queued)
        cut = TurnCut(self._now(), turn.number, heard)
        self._trace(cut)
        if turn.played:
            self._cut = cut
            self._room.clear()
            self._fade = faded(turn.peek(heard, FADE)) or _SILENCE
            self._count(turn, outcome)
        while self._turns and self._turns[0].number <= upto:
            self._turns.popleft()
        self._flushed = upto
        self._free_s = self._now()
        self._end_stretch()
        self._rephase()
        return heard / SAMPLE_RATE

    async def run(self, listener: PlaybackListener) -> None:
        """Play until cancelled, and report playback events to ``listener``."""
        self._news = listener
        self._clock.rephase()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._show_frames(), name="pictures")
            group.create_task(self._make_sound(), name="sound")

    # Pictures.

    async def _show_frames(self) -> None:
        while True:
            wait_s = self._clock.due_s - self._now()
            if wait_s > TIMER_S:
                self._phase_changed.clear()
                await _within(self._phase_changed, wait_s)
                continue
            await self._show_frame(self._clock.take())

    async def _show_frame(self, tick: Tick) -> None:
        stretch = self._stretch
        request = self._frame_request(tick, stretch)
        self._metrics.frames_skipped.inc(tick.skipped)
        begun_s = self._now()
        try:
            picture = await self._render(request)
        except RenderFailed:
            self._metrics.frames_skipped.inc()
            return
        drawn_s = self._now()
        if request.turn and request.turn <= self._flushed:
            return  # cut while it was drawn; the next frame is already due
        if stretch:
            stretch.drawn.set()
        await self._room.show(picture)
        if stretch:
            stretch.shown.set()
        self._metrics.frames.inc()
        shown_s = self._now()
        self._metrics.frame_late.observe(max(0.0, shown_s - tick.due_s))
        span = self._span(tick, stretch) if stretch and request.turn else (0, 0)
        times = (tick.due_s, begun_s, drawn_s, shown_s)
        self._trace(FrameSent(tick.index, request.turn, *times, *span))

    def _frame_request(self, tick: Tick, stretch: _Talkspurt | None) -> FrameRequest:
        at_s = tick.due_s - self._born_s
        turn = stretch.turn if stretch else self._turns[0] if self._turns else None
        emotion = turn.emotion(turn.played) if turn and turn.played else self.emotion
        rest = FrameRequest(tick.index, at_s, self.pose, emotion=emotion)
        if stretch is None:
            return rest
        turn = stretch.turn
        start, length = self._span(tick, stretch)
        if turn.sealed and start >= turn.end:
            return rest
        pcm = turn.hear(start + length + HEAR_AHEAD)
        moment = start + length // 2 - SEEN_FIRST
        level = loudness(turn.peek(start, length))
        lookahead, emotion = turn.heard - moment, turn.emotion(start)
        return FrameRequest(
            tick.index, at_s, "talking", turn.number, pcm, lookahead, level, emotion
        )

    def _span(self, tick: Tick, stretch: _Talkspurt) -> tuple[int, int]:
        """The first sample of the turn that a frame shows, and how many it lasts."""
        frames = tick.index - stretch.first_frame
        start = stretch.first_sample + self._clock.samples(frames, SAMPLE_RATE)
        return start, self._clock.samples(1, SAMPLE_RATE)

    # Sound.

    async def _make_sound(self) -> None:
        while True:
            turn = self._turns[0] if self._turns else None
            if self._fade:
                await self._end_softly()
            elif turn is None:
                await self._rest(STEP_S)
            elif turn.sealed and not turn.unplayed:
                self._finish(turn)
            elif (wait_s := self._wait_for(turn)) > TIMER_S:
                await self._rest(min(wait_s, STEP_S))
            else:
                await self._speak(turn)

    async def _end_softly(self) -> None:
        fade, self._fade = self._fade, b""
        await self._room.sound(fade)
        out_s = self._now()
        self._metrics.interrupt.observe(out_s - self._cut.at_s)
        self._trace(FadeSent(out_s, self._cut.turn))

    async def _rest(self, wait_s: float) -> None:
        """Silence goes out too: a track that stops and starts costs the listener."""
        spare_s = self._room.queued_s - AHEAD_S
        if spare_s <= TIMER_S:
            await self._room.sound(_SILENCE)
        else:
            self._sound_changed.clear()
            await _within(self._sound_changed, min(wait_s, spare_s))

    def _wait_for(self, turn: TurnAudio) -> float:
        """How long to hold back a stretch, so that it does not run dry at once."""
        now_s = self._now()
        idle_s = now_s - turn.arrived_s
        if not turn.unplayed:
            self._complain(turn, idle_s)
            return STEP_S
        target_s = self._cushion.target_s
        if turn.sealed or turn.unplayed_s >= target_s:
            return 0.0
        return target_s - idle_s

    def _complain(self, turn: TurnAudio, idle_s: float) -> None:
        if idle_s >= STARVED_S and self._starved != turn.number:
            self._starved = turn.number
            self._news.starved(turn.number)
        if idle_s >= self._missing_end_s:
            self._news.expired(turn.number)

    async def _speak(self, turn: TurnAudio) -> None:
        """One stretch: until the turn is over, cut, or dry."""
        stretch = self._begin_stretch(turn)
        # The first frame and its sound leave together, but a slow picture may
        # not hold the voice back for longer than a frame.
        await _within(stretch.drawn, float(1 / self._clock.fps))
        if self._stretch is not stretch:
            return
        self._room.clear()  # of silence
        origin_s = self._now()
        first, spare_s = turn.played, float("inf")
        while self._stretch is stretch:
            due_s = origin_s + (turn.played - first) / SAMPLE_RATE
            if not await self._due(stretch, due_s):
                break
            if not turn.sealed:
                held_s = max(0.0, turn.unplayed_s - STEP_S)
                spare_s = min(spare_s, due_s - self._now() + held_s)
            await self._step(stretch)
        self._cushion.stretch_over(spare_s)

    async def _step(self, stretch: _Talkspurt) -> None:
        turn = stretch.turn
        first, queued_s = turn.played, self._room.queued_s
        pcm = turn.play(STEP)
        await self._room.sound(pcm)
        self._trace(AudioSent(self._now(), turn.number, first, len(pcm) // 2, queued_s))
        if first:
            return
        await _within(stretch.shown, STEP_S)
        if turn.number > self._flushed:
            # A turn that queued behind another was not delayed by us.
            added_s = self._now() - max(turn.received_s, self._free_s)
            self._metrics.added_latency.labels(self._source).observe(added_s)
            self._news.started(turn.number)

    async def _due(self, stretch: _Talkspurt, due_s: float) -> bool:
        """Wait until the next step may be handed out; False when there is none."""
        turn = stretch.turn
        while self._stretch is stretch:
            early_s = due_s - self._now()
            ready = turn.unplayed > 0
            if ready and early_s - AHEAD_S <= TIMER_S:
                return True
            if not ready and early_s <= TIMER_S:
                self._dry(turn)
                return False
            self._sound_changed.clear()
            await _within(self._sound_changed, early_s - AHEAD_S * ready)
        return False

    def _dry(self, turn: TurnAudio) -> None:
        """Everything received was heard: the turn is over, or starves."""
        if turn.sealed:
            self._finish(turn)
            return
        self._metrics.underruns.inc()
        self._cushion.ran_dry()
        self._starved = 0
        self._end_stretch()

    def _finish(self, turn: TurnAudio) -> None:
        self._turns.popleft()
        self._free_s = self._now()
        if turn.played:
            self._count(turn, "finished")
        self._end_stretch()
        self._news.finished(turn.number)

    def _begin_stretch(self, turn: TurnAudio) -> _Talkspurt:
        stretch = _Talkspurt(turn, self._clock.next, turn.played)
        self._stretch = stretch
        self._rephase()
        return stretch

    def _end_stretch(self) -> None:
        if self._stretch is not None:
            self._stretch.drawn.set()
            self._stretch.shown.set()
            self._stretch = None
        self._sound_changed.set()

    def _rephase(self) -> None:
        self._clock.rephase()
        self._phase_changed.set()

    def _count(self, turn: TurnAudio, outcome: str) -> None:
        self._metrics.turns.labels(self._source, outcome).inc()


async def _within(event: asyncio.Event, wait_s: float) -> None:
    """Wait for ``event``, at most ``wait_s``; whoever waits looks at the state next."""
    try:
        async with asyncio.timeout(wait_s):
            await event.wait()
    except TimeoutError:
        pass
