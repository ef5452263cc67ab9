"""
Agent that speaks through an avatar with the stock `DataStreamAudioOutput` of LiveKit.

Commands on standard input:

* ``say FILE`` sends s16le speech of RATE in frames of 200 ms, as fast as possible
* ``pace FILE`` sends it in frames of 20 ms in real time
* ``open FILE`` sends it as ``say`` does, without its end; ``end`` ends the segment
* ``cut`` clears the buffer; ``brief FILE`` sends 20 ms and clears the buffer at once
* ``user STATE`` and ``agent STATE`` tell the avatar a state
* ``die`` exits without leaving the room

Events are printed as lines of JSON. ``taken`` has the time when the first frame of a
segment was given to the output.

Usage: python stream_agent.py URL TOKEN AVATAR RATE started|unstarted
"""

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path

from livekit import rtc
from livekit.agents.voice.avatar import DataStreamAudioOutput
from livekit.agents.voice.io import PlaybackFinishedEvent


def tell(event: str, **more: object) -> None:
    """Print an event with its time as one line of JSON."""
    line = {"event": event, "at": time.monotonic(), **more}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def frames(path: str, rate: int, frame_s: float) -> list[rtc.AudioFrame]:
    pcm, size = Path(path).read_bytes(), 2 * round(rate * frame_s)
    chunks = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    return [rtc.AudioFrame(chunk, rate, 1, len(chunk) // 2) for chunk in chunks]


class Agent:
    """Agent in the room and its output."""

    def __init__(self, room: rtc.Room, avatar: str, rate: int, started: str) -> None:
        self._room, self._avatar, self._rate = room, avatar, rate
        self._output = DataStreamAudioOutput(
            room,
            destination_identity=avatar,
            sample_rate=rate,
            wait_remote_track=rtc.TrackKind.KIND_VIDEO,
            wait_playback_start=started == "started",
        )
        self._output.on("playback_started", lambda _: tell("started"))
        self._output.on("playback_finished", self._finished)

    def _finished(self, event: PlaybackFinishedEvent) -> None:
        position, interrupted = event.playback_position, event.interrupted
        tell("finished", position=position, interrupted=interrupted)

    async def run(self, line: str) -> None:
        match line.split(maxsplit=1):
            case ["say", path]:
                await self._send(frames(path, self._rate, 0.2))
                self._output.flush()
            case ["open", path]:
                await self._send(frames(path, self._rate, 0.2))
            case ["end"]:
                self._output.flush()
            case ["pace", path]:
                await self._send(frames(path, self._rate, 0.02), paced=True)
                self._output.flush()
            case ["brief", path]:
                await self._send(frames(path, self._rate, 0.02)[:1])
                self._cut()
                self._output.flush()
            case ["cut"]:
                self._cut()
            case ["user" | "agent" as who, state]:
                await self._tell_state(who, state)
            case ["die"]:
                os._exit(1)
            case _:
                raise ValueError(line)

    async def _send(self, speech: list[rtc.AudioFrame], *, paced: bool = False) -> None:
        started_s, sent_s = time.monotonic(), 0.0
        for frame in speech:
            if paced:
                await asyncio.sleep(started_s + sent_s - time.monotonic())
            await self._output.capture_frame(frame)
            if not sent_s:
                tell("taken", given=started_s)
            sent_s += frame.duration

    def _cut(self) -> None:
        tell("cutting")
        self._output.clear_buffer()

    async def _tell_state(self, who: str, state: str) -> None:
        answer = await self._room.local_participant.perform_rpc(
            destination_identity=self._avatar,
            method=f"{who}_state_changed",
            payload=state,
        )
        tell("answered", answer=answer)


async def main(url: str, token: str, avatar: str, rate: str, started: str) -> None:
    room = rtc.Room()
    await room.connect(url, token)
    agent = Agent(room, avatar, int(rate), started)
    tell("joined")
    while line := await asyncio.to_thread(sys.stdin.readline):
        await agent.run(line.strip())
    await room.disconnect()
    os._exit(0)  # the SDK can abort the process while the interpreter shuts down


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    asyncio.run(main(*sys.argv[1:6]))
