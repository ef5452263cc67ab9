"""Command ``speak``: play a WAV file through a gateway and print the events."""

import argparse
import asyncio
import time

from rich.console import Console

from lite_gateway.client import AvatarSession, Event, open_session
from lite_gateway.client.pacing import send
from lite_gateway.offline.wav import read_wav
from protocol.lite.messages import SAMPLE_RATE

# Events after which the turn cannot continue.
_TURN_ENDS = ("agent.speak_ended", "agent.speak_interrupted", "session.stopped")


def speak(args: argparse.Namespace) -> int:
    """Speak the file and return the exit status."""
    return asyncio.run(_speak(args))


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
