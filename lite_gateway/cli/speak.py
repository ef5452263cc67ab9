"""Command ``speak``: play a WAV file through a gateway and print the events."""

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

# Events after which the turn cannot continue.
_TURN_ENDS = ("agent.speak_ended", "agent.speak_interrupted", "session.stopped")


def add_to(commands: "Commands", env: dict[str, str]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "speak",
        help="play a WAV file through a gateway and print the events",
        description="Open one session and send one turn. Each event is printed with "
        "its time since the first audio was sent.",
    )
    parser.add_argument("file", type=Path, help="WAV file of any sample rate")
    parser.add_argument(
        "--pace",
        choices=("burst", "plugin", "1x"),
        default="burst",
        help="burst: messages of one second without delay; plugin: the same after a "
        "first message of 600 ms, as LiveKit's plugin sends them; 1x: messages of "
        "20 ms in real time (default: burst)",
    )
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8080",
        help="URL of the gateway (default: http://127.0.0.1:8080)",
    )
    parser.add_argument(
        "--key",
        default=env.get("LITE_API_KEY", "dev"),
        help="API key (default: dev) [LITE_API_KEY]",
    )
    parser.add_argument(
        "--avatar", default="mira", help="avatar that speaks (default: mira)"
    )
    parser.add_argument(
        "--emotion", choices=EMOTIONS, help="expression of the face during the turn"
    )
    parser.add_argument(
        "--interrupt-after",
        type=float,
        metavar="S",
        help="interrupt the turn after this many seconds",
    )
    parser.set_defaults(run=lambda args: asyncio.run(_speak(args)))


async def _speak(args: argparse.Namespace) -> int:
    pcm = read_wav(args.file)
    console = Console(highlight=False)
    seconds = len(pcm) / 2 / SAMPLE_RATE
    console.print(f"{args.file}: {seconds:.2f} s, pace {args.pace}")
    async with open_session(args.url, args.key, avatar=args.avatar) as avatar:
        console.print(f"session {avatar.session_id} in {avatar.livekit_url}")
        await avatar.event("session.state_updated")
        started_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(send(avatar, pcm, args.pace, args.emotion), name="send")
            interrupt = group.create_task(
                _interrupt(avatar, args.interrupt_after), name="interrupt"
            )
            async for event in avatar.events():
                _show(console, event, time.monotonic() - started_s)
                if event["type"] in _TURN_ENDS:
                    break
            interrupt.cancel()
    return 0


async def _interrupt(avatar: AvatarSession, after_s: float | None) -> None:
    if after_s is not None:
        await asyncio.sleep(after_s)
        await avatar.interrupt()


def _show(console: Console, event: Event, at_s: float) -> None:
    details = " ".join(
        f"{name}={value}"
        for name, value in event.items()
        if value and name not in ("type", "event_id", "task")
    )
    console.print(
        f"{at_s * 1000:9.1f} ms  {event['type']:32} [dim]{details}[/]", soft_wrap=True
    )
