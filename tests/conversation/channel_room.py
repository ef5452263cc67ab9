"""Avatar in a real room with a data channel, and an agent that only echoes."""

import asyncio
import contextlib
import json
import time
import weakref
from fractions import Fraction

from livekit import api, rtc

from lite_gateway.conversation.data_channel import DataChannel
from lite_gateway.metrics import Metrics
from lite_gateway.rooms.livekit_room import LiveKitRoom
from lite_gateway.rooms.sdk import CallOwner, SdkCalls
from lite_gateway.threads import Workers
from lite_gateway.video_quality import parse_quality
from protocol.full.effects import CutSpeech, SendEvent, StopSession, TellAgent
from protocol.full.machine import ChannelMachine
from protocol.link.messages import Happened
from protocol.lite.messages import EndReason
from tests.waiting import PATIENCE_S

AGENT = "liveavatar-agent-s1"


class SpeakingGateway:
    """Gateway and agent in one: each text is a turn that starts, and waits."""

    def __init__(self, *, push_to_talk: bool) -> None:
        self.machine = ChannelMachine(push_to_talk=push_to_talk)
        self.metrics = Metrics()
        self.stopped = asyncio.Event()
        self.channel = DataChannel(
            *("s1", self, self.metrics), agent_identity=AGENT, now=time.monotonic
        )
        self.room: weakref.ref[rtc.Room]
        self._turn = 0

    # Room.

    def on_joined(self, room: rtc.Room) -> None:
        self.channel.listen(room)
        self.room = weakref.ref(room)

    def on_users(self, count: int) -> None: ...

    def on_lost(self, reason: str) -> None: ...

    # Channel.

    def take_command(self, command) -> None:
        self._perform(self.machine.receive(command))

    def refuse_packet(self, error) -> None:
        self._perform(self.machine.refuse(error))

    def _perform(self, effects) -> None:
        for effect in effects:
            match effect:
                case SendEvent(event):
                    self.channel.send(event)
                case CutSpeech():
                    self._perform(self.machine.finished(self._turn))
                case TellAgent("speak_text" | "speak_response", text, key):
                    self._speak(text, key)
                case TellAgent("push_to_talk_stop", "", key):
                    words = Happened(1, "user.transcription", "Yes.")
                    self._perform(self.machine.happened(words))
                case StopSession():
                    self.stopped.set()

    def _speak(self, text: str, key: str | None) -> None:
        self._turn += 1
        self.machine.opened(self._turn, key)
        words = Happened(
            *(1, "avatar.transcription", text),
            turn=self._turn,
            source_event_id=key,
        )
        self._perform(self.machine.happened(words))
        self._perform(self.machine.started(self._turn))

    def end(self, reason: EndReason, text: str) -> None:
        self._perform(self.machine.stopped(reason, text))


class Client:
    """Participant that speaks the data channel as the official SDK does."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.events: asyncio.Queue[dict] = asyncio.Queue()
        self.room.on("data_received", self._on_data)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic == "agent-response":
            self.events.put_nowait(json.loads(packet.data))

    async def send(self, event_type: str, **fields: object) -> None:
        await self.send_bytes(json.dumps({"event_type": event_type, **fields}))

    async def send_bytes(self, data: str | bytes) -> None:
        await self.room.local_participant.publish_data(
            data, reliable=True, topic="agent-control"
        )

    async def event(self) -> dict:
        """Return the next event."""
        return await asyncio.wait_for(self.events.get(), PATIENCE_S)

    async def kinds(self, count: int) -> list[str]:
        return [(await self.event())["event_type"] for _ in range(count)]


def room_token(livekit, identity: str, room: str) -> str:
    signed = api.AccessToken(livekit.key, livekit.secret).with_identity(identity)
    return signed.with_grants(api.VideoGrants(room_join=True, room=room)).to_jwt()


@contextlib.asynccontextmanager
async def joined(livekit, identity: str, room: str):
    """Let a client join a room, and leave it at the end."""
    client = Client()
    await client.room.connect(livekit.url, room_token(livekit, identity, room))
    try:
        yield client
    finally:
        await client.room.disconnect()


@contextlib.asynccontextmanager
async def avatar_in(livekit, room: str, gateway: SpeakingGateway):
    """Let the avatar join a room as the gateway does, with its channel running."""
    calls = SdkCalls()
    own = LiveKitRoom(
        parse_quality("256x256"),
        fps=Fraction(25),
        codec="H264",
        capture=Workers(1, "capture"),
        metrics=gateway.metrics,
        calls=calls,
        owner=CallOwner("key", "s1"),
    )
    try:
        await own.open(livekit.url, room_token(livekit, "heygen", room), gateway)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(gateway.channel.run())
            yield
            running.cancel()
        await gateway.channel.aclose()
    finally:
        await own.close()
        await calls.wait(PATIENCE_S)
