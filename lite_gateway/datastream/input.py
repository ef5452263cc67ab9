"""Speech input over LiveKit's avatar data stream, in the room of an agent."""

import asyncio

from lite_gateway.datastream.playback_reports import PlaybackReports
from lite_gateway.datastream.receiver import DataStreamReceiver
from lite_gateway.datastream.speech_queue import SpeechQueue
from lite_gateway.metrics import Metrics
from lite_gateway.playout.playout import Playout
from lite_gateway.rooms.events import JoinedRoom
from lite_gateway.sessions.session import Session
from protocol.lite.messages import EndReason


class DataStreamInput:
    """Byte streams and RPCs of one room, spoken through one playout."""

    connected = True  # the owner's absence ends the session by itself

    def __init__(
        self,
        playout: Playout,
        session: Session,
        metrics: Metrics,
        *,
        external_audio: str,
        max_buffered_s: float,
        agent_gone_s: float,
    ) -> None:
        """Build the input; `SenderPermissions.parse` describes ``external_audio``."""
        self._playout = playout
        reports = PlaybackReports()
        self._queue = SpeechQueue(
            playout,
            reports,
            on_activity=session.mark_active,
            max_buffered_s=max_buffered_s,
        )
        self._receiver = DataStreamReceiver(
            self._queue,
            reports,
            metrics,
            external_audio=external_audio,
            owner_gone_s=agent_gone_s,
            on_owner_gone=lambda text: session.end(EndReason.AGENT_HANG_UP, text),
        )

    def on_joined(self, room: JoinedRoom) -> None:
        """Listen to streams and RPCs."""
        self._receiver.listen(room)

    async def run(self) -> None:
        """Play until cancelled, then send the last playback reports."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._playout.run(self._queue), name="playout")
            group.create_task(self._receiver.run(), name="receiver")

    def stop(self, reason: EndReason, text: str) -> None:
        """Cut all speech. Senders see the avatar leave; no message tells them why."""
        self._queue.clear()

    async def aclose(self) -> None:
        """Do nothing: `run` has sent the last playback reports."""
