"""
Agent side of the stock avatar: a `DataStreamAudioOutput` that reads commands.

It reads one command a line from standard input: ``say FILE`` sends raw 16 bit speech in
frames of 200 ms, the default of a TTS in livekit-agents, as fast as they are accepted;
``interrupt`` clears the buffer; ``last_end`` asks for the last playback_finished. It
answers each line with the `time.monotonic` at which the first frame was sent, the
buffer was cleared, or the event arrived.

Usage: python stock_sender.py URL TOKEN AVATAR (until standard input ends)
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from livekit import rtc
from livekit.agents.voice.avatar import DataStreamAudioOutput

SAMPLE_RATE = 24_000
FRAME_BYTES = 2 * SAMPLE_RATE // 5


def frames(path: str) -> list[rtc.AudioFrame]:
    pcm = Path(path).read_bytes()
    chunks = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]
    return [rtc.AudioFrame(it, SAMPLE_RATE, 1, len(it) // 2) for it in chunks]


async def say(output: DataStreamAudioOutput, speech: list[rtc.AudioFrame]) -> float:
    sent_s = time.monotonic()
    for frame in speech:
        await output.capture_frame(frame)
    output.flush()
    return sent_s


async def main(url: str, token: str, avatar: str) -> None:
    room = rtc.Room()
    await room.connect(url, token)
    output = DataStreamAudioOutput(
        room, destination_identity=avatar, sample_rate=SAMPLE_RATE
    )
    finished_s = [0.0]
    output.on("playback_finished", lambda _: finished_s.append(time.monotonic()))
    print("joined", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        match line.split(maxsplit=1):
            case ["say", path]:
                at_s = await say(output, frames(path.strip()))
            case ["last_end"]:
                at_s = finished_s[-1]
            case ["interrupt"]:
                at_s = time.monotonic()
                output.clear_buffer()
            case _:
                raise ValueError(
                    f"expected say FILE, interrupt or last_end, not {line!r}"
                )
        print(at_s, flush=True)
    os._exit(0)  # the SDK may abort while the interpreter shuts down


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
