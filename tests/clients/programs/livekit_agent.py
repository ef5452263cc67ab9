"""
LiveKit agent whose avatar is the stock `livekit-plugins-liveavatar`.

It has no job and no worker, only a room. The language model is scripted and the voice
recorded. `spoken_commands.py` lists its commands.

Usage: python livekit_agent.py API_URL API_KEY LIVEKIT_URL TOKEN SAMPLES
"""

import asyncio
import logging
import sys

from livekit.plugins import liveavatar
from spoken_commands import converse


async def main(
    api_url: str, key: str, livekit_url: str, token: str, samples: str
) -> None:
    def avatar() -> liveavatar.AvatarSession:
        return liveavatar.AvatarSession(
            api_url=api_url, api_key=key, avatar_id="fiducial", video_quality="low"
        )

    async def leave(_: liveavatar.AvatarSession) -> None:
        await asyncio.sleep(1.0)  # the plugin stops its session meanwhile

    await converse(
        avatar, leave, livekit_url=livekit_url, token=token, samples=samples, joins_s=60
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    asyncio.run(main(*sys.argv[1:6]))
