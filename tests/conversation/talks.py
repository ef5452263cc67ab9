"""Conversations with the counterpart: a person in memory, and a gateway that plays."""

import asyncio
import contextlib
from dataclasses import replace

import numpy as np
from livekit import rtc

from conversation.agent.conversation import Conversation
from conversation.agent.microphone import FRAME_MS, SAMPLE_RATE, Microphone
from conversation.agent.pipeline import pipeline_engine
from conversation.agent.realtime import realtime_engine
from conversation.agent.stage_times import TurnMoments
from lite_gateway.foreign.live_secrets import live_secrets
from protocol.link.messages import Joined
from protocol.link.settings import ConversationSettings, Endpoint
from tests.conversation.gateway_end import GatewayEnd
from tests.openai_counterpart import voice

FRAME = SAMPLE_RATE * FRAME_MS // 1000


class PersonInMemory:
    """Room with one person, whose microphone is always on."""

    def __init__(self, microphone: Microphone) -> None:
        self._microphone = microphone
        self._waiting: list[np.ndarray] = []
        self.spoken_at: float | None = None  # when the last word was said
        self.left = False

    async def join(self, url: str, token: str) -> None:
        pass

    async def leave(self) -> None:
        self.left = True

    async def run(self) -> str:
        """Send a frame each 20 ms: of what is to be said, else silence."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += FRAME_MS / 1000
            await asyncio.sleep(max(0, due - loop.time()))
            pcm = np.zeros(FRAME, np.int16)
            if self._waiting:
                pcm = self._waiting.pop(0)
                self.spoken_at = loop.time()
            self._microphone.hear(rtc.AudioFrame(pcm.tobytes(), SAMPLE_RATE, 1, FRAME))

    @property
    def silent(self) -> bool:
        return not self._waiting

    async def until_silent(self) -> None:
        """Wait until all was said."""
        while self._waiting:  # noqa: ASYNC110 - it is read in steps of this length
            await asyncio.sleep(FRAME_MS / 1000)

    def say(self, text: str) -> None:
        """Say a text, from now on."""
        self.play(voice.spoken(text))

    def play(self, pcm: np.ndarray) -> None:
        """Play a recording, from now on."""
        frames = len(pcm) // FRAME
        self._waiting += list(pcm[: frames * FRAME].reshape(frames, FRAME))


class Talk:
    """Conversation with the counterpart."""

    def __init__(self, settings: ConversationSettings, make_engine) -> None:
        self.settings = settings
        self._make_engine = make_engine
        live_secrets.remember(settings.secrets)
        self.gateway = GatewayEnd()
        self.microphone: Microphone | None = None
        self.person: PersonInMemory | None = None
        self.over: BaseException | None = None

    @contextlib.asynccontextmanager
    async def running(self):
        """Converse while the block runs."""
        async with asyncio.TaskGroup() as group:
            link = await self.gateway.connect(group)
            self.microphone = Microphone(listening=not self.settings.push_to_talk)
            self.person = PersonInMemory(self.microphone)
            moments = TurnMoments()
            engine = self._make_engine(self.settings, self.microphone, moments)
            conversation = Conversation(
                self.settings,
                link,
                engine,
                self.microphone,
                moments,
                room=self.person,
            )
            self.engine = engine
            task = group.create_task(self._run(conversation))
            try:
                await self.gateway.until(
                    lambda: self.gateway.of(Joined) or self.over is not None
                )
                yield self
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                await self.gateway.close()

    async def _run(self, conversation: Conversation) -> None:
        try:
            await conversation.run()
        except BaseException as error:
            self.over = error
            await self.gateway._tell()
            if isinstance(error, asyncio.CancelledError):
                raise


class RealtimeTalk(Talk):
    """Conversation by Realtime with the counterpart."""

    def __init__(self, url: str, make_engine=realtime_engine, **changes) -> None:
        settings = ConversationSettings(
            session_id="session",
            room_url="ws://room",
            room_token="token",
            avatar_identity="avatar",
            mode="OPENAI_REALTIME",
            instructions="You are a test.",
            realtime=Endpoint(
                url, "gpt-realtime", "sk-test-key", "alloy", trusted=True
            ),
            turns="server_vad",
        )
        super().__init__(replace(settings, **changes), make_engine)


class FullTalk(Talk):
    """Conversation in FULL mode with the counterpart."""

    def __init__(self, url: str, **changes) -> None:
        settings = ConversationSettings(
            session_id="session",
            room_url="ws://room",
            room_token="token",
            avatar_identity="avatar",
            mode="FULL",
            instructions="You are a test.",
            stt=Endpoint(url, "whisper-1", "sk-test-stt", trusted=True),
            llm=Endpoint(url, "gpt-4.1", "sk-test-llm", trusted=True),
            tts=Endpoint(url, "tts-1", "sk-test-tts", "alloy", trusted=True),
        )
        super().__init__(replace(settings, **changes), pipeline_engine)
