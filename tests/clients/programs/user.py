"""
A person in the room: joins, and speaks a WAV file into a microphone when told.

``say FILE`` is answered with a JSON line when its first and its last sample was spoken.
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


def tell(event: str) -> None:
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
    await room.local_participant.publish_track(track, options)
    tell("joined")
    while line := await asyncio.to_thread(sys.stdin.readline):
        with wave.open(line.split(maxsplit=1)[1].strip()) as sound:
            await speak(microphone, sound.readframes(sound.getnframes()))
    await room.disconnect()
    os._exit(0)  # the SDK may abort while Python tears itself down


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
