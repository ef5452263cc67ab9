"""
A LiveKit agent whose avatar is that of our own plugin; told and telling as
`livekit_agent.py` is.

Usage: python plugin_agent.py http|local|AGENT_NAME LIVEKIT_URL TOKEN SAMPLES [PATH...]
The paths are where Python finds this repository and what it needs, for `local`.
"""

import asyncio
import itertools
import json
import logging
import os
import sys
from pathlib import Path

from livekit import rtc
from livekit.agents import Agent, AgentSession, utils
from livekit.agents.voice.room_io import RoomOptions
from livekit.plugins import lite_avatar
from livekit_agent import Told, follow, tell
from scripted import RecordedVoice, ScriptedLLM

SIZE = "320x240"


def avatar_of(mode: str) -> lite_avatar.AvatarSession | lite_avatar.LocalAvatarSession:
    if mode == "local":
        return lite_avatar.LocalAvatarSession(
            avatar_id="fiducial", quality=SIZE, device="cpu"
        )
    return lite_avatar.AvatarSession(
        avatar_id="fiducial",
        quality=SIZE,
        agent_name=None if mode == "http" else mode,
    )


async def main(mode: str, livekit_url: str, token: str, samples: str) -> None:
    folder = Path(samples)
    listed = json.loads((folder / "samples.json").read_text())
    recordings = {each["text"]: folder / each["file"] for each in listed}
    voice = RecordedVoice(recordings, in_real_time=False)
    room = rtc.Room()
    await room.connect(livekit_url, token)
    async with utils.http_context.open():
        session = AgentSession(
            llm=ScriptedLLM(itertools.cycle(recordings)),
            tts=voice,
            turn_handling={
                "turn_detection": "vad",
                "interruption": {"mode": "vad", "resume_false_interruption": False},
            },
            aec_warmup_duration=None,
        )
        avatar = avatar_of(mode)
        await avatar.start(session, room=room)
        await session.start(
            Agent(instructions="Say your lines."),
            room=room,
            room_options=RoomOptions(
                participant_identity="user", close_on_disconnect=False
            ),
        )
        await avatar.wait_for_join(timeout=20)
        follow(session)
        tell("joined", room=room.name)
        async with asyncio.TaskGroup() as group:
            told = Told(session, voice, group)
            while line := await asyncio.to_thread(sys.stdin.readline):
                await told.do(line.strip())
        await session.aclose()
        await avatar.aclose()
        tell("left")
    await room.disconnect()
    os._exit(0)  # the SDK may abort while Python tears itself down


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    sys.path.extend(sys.argv[5:])
    asyncio.run(main(*sys.argv[1:5]))
