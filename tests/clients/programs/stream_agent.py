"""
An agent's side of LiveKit's avatar data stream: the stock `DataStreamAudioOutput`.

Told by line what to do, and tells in JSON lines what it is told.  ``say FILE`` sends
s16le speech of RATE in frames of 200 ms as fast as they are taken, ``pace FILE`` in
frames of 20 ms at the pace of speech, ``open FILE`` as `say` but without its end;
``end`` ends it; ``cut`` clears the buffer; ``brief FILE`` sends 20 ms and clears at
once; ``user STATE`` and ``agent STATE`` tell the avatar what they do; ``die`` drops
dead.  A segment's first frame is told with the time when it was given.
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
    told = {"event": event, "at": time.monotonic(), **more}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def frames(path: str, rate: int, each_s: float) -> list[rtc.AudioFrame]:
    pcm, size = Path(path).read_bytes(), 2 * round(rate * each_s)
    pieces = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    return [rtc.AudioFrame(piece, rate, 1, len(piece) // 2) for piece in pieces]


class Agent:
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

    def _finished(self, over: PlaybackFinishedEvent) -> None:
        tell("finished", position=over.playback_position, interrupted=over.interrupted)

    async def do(self, line: str) -> None:
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
        begun_s, sent_s = time.monotonic(), 0.0
        for frame in speech:
            if paced:
                await asyncio.sleep(begun_s + sent_s - time.monotonic())
            await self._output.capture_frame(frame)
            if not sent_s:
                tell("taken", given=begun_s)
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
        await agent.do(line.strip())
    await room.disconnect()
    os._exit(0)  # the SDK may abort while Python tears itself down


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    asyncio.run(main(*sys.argv[1:6]))
