"""
User in the room, who speaks WAV files into a microphone.

It prints a line of JSON when the microphone is heard. The command ``say FILE`` on
standard input prints another when the first sample is spoken, and one after the last.

Usage: python user.py LIVEKIT_URL TOKEN
"""

import asyncio
import json
import os
import sys
import time
import wave

from livekit import rtc

RATE = 24_000
STEP = RATE // 50
SETTLE_S = 0.5  # from when LiveKit tells of a subscription until audio arrives there


def tell(event: str) -> None:
    """Print an event with its time as one line of JSON."""
    sys.stdout.write(json.dumps({"event": event, "at": time.monotonic()}) + "\n")
    sys.stdout.flush()


async def speak(microphone: rtc.AudioSource, pcm: bytes) -> None:
    tell("speaking")
    for start in range(0, len(pcm) - 2 * STEP, 2 * STEP):
        step = rtc.AudioFrame(pcm[start : start + 2 * STEP], RATE, 1, STEP)
        await microphone.capture_frame(step)
    await microphone.wait_for_playout()
    tell("spoken")


async def main(url: str, token: str) -> None:
    room, microphone = rtc.Room(), rtc.AudioSource(RATE, 1, queue_size_ms=100)
    await room.connect(url, token)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", microphone)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    publication = await room.local_participant.publish_track(track, options)
    await publication.wait_for_subscription()  # what is said before is lost
    await asyncio.sleep(SETTLE_S)
    tell("heard")
    while line := await asyncio.to_thread(sys.stdin.readline):
        with wave.open(line.split(maxsplit=1)[1].strip()) as wav:
            await speak(microphone, wav.readframes(wav.getnframes()))
    await room.disconnect()
    os._exit(0)  # the SDK can abort the process while the interpreter shuts down


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
