"""``speak``: say a WAV file through a gateway and watch the events."""

import argparse
import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from lite_gateway.client import AvatarSession, Event, open_session
from lite_gateway.client.pacing import send
from lite_gateway.offline.wav import read_wav
from protocol.lite.messages import EMOTIONS, SAMPLE_RATE

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

_OVER = ("agent.speak_ended", "agent.speak_interrupted", "session.stopped")


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    parser = commands.add_parser(
        "speak",
        help="say a WAV file through a gateway and print its events",
        description="One session, one turn; every event with its time since the "
        "first audio was sent.",
    )
    parser.add_argument("file", type=Path, help="a WAV file of any rate")
    parser.add_argument(
        "--pace",
        choices=("burst", "plugin", "1x"),
        default="burst",
        help="one-second messages at once, the same after 600 ms as LiveKit's "
        "plugin cuts them, or 20 ms messages in real time",
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the gateway")
    parser.add_argument("--key", default=env.get("LITE_API_KEY", "dev"), help="API key")
    parser.add_argument("--avatar", default="mira", help="which face speaks")
    parser.add_argument("--emotion", choices=EMOTIONS, help="on the face meanwhile")
    parser.add_argument(
        "--interrupt-after", type=float, metavar="S", help="cut the turn after so long"
    )
    parser.set_defaults(run=lambda given: asyncio.run(_speak(given)))


async def _speak(given: argparse.Namespace) -> int:
    pcm = read_wav(given.file)
    console = Console(highlight=False)
    seconds = len(pcm) / 2 / SAMPLE_RATE
    console.print(f"{given.file}: {seconds:.2f} s, pace {given.pace}")
    async with open_session(given.url, given.key, avatar=given.avatar) as avatar:
        console.print(f"session {avatar.session_id} in {avatar.livekit_url}")
        await avatar.event("session.state_updated")
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(send(avatar, pcm, given.pace, given.emotion), name="send")
            cut = group.create_task(_cut(avatar, given.interrupt_after), name="cut")
            async for event in avatar.events():
                _show(console, event, time.monotonic() - began_s)
                if event["type"] in _OVER:
                    break
            cut.cancel()
    return 0


async def _cut(avatar: AvatarSession, after_s: float | None) -> None:
    if after_s is not None:
        await asyncio.sleep(after_s)
        await avatar.interrupt()


def _show(console: Console, event: Event, at_s: float) -> None:
    shown = {k: v for k, v in event.items() if k not in ("type", "event_id", "task")}
    told = " ".join(f"{name}={value}" for name, value in shown.items() if value)
    console.print(
        f"{at_s * 1000:9.1f} ms  {event['type']:32} [dim]{told}[/]", soft_wrap=True
    )
