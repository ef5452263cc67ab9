"""``speak``: say a WAV file through a gateway and watch the events."""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from lite_gateway.client import AvatarSession, Event, open_session
from lite_gateway.sound import read_wav
from protocol.messages import EMOTIONS, SAMPLE_RATE

if TYPE_CHECKING:
    from lite_gateway.cli import Commands

BURST_S = 1.0  # of sound in a message; the spec recommends about a second
PACED_S = 0.020
_FIRST = 2 * SAMPLE_RATE * 6 // 10  # LiveKit's plugin begins with 600 ms
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


async def send(
    avatar: AvatarSession, pcm: bytes, pace: str, emotion: str | None = None
) -> None:
    """One turn: in bursts, in bursts as LiveKit's plugin cuts them, or in real time."""
    await avatar.speak(paced(pcm, pace), emotion=emotion)


async def paced(pcm: bytes, pace: str) -> AsyncIterator[bytes]:
    """The messages of a turn, each when it is time to send it."""
    if pace == "plugin":
        yield pcm[:_FIRST]
        pcm = pcm[_FIRST:]
    piece_s = PACED_S if pace == "1x" else BURST_S
    size = 2 * round(piece_s * SAMPLE_RATE)
    began_s = time.monotonic()
    for count, start in enumerate(range(0, len(pcm), size)):
        if pace == "1x":
            await asyncio.sleep(began_s + count * piece_s - time.monotonic())
        yield pcm[start : start + size]


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
