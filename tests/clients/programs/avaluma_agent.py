"""
LiveKit agent that starts its avatar with the calls that Avaluma's plugin documents.

The language model is scripted. The voice is recorded at 24 kHz, and the avatar gets
16 kHz. On standard input, ``say NAME`` speaks a recording and ``cut`` interrupts.

Usage: python avaluma_agent.py API_URL KEY LIVEKIT_URL TOKEN SAMPLES AVATAR_ID
"""

import asyncio
import itertools
import json
import logging
import os
import sys
import time
from pathlib import Path

import aiohttp
from livekit import api, rtc
from livekit.agents import Agent, AgentSession, utils
from livekit.agents.voice.avatar import DataStreamAudioOutput
from livekit.agents.voice.io import PlaybackFinishedEvent
from scripted import RecordedVoice, ScriptedLLM

RATE = 16_000


def tell(event: str, **more: object) -> None:
    """Print an event with its time as one line of JSON."""
    line = {"event": event, "at": time.monotonic(), **more}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class AvatarSession:
    """Avatar of a session: starts it, sends it audio, and tells it the states."""

    def __init__(self, url: str, key: str, avatar_id: str) -> None:
        self._url, self._key, self._avatar_id = url, key, avatar_id
        self._identity = f"avatar-{avatar_id}"

    async def start(self, session: AgentSession, room: rtc.Room, livekit: str) -> None:
        token = (
            api.AccessToken()
            .with_kind("agent")
            .with_identity(self._identity)
            .with_name(self._identity)
            .with_grants(api.VideoGrants(room_join=True, room=room.name))
            .with_attributes({"lk.publish_on_behalf": room.local_participant.identity})
            .to_jwt()
        )
        await self._start_avatar(livekit, token)
        session.output.audio = DataStreamAudioOutput(
            room,
            destination_identity=self._identity,
            sample_rate=RATE,
            wait_remote_track=rtc.TrackKind.KIND_VIDEO,
        )
        session.on("agent_state_changed", lambda now: self._report(room, "agent", now))
        session.on("user_state_changed", lambda now: self._report(room, "user", now))

    async def _start_avatar(self, livekit: str, token: str) -> None:
        started_s = time.monotonic()
        body = {
            "livekit_url": livekit,
            "livekit_token": token,
            "avaluma_key": self._key,
            "avaluma_avatar_id": self._avatar_id,
        }
        for _ in range(3):
            async with (
                aiohttp.ClientSession() as http,
                http.post(
                    f"{self._url}/v1/livekit/start-avatar",
                    headers={
                        "Content-Type": "application/json",
                        "api-secret": self._key,
                    },
                    json=body,
                ) as response,
            ):
                if response.ok:
                    content = await response.json()
                    took_s = time.monotonic() - started_s
                    tell("avatar", took=took_s, session_id=content.get("session_id"))
                    return
            await asyncio.sleep(2)
        raise RuntimeError("the avatar was not started")

    def _report(self, room: rtc.Room, who: str, now: object) -> None:
        asyncio.get_running_loop().create_task(
            self._call(room, f"{who}_state_changed", now.new_state)
        )

    async def _call(self, room: rtc.Room, method: str, state: str) -> None:
        try:
            answer = await room.local_participant.perform_rpc(
                destination_identity=self._identity, method=method, payload=state
            )
        except rtc.RpcError as error:
            answer = str(error)
        tell("state", method=method, state=state, answer=answer)


async def say(session: AgentSession, text: str) -> None:
    handle = await session.say(text)
    tell("said", interrupted=handle.interrupted)


async def main(
    api_url: str, key: str, livekit: str, token: str, samples: str, avatar_id: str
) -> None:
    folder = Path(samples)
    samples_json = json.loads((folder / "samples.json").read_text())
    recordings = {row["text"]: folder / row["file"] for row in samples_json}
    texts = {path.stem: text for text, path in recordings.items()}
    voice = RecordedVoice(recordings, in_real_time=False)
    room = rtc.Room()
    await room.connect(livekit, token)
    async with utils.http_context.open(), asyncio.TaskGroup() as group:
        session = AgentSession(
            llm=ScriptedLLM(itertools.cycle(recordings)),
            tts=voice,
            turn_handling={"interruption": {"resume_false_interruption": False}},
        )
        await AvatarSession(api_url, key, avatar_id).start(session, room, livekit)
        output = session.output.audio
        assert output is not None

        def finished(event: PlaybackFinishedEvent) -> None:
            position, cut = event.playback_position, event.interrupted
            tell("finished", position=position, interrupted=cut)

        await session.start(Agent(instructions="Say your lines."), room=room)
        session.output.audio.on("playback_finished", finished)
        tell("joined")
        while line := await asyncio.to_thread(sys.stdin.readline):
            match line.split():
                case ["say", name]:
                    group.create_task(say(session, texts[name]))
                case ["cut"]:
                    tell("cutting")
                    await session.interrupt()
        await session.aclose()
    await room.disconnect()
    os._exit(0)  # the SDK can abort the process while the interpreter shuts down


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    asyncio.run(main(*sys.argv[1:7]))
