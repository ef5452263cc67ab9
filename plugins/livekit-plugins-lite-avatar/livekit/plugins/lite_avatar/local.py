"""
An avatar in the agent's own process, with no gateway: speech goes to it by a call.

The stock `QueueAudioOutput` and `AvatarRunner` are not used: nothing is queued here,
and what is cut is over, and reported, before the call that cuts it returns.
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
    """Joins the room as a participant of its own. Needs ``lite-gateway`` installed."""

    def __init__(
        self,
        *,
        avatar_id: str = "",
        quality: str = "high",
        avatars: str | Path | None = None,
        device: str = "auto",
        avatar_participant_identity: str | None = None,
    ) -> None:
        super().__init__()
        self._identity = avatar_participant_identity or f"avatar-{avatar_id or 'lite'}"
        self._shown: dict[str, Any] = {
            "avatar": avatar_id,
            "picture": quality,
            "avatars": Path(avatars) if avatars else None,
            "device": device,
        }
        self._life: asyncio.Task[None] | None = None
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
        """Before ``agent_session.start``; returns when the avatar is in the room."""
        await super().start(agent_session, room)
        keys = LiveKitKeys.found(livekit_url, livekit_api_key, livekit_api_secret)
        token = keys.token(room.name, self._identity, agent_identity(room))
        self._output = DirectAudioOutput()
        joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        life = self._live(keys.url, token, joined)
        # The framework has no TaskGroup that spans `start` and `aclose`.
        self._life = asyncio.create_task(life)  # noqa: TID251
        await joined
        agent_session.on("user_state_changed", self._on_user_state)
        agent_session.on("agent_state_changed", self._on_agent_state)
        agent_session.output.replace_audio_tail(self._output)

    async def aclose(self) -> None:
        if self._agent_session is not None:
            self._agent_session.off("user_state_changed", self._on_user_state)
            self._agent_session.off("agent_state_changed", self._on_agent_state)
        if self._life is not None:
            await utils.aio.cancel_and_wait(self._life)
            self._life = None
        await super().aclose()

    async def _live(self, url: str, token: str, joined: asyncio.Future[None]) -> None:
        output = self._output
        assert output is not None
        try:
            from lite_gateway.embedded import avatar_in_room

            async with avatar_in_room(url, token, output, **self._shown) as floor:
                output.floor = floor
                joined.set_result(None)
                await asyncio.Event().wait()
        except Exception as failed:
            if joined.done():
                logger.exception("the avatar in this process has failed")
                return
            joined.set_exception(LiteAvatarException(f"no avatar here: {failed}"))
        finally:
            output.floor = None

    def _on_user_state(self, changed: Any) -> None:
        if self._output is not None and self._output.floor is not None:
            self._output.floor.attend(user=changed.new_state)

    def _on_agent_state(self, changed: Any) -> None:
        if self._output is not None and self._output.floor is not None:
            self._output.floor.attend(agent=changed.new_state)


class DirectAudioOutput(AudioOutput):
    """Hands frames to the avatar as they come; tells of them what it is told."""

    def __init__(self) -> None:
        super().__init__(
            label="LiteAvatarDirect",
            next_in_chain=None,
            sample_rate=SAMPLE_RATE,
            capabilities=AudioOutputCapabilities(pause=False),
        )
        self.floor: SpeechQueue | None = None
        self._turn: int | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self.floor is None:
            raise LiteAvatarException("the avatar in this process is gone")
        if self._turn is None:
            self._turn = self.floor.open(_AGENT)
        self.floor.receive(self._turn, bytes(_mono(frame).data))

    def flush(self) -> None:
        super().flush()
        turn, self._turn = self._turn, None
        if turn is not None and self.floor is not None:
            self.floor.close(turn)

    def clear_buffer(self) -> None:
        if self.floor is not None:
            self.floor.clear()

    # What the floor reports.

    def started(self, sender: str) -> None:
        self.on_playback_started(created_at=time.time())  # noqa: TID251 - the framework's clock

    def finished(self, sender: str, samples: int, *, interrupted: bool) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closing
            self.on_playback_finished(
                playback_position=samples / SAMPLE_RATE, interrupted=interrupted
            )


def _mono(frame: rtc.AudioFrame) -> rtc.AudioFrame:
    """Agents resample to our rate; voices in stereo are rare."""
    if frame.num_channels == 1:
        return frame
    left = memoryview(frame.data)[:: frame.num_channels]
    return rtc.AudioFrame(bytes(left), frame.sample_rate, 1, frame.samples_per_channel)
