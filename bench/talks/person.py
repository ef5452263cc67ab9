"""Person in the room of a conversation: speaks recordings, hears and commands."""

import asyncio
import contextlib
import json
import time
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
from livekit import rtc

from bench.probe.listening import HEARD_RATE, Recording

Pcm = npt.NDArray[np.int16]

RATE = 48_000
BLOCK = RATE // 100  # samples of 10 ms, which go to WebRTC without a queue
BLOCK_S = BLOCK / RATE
# Root mean square of a block of speech, of 32,768: some 40 dB below full scale.
LOUD = 330.0
PATIENCE_S = 30.0
SETTLE_S = 0.5  # from when LiveKit tells of a subscription until audio arrives there
SAMPLES = Path(__file__).parents[2] / "web" / "samples"


class NotHappened(TimeoutError):
    """An event that was waited for did not come."""


@dataclass(frozen=True, slots=True)
class Said:
    """First and last loud sample of what a person said, as `time.monotonic`."""

    first_s: float
    last_s: float


def sample(name: str, since_s: float = 0.0) -> Pcm:
    """Return a recording of web/samples from a time on, mono at 48 kHz."""
    with wave.open(str(SAMPLES / f"{name}.wav")) as file:
        rate = file.getframerate()
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    pcm = pcm.reshape(-1, file.getnchannels())[round(since_s * rate) :, 0]
    return np.asarray(soxr.resample(pcm, rate, RATE), np.int16)


class Person:
    """
    Participant whose microphone is always on.

    ``events`` are those of the data channel, each with ``at_s``, its arrival.
    """

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.events: list[dict[str, Any]] = []
        # Without a queue: a block is on its way when it is captured.
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=0)
        self._to_say: list[Pcm] = []
        self._captured: list[float] = []  # of the blocks of what is said
        self._silent = asyncio.Event()
        self._silent.set()
        self._changed = asyncio.Event()
        self._blocks: list[Pcm] = []
        self._block_at_s: list[float] = []
        self._hears = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.room.on("data_received", self._on_data)
        self.room.on("track_subscribed", self._on_track)

    @contextlib.asynccontextmanager
    async def visiting(self, session: dict[str, Any]) -> AsyncIterator["Person"]:
        """Be heard in the room of a session; stop the session at the end."""
        async with asyncio.TaskGroup() as self._group:
            url, token = session["livekit_url"], session["livekit_client_token"]
            await self.room.connect(url, token)
            track = rtc.LocalAudioTrack.create_audio_track("voice", self._source)
            options = rtc.TrackPublishOptions(
                source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False
            )
            publication = await self.room.local_participant.publish_track(
                track, options
            )
            self._start(self._talk())
            try:
                # What is said before is lost: see PROTOCOL.md.
                async with asyncio.timeout(PATIENCE_S):
                    await publication.wait_for_subscription()
                await asyncio.sleep(SETTLE_S)
                yield self
                await self.send("session.stop")
                await self.event("session.stopped", 0)
            finally:
                for task in self._tasks:
                    task.cancel()
                await self.room.disconnect()

    def _start(self, work: Any) -> None:
        assert self._group is not None
        self._tasks.append(self._group.create_task(work))

    # Voice.

    async def say(self, pcm: Pcm) -> Said:
        """Say something from now on; return when it was said."""
        await self._silent.wait()
        count = len(pcm) // BLOCK
        blocks = list(pcm[: count * BLOCK].reshape(count, BLOCK))
        loud = [place for place, block in enumerate(blocks) if _rms(block) > LOUD]
        self._captured.clear()
        self._silent.clear()
        self._to_say += blocks
        await self._silent.wait()
        # A block is there when its last sample was recorded.
        first_s = self._captured[loud[0]] - BLOCK_S
        return Said(first_s, self._captured[loud[-1]])

    async def _talk(self) -> None:
        """Capture a block each 10 ms: of what is to be said, else silence."""
        silence = np.zeros(BLOCK, np.int16)
        due_s = time.monotonic()
        while True:
            due_s += BLOCK_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            block, is_said = silence, bool(self._to_say)
            if is_said:
                block = self._to_say.pop(0)
                self._captured.append(time.monotonic())
            frame = rtc.AudioFrame(block.tobytes(), RATE, 1, BLOCK)
            await self._source.capture_frame(frame)
            if is_said and not self._to_say:
                self._silent.set()

    # Commands and events.

    async def send(self, kind: str, **fields: str) -> float:
        """Send a command; return when."""
        data = json.dumps({"event_type": kind, **fields})
        at_s = time.monotonic()
        await self.room.local_participant.publish_data(
            data, reliable=True, topic="agent-control"
        )
        return at_s

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic == "agent-response":
            at_s = time.monotonic()
            self.events.append({**json.loads(packet.data), "at_s": at_s})
            self._changed.set()

    async def event(self, kind: str, since: int) -> dict[str, Any]:
        """
        Return the first event of a kind from number ``since`` on.

        Raise `NotHappened` if it does not come.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    for event in self.events[since:]:
                        if event["event_type"] == kind:
                            return event
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            kinds = [event["event_type"] for event in self.events[since:]]
            raise NotHappened(f"no {kind} among {kinds}") from None

    # Ears.

    def _on_track(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._start(self._hear(track))

    async def _hear(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=HEARD_RATE, num_channels=1)
        async for event in stream:
            self._block_at_s.append(time.monotonic())
            self._blocks.append(np.frombuffer(event.frame.data, np.int16).copy())
            self._hears.set()

    async def hears(self) -> None:
        """Wait until the avatar's audio is there."""
        async with asyncio.timeout(PATIENCE_S):
            await self._hears.wait()

    def heard(self) -> Recording:
        """Return what the person has heard."""
        return Recording(
            frames=np.zeros((0, 4)),
            thumbnails=np.zeros((0, 0, 0), np.uint8),
            audio=np.concatenate([np.zeros(0, np.int16), *self._blocks]),
            audio_at_s=np.array(self._block_at_s),
            block_sizes=np.array([len(block) for block in self._blocks]),
            left_at_s=0.0,
        )


def _rms(block: Pcm) -> float:
    return float(np.sqrt(np.square(block.astype(float)).mean()))
