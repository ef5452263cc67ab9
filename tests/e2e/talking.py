"""Conversations as clients see them: REST, data channel, and the avatar's sound."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from livekit import rtc

from bench.probe.stack import START_TIMEOUT_S, Gateway, running_gateway
from lite_gateway.devserver.process import LiveKit
from tests.e2e.calls import LEAN, with_key
from tests.openai_counterpart import voice
from tests.openai_counterpart.process import RunningCounterpart
from tests.waiting import PATIENCE_S, until, until_async

RATE = 48_000
LOUD = 600  # of 32,768: above the noise of a codec, below any word
SMALL = {"avatar_id": "fiducial", "video_settings": {"quality": "256x256"}}
_numbers = itertools.count(1)


@contextlib.contextmanager
def talking_gateway(
    livekit: LiveKit, log_path: Path, counterpart: RunningCounterpart, **more: Any
) -> Iterator[Gateway]:
    """Run a gateway whose agent process is ready and whose services are the double."""
    services = {
        "LITE_REALTIME_URL": counterpart.url,
        "LITE_REALTIME_TURNS": "server_vad",
        "LITE_STT_URL": counterpart.url,
        "LITE_STT_KEY": "sk-operator-of-recognition",
        "LITE_TTS_URL": counterpart.url,
        "LITE_TTS_KEY": "sk-operator-of-voices",
        "LITE_LLM_URL": counterpart.url,
        "LITE_LLM_KEY": "sk-operator-of-language",
        "LITE_LLM_MODEL": "large",
    }
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, log_path),
        LITE_CONVERSATIONS="auto",
        LITE_TRACE=str(log_path.with_name("trace")),
        **{**services, **LEAN, **more},
    ) as running:
        wait_ready(running)
        yield running


def conversations(gateway: Gateway) -> str:
    """Return what /ready says of conversations."""
    return gateway.get("/ready").json()["conversations"]


def wait_ready(gateway: Gateway) -> None:
    """Wait until conversations can start: the agent process imports for seconds."""
    # An answer takes 5 ms of the processor that the agent process waits for.
    until(lambda: conversations(gateway) == "ready", START_TIMEOUT_S, every_s=0.25)


def secret(gateway: Gateway, value: str, kind: str = "OPENAI_API_KEY") -> str:
    """Store a secret and return its id."""
    body = {"secret_name": "key", "secret_type": kind, "secret_value": value}
    return with_key(gateway).data("POST", "/v1/secrets", body)["id"]


def context(gateway: Gateway, prompt: str = "Be kind.", opening: str = "") -> str:
    """Store a context and return its id."""
    body = {
        "name": f"context {next(_numbers)}",
        "prompt": prompt,
        "opening_text": opening,
    }
    return with_key(gateway).data("POST", "/v1/contexts", body)["id"]


def language_model(gateway: Gateway, base_url: str, key: str = "sk-own-model") -> str:
    """Store an LLM configuration and return its id."""
    body = {
        "display_name": "own",
        "model_name": "large",
        "base_url": base_url,
        "secret_id": secret(gateway, key, "LLM_API_KEY"),
    }
    return with_key(gateway).data("POST", "/v1/llm-configurations", body)["id"]


def realtime(gateway: Gateway, key: str = "sk-e2e-of-realtime", **fields: Any) -> dict:
    """Return the fields of a session whose avatar speaks by Realtime."""
    opening = fields.pop("opening", "")
    config = {
        "secret_id": secret(gateway, key),
        "context_id": context(gateway, opening=opening),
    }
    return {"mode": "LITE", "openai_realtime_config": {**config, **fields}}


def mint(gateway: Gateway, **fields: Any) -> httpx.Response:
    """Create a session's token."""
    return with_key(gateway)("POST", "/v1/sessions/token", {**SMALL, **fields})


