"""
This server by data stream: the stock sender of livekit-agents speaks to its avatar.

Sender and environment are those of the stock runner.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console

from bench.environment import cached
from bench.peers.stock_runner import REQUIREMENTS, SENDER, Sender, agent_token, joined
from bench.peers.workload import System
from bench.probe.listening import Listener, listening
from bench.probe.stack import Stack

NAME = "this server by data stream"
AVATAR = "avatar-fiducial"
_SETTLE_S = 3.0


def system(stack: Stack, console: Console, quality: str) -> System:
    """Return the system; make the sender's environment if it is not there."""
    python = cached("peers", REQUIREMENTS, partial(console.print, markup=False))
    return System(NAME, lambda: _opened(stack, python, quality))


@contextlib.asynccontextmanager
async def _opened(
    stack: Stack, python: Path, quality: str
) -> AsyncIterator[tuple[Sender, Listener]]:
    name, url = f"stream-{time.monotonic_ns()}", stack.livekit.url
    attributes = {"lk.publish_on_behalf": SENDER}
    headers = {"X-API-KEY": stack.gateway.key}
    with contextlib.ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        token = stack.room_token(name, "listener")
        listener = cleanup.enter_context(listening(url, token, folder))
        body = {
            "livekit_url": url,
            "livekit_token": agent_token(stack, name, AVATAR, **attributes),
            "avatar_id": "fiducial",
            "quality": quality,
        }
        response = stack.gateway.post(
            "/v1/livekit/start-avatar", headers=headers, json=body
        )
        response.raise_for_status()
        session = {"session_id": response.json()["session_id"]}
        cleanup.callback(_stop, stack, headers, session)
        token = agent_token(stack, name, SENDER)
        sender = cleanup.enter_context(
            joined(python, "stock_sender.py", folder, url, token, AVATAR)
        )
        await asyncio.sleep(_SETTLE_S)
        yield Sender(sender, folder), listener


def _stop(stack: Stack, headers: dict[str, str], session: dict[str, str]) -> None:
    with contextlib.suppress(httpx.HTTPError):
        stack.gateway.post("/v1/livekit/stop-avatar", headers=headers, json=session)
