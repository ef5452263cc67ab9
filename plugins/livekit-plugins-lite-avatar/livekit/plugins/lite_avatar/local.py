"""Avatar session in the agent's own process, without a gateway.

It does not use the stock `QueueAudioOutput` and `AvatarRunner`: no frames wait in a
queue here, and an interrupted turn ends and is reported before `clear_buffer` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livekit import rtc
from livekit.agents import AgentSession, utils
from livekit.agents.voice.avatar import AvatarSession as BaseAvatarSession
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities

from .avatar import SAMPLE_RATE
from .keys import LiteAvatarException, LiveKitKeys, agent_identity
from .log import logger

if TYPE_CHECKING:
    from lite_gateway.datastream.speech_queue import SpeechQueue

_AGENT = "agent"


class LocalAvatarSession(BaseAvatarSession[Any]):
    """Avatar that joins the room as its own participant; needs ``lite-gateway``."""

    def __init__(
        self,
        *,
        avatar_id: str = "",
        quality: str = "high",
        background: str = "",
        avatars: str | Path | None = None,
        device: str = "auto",
        avatar_participant_identity: str | None = None,
    ) -> None:
        super().__init__()
        self._identity = avatar_participant_identity or f"avatar-{avatar_id or 'lite'}"
        self._options: dict[str, Any] = {
            "avatar": avatar_id,
            "quality": quality,
            "background": background,
            "avatars": Path(avatars) if avatars else None,
            "device": device,
        }
        self._avatar_task: asyncio.Task[None] | None = None
        self._output: DirectAudioOutput | None = None

    @property
    def avatar_identity(self) -> str:
        return self._identity

    @property
    def provider(self) -> str:
        return "lite-gateway, in process"

    async def start(
        self,
        agent_session: AgentSession[Any],
        room: rtc.Room,
        *,
        livekit_url: str | None = None,
        livekit_api_key: str | None = None,
        livekit_api_secret: str | None = None,
    ) -> None:
        """Join the room with the avatar and route the agent's speech to it.

        Call this before ``agent_session.start``.
        """
        await super().start(agent_session, room)
        keys = LiveKitKeys.from_arguments(
            livekit_url, livekit_api_key, livekit_api_secret
        )
        token = keys.token(room.name, self._identity, agent_identity(room))
        self._output = DirectAudioOutput()
        joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        running = self._run(keys.url, token, joined)
        # The framework has no TaskGroup that spans `start` and `aclose`.
        self._avatar_task = asyncio.create_task(running)  # noqa: TID251
        await joined
        agent_session.on("user_state_changed", self._on_user_state)
        agent_session.on("agent_state_changed", self._on_agent_state)
        agent_session.output.replace_audio_tail(self._output)

    async def aclose(self) -> None:
        if self._agent_session is not None:
            self._agent_session.off("user_state_changed", self._on_user_state)
            self._agent_session.off("agent_state_changed", self._on_agent_state)
        if self._avatar_task is not None:
            await utils.aio.cancel_and_wait(self._avatar_task)
            self._avatar_task = None
        await super().aclose()

    async def _run(self, url: str, token: str, joined: asyncio.Future[None]) -> None:
        output = self._output
        assert output is not None
        try:
            from lite_gateway.embedded import avatar_in_room

            async with avatar_in_room(url, token, output, **self._options) as queue:
                output.queue = queue
                joined.set_result(None)
                await asyncio.Event().wait()
        except Exception as error:
            if joined.done():
                logger.exception("the avatar of this process failed")
                return
            joined.set_exception(
                LiteAvatarException(f"the avatar could not start: {error}")
            )
        finally:
            output.queue = None

    def _on_user_state(self, event: Any) -> None:
        if self._output is not None and self._output.queue is not None:
            self._output.queue.set_state(user=event.new_state)

    def _on_agent_state(self, event: Any) -> None:
        if self._output is not None and self._output.queue is not None:
            self._output.queue.set_state(agent=event.new_state)


class DirectAudioOutput(AudioOutput):
    """Audio output that gives each frame to the avatar at once and reports playback."""

    def __init__(self) -> None:
        super().__init__(
            label="LiteAvatarDirect",
            next_in_chain=None,
            sample_rate=SAMPLE_RATE,
            capabilities=AudioOutputCapabilities(pause=False),
        )
        self.queue: SpeechQueue | None = None
        self._turn: int | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self.queue is None:
            raise LiteAvatarException("the avatar of this process has ended")
        if self._turn is None:
            self._turn = self.queue.open(_AGENT)
        self.queue.receive(self._turn, bytes(_mono(frame).data))

    def flush(self) -> None:
        super().flush()
        turn, self._turn = self._turn, None
        if turn is not None and self.queue is not None:
            self.queue.close(turn)

    def clear_buffer(self) -> None:
        if self.queue is not None:
            self.queue.clear()

    # Reports of the queue (`PlaybackReporter`).

    def started(self, sender: str) -> None:
        self.on_playback_started(created_at=time.time())  # noqa: TID251 - the framework uses this clock

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closing
            self.on_playback_finished(
                playback_position=samples / SAMPLE_RATE, interrupted=interrupted
            )


def _mono(frame: rtc.AudioFrame) -> rtc.AudioFrame:
    """Return the first channel; the framework has resampled to our rate before."""
    if frame.num_channels == 1:
        return frame
    left = memoryview(frame.data)[:: frame.num_channels]
    return rtc.AudioFrame(bytes(left), frame.sample_rate, 1, frame.samples_per_channel)