def start(gateway: Gateway, **fields: Any) -> httpx.Response:
    """Create a session, which must succeed, and start it."""
    response = mint(gateway, **fields)
    assert response.is_success, response.text
    token = response.json()["data"]["session_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return gateway.post("/v1/sessions/start", headers=headers)


def started(gateway: Gateway, **fields: Any) -> dict:
    """Start a session, which must succeed, and return its data."""
    response = start(gateway, **fields)
    assert response.is_success, response.text
    return response.json()["data"]


@contextlib.contextmanager
def running_session(gateway: Gateway, **fields: Any) -> Iterator[dict]:
    """Start a session, and stop it at the end of the block."""
    session = started(gateway, **fields)
    try:
        yield session
    finally:
        body = {"session_id": session["session_id"]}
        with_key(gateway)("POST", "/v1/sessions/stop", body)


class Person:
    """Client in the room: commands, speaks, hears, and keeps events and sound."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.events: list[dict] = []
        self.left: list[float] = []
        self.sound: list[tuple[float, np.ndarray]] = []  # arrival in s, samples
        self.microphone: rtc.LocalAudioTrack | None = None
        self._source = rtc.AudioSource(RATE, 1)
        self.room.on("data_received", self._on_data)
        self.room.on("track_subscribed", self._on_track)
        self.room.on("disconnected", lambda _: self.left.append(time.monotonic()))
        self._hearing: list[asyncio.Task] = []

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic == "agent-response":
            self.events.append({**json.loads(packet.data), "at_s": time.monotonic()})

    def _on_track(self, track: rtc.Track, *_: Any) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._hearing.append(self.group.create_task(self._hear(track)))

    async def _hear(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=voice.RATE, num_channels=1)
        async for event in stream:
            pcm = np.frombuffer(event.frame.data, np.int16).copy()
            self.sound.append((time.monotonic(), pcm))

    @contextlib.asynccontextmanager
    async def visiting(
        self, session: dict, *, microphone: bool = False, token: str = ""
    ) -> AsyncIterator["Person"]:
        """Be in the room of a session, as its client or with a token of one's own."""
        async with asyncio.TaskGroup() as self.group:
            token = token or session["livekit_client_token"]
            await self.room.connect(session["livekit_url"], token)
            if microphone:
                await self.publish()
            # What the avatar says before its sound arrives here is not recorded.
            await until_async(lambda: self.sound or self.left or self.events)
            try:
                yield self
            finally:
                for task in self._hearing:
                    task.cancel()
                await self.room.disconnect()

    async def publish(self) -> None:
        """
        Publish the microphone, and wait until the agent has subscribed to it.

        What is said before is lost. LiveKit tells of it up to half a second before the
        first audio arrives there, and so a second of silence is sent first.
        """
        create = rtc.LocalAudioTrack.create_audio_track
        self.microphone = create("voice", self._source)
        options = rtc.TrackPublishOptions(
            source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False
        )
        publication = await self.room.local_participant.publish_track(
            self.microphone, options
        )
        async with asyncio.timeout(PATIENCE_S):
            await publication.wait_for_subscription()
        await self.play(np.zeros(0, np.int16))

    async def say(self, text: str) -> None:
        """Say a text into the microphone, and nothing for a second after it."""
        await self.play(voice.spoken(text))

    async def play(self, pcm: np.ndarray) -> None:
        """Play samples at 24 kHz as `say` does."""
        pcm = np.repeat(pcm, RATE // voice.RATE)
        pcm = np.concatenate([pcm, np.zeros(RATE, np.int16)])
        step = RATE // 50
        for at in range(0, len(pcm) - step, step):
            frame = rtc.AudioFrame(pcm[at : at + step].tobytes(), RATE, 1, step)
            await self._source.capture_frame(frame)

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a command."""
        await self.send_packet(json.dumps({"event_type": kind, **fields}))

    async def send_packet(self, packet: str | bytes) -> None:
        """Send a data packet on the topic of commands."""
        await self.room.local_participant.publish_data(
            packet, reliable=True, topic="agent-control"
        )

    @property
    def kinds(self) -> list[str]:
        """Types of the events so far."""
        return [event["event_type"] for event in self.events]

    def all(self, kind: str) -> list[dict]:
        """Return the events of a type so far."""
        return [event for event in self.events if event["event_type"] == kind]

    def texts(self, kind: str) -> list[str]:
        """Return the texts of the events of a type so far."""
        return [event.get("text", "") for event in self.all(kind)]

    def sources(self, kind: str) -> list[str | None]:
        """Return which commands have caused the events of a type so far."""
        return [event["source_event_id"] for event in self.all(kind)]

    async def event(self, kind: str, number: int = 1) -> dict:
        """Wait for the event of a type with this number, from 1."""
        await until_async(lambda: len(self.all(kind)) >= number)
        return self.all(kind)[number - 1]

    async def answer(self, event_id: str) -> dict:
        """Wait for the first event that a command has caused."""
        found = lambda: [  # noqa: E731
            event for event in self.events if event["source_event_id"] == event_id
        ]
        return (await until_async(found))[0]

    @property
    def recording(self) -> np.ndarray:
        """All sound so far, at 24 kHz."""
        return np.concatenate([np.zeros(0, np.int16), *(pcm for _, pcm in self.sound)])

    def loud(self) -> list[float]:
        """Return when each loud piece of sound has arrived."""
        return [at_s for at_s, pcm in self.sound if np.abs(pcm).max(initial=0) > LOUD]


def descendants(pid: int, module: str) -> list[int]:
    """Return the processes below one that run a module, parents before children."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop(0)
        for child in _children(parent):
            waiting.append(child)
            with contextlib.suppress(OSError):
                if module in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
                    found.append(child)
    return found


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if f"\nPPid:\t{pid}\n" in status.read_text():
                found.append(int(status.parent.name))
    return sorted(found)


def is_running(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status


def secrets_found(gateway: Gateway, session: dict, *keys: str) -> list[str]:
    """Return where others may read keys or a session's tokens, and which of them."""
    tokens = [session[name] for name in session if name.endswith("_token")]
    secrets = [*keys, *tokens, "sk-operator-of-"]
    spellings = {each for key in secrets for each in (key, json.dumps(key)[1:-1])}
    return [
        f"{name}: {each}"
        for name, text in _texts(gateway).items()
        for each in spellings
        if each.encode() in text
    ]


def _texts(gateway: Gateway) -> dict[str, bytes]:
    """Return what others may read: files, metrics, and the list of processes."""
    folder = gateway.log_path.parent
    files = [path for path in folder.iterdir() if path.is_file()]
    assert {"log", "log.db", "trace"} <= {path.name for path in files}
    found = {path.name: path.read_bytes() for path in files}
    found["/metrics"] = gateway.get("/metrics").content
    found["/ready"] = gateway.get("/ready").content
    found["/v1/sessions"] = with_key(gateway)("GET", "/v1/sessions?type=ended").content
    children = descendants(gateway.pid, "conversation.agent")
    assert children
    for pid in children:
        for name in ("cmdline", "environ"):
            found[f"{pid} {name}"] = Path(f"/proc/{pid}/{name}").read_bytes()
    return found
