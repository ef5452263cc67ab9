"""
LiveKit agent whose avatar comes from the plugin of this repository.

`spoken_commands.py` lists its commands. The paths are for `local`: there, Python finds
this repository and its dependencies.

The variable ``BACKGROUND`` is the avatar's background.

Usage: python plugin_agent.py http|local|AGENT_NAME LIVEKIT_URL TOKEN SAMPLES [PATH...]
"""

import asyncio
import logging
import os
import sys

from livekit.plugins import lite_avatar
from spoken_commands import converse

Avatar = lite_avatar.AvatarSession | lite_avatar.LocalAvatarSession
SIZE = "320x240"


def avatar_of(mode: str) -> Avatar:
    background = os.environ.get("BACKGROUND", "")
    if mode == "local":
        return lite_avatar.LocalAvatarSession(
            avatar_id="fiducial", quality=SIZE, background=background, device="cpu"
        )
    return lite_avatar.AvatarSession(
        avatar_id="fiducial",
        quality=SIZE,
        background=background,
        agent_name=None if mode == "http" else mode,
    )


async def main(mode: str, livekit_url: str, token: str, samples: str) -> None:
    async def leave(avatar: Avatar) -> None:
        await avatar.aclose()

    await converse(
        lambda: avatar_of(mode), leave,
        livekit_url=livekit_url, token=token, samples=samples, joins_s=60,
    )  # fmt: skip


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    sys.path.extend(sys.argv[5:])
    asyncio.run(main(*sys.argv[1:5]))
