"""Assembly of a session from its parts: renderer, room, playout, input and limits."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from lite_gateway.config import FPS
from lite_gateway.errors import Refused
from lite_gateway.long_steps import LongSteps
from lite_gateway.metrics import Metrics
from lite_gateway.playout.frame_rates import FrameRates
from lite_gateway.playout.interfaces import Render, Room
from lite_gateway.playout.playout import Playout
from lite_gateway.playout.render_threads import RenderThreads
from lite_gateway.playout.trace import Traces, untraced
from lite_gateway.rooms.events import JoinedRoom, RoomEvents
from lite_gateway.rooms.livekit_room import CLOSE_TIMEOUT_S, LiveKitRoom
from lite_gateway.rooms.null_room import NullRoom
from lite_gateway.rooms.sdk import CallOwner, SdkCalls
from lite_gateway.sessions.session import EndInfo, Limits, Session, SpeechInput
from lite_gateway.threads import Workers
from lite_gateway.video_quality import VideoQuality
from protocol.datastream.names import MAX_PAUSE_S
from protocol.lite.messages import EndReason
from renderer.avatar import Avatar

# Disconnect reasons that are intentional. All other reasons count as a failure.
_INTENDED = {
    "ROOM_DELETED": EndReason.USER_CLOSED,
    "ROOM_CLOSED": EndReason.USER_CLOSED,
    "PARTICIPANT_REMOVED": EndReason.USER_CLOSED,
    "DUPLICATE_IDENTITY": EndReason.USER_DISCONNECTED,
}
_LOST_TEXTS = {
    "DUPLICATE_IDENTITY": "another participant took its identity in the room "
    "(DUPLICATE_IDENTITY)"
}

RIG_TIMEOUT_S = 30.0  # the first session of an avatar at a size waits for its rig

OpenInput = Callable[[Playout, Session], SpeechInput]


class SessionRoom(Room, Protocol):
    """Room as a session opens and closes it."""

    async def open(self, url: str, token: str, events: RoomEvents) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """Parts and settings of one session, before it is opened."""

    session_id: str
    avatar: Avatar
    quality: VideoQuality
    url: str  # of the LiveKit server
    token: str = field(repr=False)
    open_input: OpenInput
    background: str = ""  # in place of the avatar's own
    codec: str = "H264"
    key_id: str = ""  # of the session's owner
    source: str = (
        "websocket"  # label of the metrics: websocket, datastream or conversation
    )
    limits: Limits = Limits()
    counts_users: bool = True  # an empty room ends the session after a while
    # Of the avatar, to be set after the join: its token has none.
    attributes: Mapping[str, str] | None = None


class LiveSession:
    """Session in its room; receives the room's events."""

    def __init__(
        self,
        session: Session,
        room: SessionRoom,
        speech: SpeechInput,
        *,
        counts_users: bool,
    ) -> None:
        self.session = session
        self.speech = speech
        self._room = room
        self._counts_users = counts_users

    async def run(self) -> EndInfo:
        """Run to the session's end. The room stays open until `aclose`."""
        return await self.session.run(self.speech)

    async def aclose(self) -> None:
        """Deliver what clients in the room must still get, and leave it."""
        try:
            await self.speech.aclose()
        finally:
            await self._room.close()

    def on_joined(self, room: JoinedRoom) -> None:
        self.speech.on_joined(room)

    def on_users(self, count: int) -> None:
        if self._counts_users:
            self.session.on_users(count)

    def on_lost(self, reason: str) -> None:
        end_reason = _INTENDED.get(reason, EndReason.SERVER_ERROR)
        text = _LOST_TEXTS.get(reason, f"the room is gone: {reason}")
        self.session.end(end_reason, text)


class SessionFactory:
    """
    Factory of sessions that share one renderer and the threads that encode.

    ``output`` is "livekit", or "null" for a room that encodes nothing.
    """

    def __init__(
        self,
        renderer: RenderThreads,
        metrics: Metrics,
        *,
        traces: Traces = lambda session, source: untraced,
        fps: Fraction = FPS,
        missing_end_s: float = 10.0,
        output: str = "livekit",
        long_steps: LongSteps | None = None,
        capture_threads: int = 2,
    ) -> None:
        self._renderer = renderer
        self._metrics = metrics
        self._traces = traces
        self._fps = fps
        self._missing_end_s = missing_end_s
        self._output = output
        self._long_steps = long_steps or LongSteps()
        self.frame_rates = FrameRates(
            metrics,
            now=time.monotonic,
            fps=fps,
            rendered_s=lambda: renderer.worked_s,
        )
        self._capture = Workers(capture_threads, "capture")
        self._sdk_calls = SdkCalls()

    async def open(self, plan: SessionPlan) -> LiveSession:
        """
        Assemble a session and join its room.

        Raises `RoomUnavailable` if the room cannot be joined, and `Refused` if the
        avatar's rig is not built in time; nothing is left open.
        """
        render = await self._open_rig(plan)
        await self._long_steps.wait()
        room = self._room(plan)
        playout = Playout(
            render,
            room,
            self._metrics,
            self._traces(plan.session_id, plan.source),
            now=time.monotonic,
            fps=self._fps,
            missing_end_s=self._missing_end(plan),
            source=plan.source,
            frame_rates=self.frame_rates,
        )
        session = Session(
            plan.session_id, playout, now=time.monotonic, limits=plan.limits
        )
        speech = plan.open_input(playout, session)
        live = LiveSession(session, room, speech, counts_users=plan.counts_users)
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(live.aclose)
            await room.open(plan.url, plan.token, live)
            undo.pop_all()
        return live

    def _missing_end(self, plan: SessionPlan) -> float:
        """Return how long an open turn may pause: agents pause for longer."""
        if plan.source != "websocket":
            return max(self._missing_end_s, MAX_PAUSE_S)
        return self._missing_end_s

    async def _open_rig(self, plan: SessionPlan) -> Render:
        """Open a renderer session; a rig that takes longer is built for later ones."""
        try:
            async with asyncio.timeout(RIG_TIMEOUT_S):
                return await self._renderer.open(
                    plan.avatar, plan.quality, plan.background
                )
        except TimeoutError:
            raise Refused(
                503,
                f"avatar {plan.avatar.name!r} was not built within "
                f"{RIG_TIMEOUT_S:.0f} s; try again later",
                retry_s=RIG_TIMEOUT_S,
            ) from None

    def _room(self, plan: SessionPlan) -> SessionRoom:
        if self._output == "null":
            return NullRoom()
        return LiveKitRoom(
            plan.quality,
            fps=self._fps,
            codec=plan.codec,
            capture=self._capture,
            metrics=self._metrics,
            calls=self._sdk_calls,
            owner=CallOwner(plan.key_id, plan.session_id),
            attributes=plan.attributes,
        )

    async def wait_left(self, session_id: str) -> None:
        """Wait until a session that was closed, or joined too late, has left."""
        await self._sdk_calls.wait_session(session_id)

    async def aclose(self) -> None:
        """Wait a moment for rooms that are being left, then give up the threads."""
        await self._sdk_calls.wait(CLOSE_TIMEOUT_S)
        self._sdk_calls.close()
        self._capture.close()
