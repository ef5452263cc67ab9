"""Command ``speak``: play a sound file through a gateway and print the events."""

import argparse
import asyncio
import contextlib
import time

from rich.console import Console
from rich.markup import escape

from lite_gateway.client import (
    AvatarSession,
    Disconnected,
    Event,
    ServerRefused,
    open_session,
)
from lite_gateway.client.pacing import send
from lite_gateway.foreign.text import foreign_text
from lite_gateway.offline.wav import read_wav
from protocol.lite.messages import SAMPLE_RATE

_MAX_DETAILS = 1000  # characters of an event that are printed
# Events after which the turn cannot continue.
_TURN_ENDS = ("agent.speak_ended", "agent.speak_interrupted", "session.stopped")


def speak(args: argparse.Namespace) -> int:
    """Speak the file and return the exit status."""
    return asyncio.run(_speak(args, read_wav(args.file)))


async def _speak(args: argparse.Namespace, pcm: bytes) -> int:
    console = Console(highlight=False)
    seconds = len(pcm) / 2 / SAMPLE_RATE
    console.print(f"{args.file}: {seconds:.2f} s, pace {args.pace}")
    async with open_session(args.url, args.key, avatar=args.avatar) as avatar:
        console.print(f"session {avatar.session_id} in {avatar.livekit_url}")
        try:
            async with asyncio.timeout(seconds + args.timeout):
                end = await _play(args, avatar, pcm, console)
        except TimeoutError:
            raise ServerRefused(
                f"the gateway has not ended the speech of {seconds:.2f} s within "
                f"{args.timeout:g} s after its length. Its log may say why."
            ) from None
    return 1 if end == "session.stopped" else 0


async def _play(
    args: argparse.Namespace, avatar: AvatarSession, pcm: bytes, console: Console
) -> str:
    """Send the turn and print events; return the type of the one that ends it."""
    await avatar.event("session.state_updated")
    started_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        sending = [
            group.create_task(_send(avatar, pcm, args), name="send"),
            group.create_task(_interrupt(avatar, args), name="interrupt"),
        ]
        end = ""
        async for event in avatar.events():
            _show(console, event, time.monotonic() - started_s)
            if event["type"] in _TURN_ENDS:
                end = event["type"]
                break
        for task in sending:
            task.cancel()
    if not end:
        problem = f"the connection ended before the speech: {avatar.close_reason}"
        raise Disconnected(problem)
    return end


# The events end with the connection too, so that its loss is reported once.


async def _send(avatar: AvatarSession, pcm: bytes, args: argparse.Namespace) -> None:
    with contextlib.suppress(Disconnected):
        await send(avatar, pcm, args.pace, args.emotion)


async def _interrupt(avatar: AvatarSession, args: argparse.Namespace) -> None:
    if args.interrupt_after is not None:
        await asyncio.sleep(args.interrupt_after)
        with contextlib.suppress(Disconnected):
            await avatar.interrupt()


def _show(console: Console, event: Event, at_s: float) -> None:
    details = " ".join(
        f"{name}={value}"
        for name, value in event.items()
        if value and name not in ("type", "event_id", "task")
    )
    console.print(
        f"{at_s * 1000:9.1f} ms  {escape(foreign_text(event['type'])):32} "
        f"[dim]{escape(foreign_text(details, limit=_MAX_DETAILS))}[/]",
        soft_wrap=True,
    )
