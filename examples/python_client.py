"""One turn and a barge-in, with the client library of this repository.

python examples/python_client.py web/samples/long.wav 2.5   # interrupt after 2.5 s
"""

import asyncio
import os
import sys
import wave
from collections.abc import Iterator

from lite_gateway.client import AvatarSession, open_session

# These lines differ: the hosted service is https://api.liveavatar.com.
API = os.environ.get("LIVEAVATAR_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("LIVEAVATAR_API_KEY", "dev")
AVATAR = os.environ.get("LIVEAVATAR_AVATAR_ID", "mira")


def chunks(path: str) -> Iterator[bytes]:
    """Yield PCM (16 bit, mono, 24 kHz), as a text-to-speech service would."""
    with wave.open(path) as wav:
        while pcm := wav.readframes(2400):
            yield pcm


async def barge_in(avatar: AvatarSession, after_s: float) -> None:
    await avatar.event("agent.speak_started", timeout_s=10)
    await asyncio.sleep(after_s)
    await avatar.interrupt()


async def main(path: str, after_s: float) -> None:
    async with open_session(API, KEY, avatar=AVATAR) as avatar:
        print("join", avatar.livekit_url, "with", avatar.livekit_client_token)
        await avatar.speak(chunks(path), event_id="first")
        await barge_in(avatar, after_s)
        end = await avatar.event("agent.speak_ended", "agent.speak_interrupted")
        print(end["type"], "after", end.get("played_ms", "all of it"), "ms")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
