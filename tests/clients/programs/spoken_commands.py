"""
Real AgentSession with an avatar in a room, controlled by lines of standard input.

``say NAME`` speaks a recording and reports when say() has returned. ``ask WORDS`` lets
the language model answer. ``cut`` interrupts. ``pace burst|real`` sets the pace of the
voice. Events are printed as lines of JSON.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, utils
from livekit.agents.voice.io import PlaybackFinishedEvent
from livekit.agents.voice.room_io import RoomOptions
from scripted import RecordedVoice, ScriptedLLM

Avatar = Any  # the plugins share no type, only `start` and `wait_for_join`


def tell(event: str, **more: object) -> None:
    """Print an event with its time as one line of JSON."""
    line = {"event": event, "at": time.monotonic(), **more}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def follow(session: AgentSession) -> None:
    """Print the events of a session that tests check."""
    output = session.output.audio
    assert output is not None

    def finished(event: PlaybackFinishedEvent) -> None:
        tell(
            "playback_finished",
            position=event.playback_position,
            interrupted=event.interrupted,
            transcript=event.synchronized_transcript,
        )

    output.on("playback_started", lambda _: tell("playback_started"))
    output.on("playback_finished", finished)
    session.on(
        "agent_state_changed", lambda event: tell("agent", state=event.new_state)
    )
    session.on("user_state_changed", lambda event: tell("user", state=event.new_state))
    session.on("close", lambda event: tell("closed", reason=str(event.reason)))


class Commands:
    """Commands that a line of standard input can contain."""

    def __init__(
        self, session: AgentSession, voice: RecordedVoice, group: asyncio.TaskGroup
    ) -> None:
        self._session, self._voice, self._group = session, voice, group
        self._texts = {path.stem: text for text, path in voice.recordings.items()}

    async def run(self, line: str) -> None:
        match line.split(maxsplit=1):
            case ["say", name]:
                self._group.create_task(self._say(name))
            case ["ask", words]:
                self._group.create_task(self._ask(words))
            case ["cut"]:
                tell("cutting")
                await self._session.interrupt()
                tell("cut")
            case ["pace", pace]:
                self._voice.in_real_time = pace == "real"
            case _:
                raise ValueError(
                    f"unknown command {line!r}. Use say, ask, cut or pace."
                )

    async def _say(self, name: str) -> None:
        handle = await self._session.say(self._texts[name])
        tell("said", interrupted=handle.interrupted)

    async def _ask(self, words: str) -> None:
        handle = await self._session.generate_reply(user_input=words)
        texts = [(item.text_content or "").strip() for item in handle.chat_items]
        tell("answered", interrupted=handle.interrupted, texts=texts)


async def converse(
    avatar_of: Callable[[], Avatar], leave: Callable[[Avatar], Awaitable[None]], *,
    livekit_url: str, token: str, samples: str, joins_s: float,
) -> None:  # fmt: skip
    """Run a conversation until standard input ends, then exit the process."""
    folder = Path(samples)
    samples_json = json.loads((folder / "samples.json").read_text())
    recordings = {row["text"]: folder / row["file"] for row in samples_json}
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
        avatar = avatar_of()
        await avatar.start(session, room=room)
        await session.start(
            Agent(instructions="Say your lines."),
            room=room,
            room_options=RoomOptions(
                participant_identity="user", close_on_disconnect=False
            ),
        )
        await avatar.wait_for_join(timeout=joins_s)
        follow(session)
        tell("joined", room=room.name)
        async with asyncio.TaskGroup() as group:
            commands = Commands(session, voice, group)
            while line := await asyncio.to_thread(sys.stdin.readline):
                await commands.run(line.strip())
        await session.aclose()
        await leave(avatar)
        tell("left")
    await room.disconnect()
    os._exit(0)  # the SDK can abort the process while the interpreter shuts down
