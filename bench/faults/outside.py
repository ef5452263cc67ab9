"""Faults of what the gateway depends on: LiveKit, the database, the avatar packages."""

import asyncio
import json
import os
import shutil
import time
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.faults.site import Site
from bench.faults.together import together
from bench.probe.faults import stopped

SILENT_LIVEKIT_S = 12.0
NONSENSE_S = 10.0
BROKEN_S = 10.0
SILENT_DATABASE_S = 15.0
ANSWER_S = 20.0  # for each call during a fault; joins have 10 s, turns for them 5 s
_NONSENSE = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n"
    b'Content-Length: 8\r\nConnection: close\r\n\r\n["oops"]',
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 5\r\nConnection: close\r\n\r\nsorry",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/protobuf\r\n"
    b"Content-Length: 4\r\nConnection: close\r\n\r\n\xff\xff\xff\xff",
    b"not HTTP at all\r\n\r\n",
)
_CALLS = ("/CreateRoom", "/DeleteRoom", "/ListRooms")


@dataclass(frozen=True, slots=True)
class Fault:
    """Fault of the run; `inject` causes it, undoes it and returns what was wrong."""

    name: str
    expects: str  # what the run requires besides: sessions go on, probes are answered
    inject: Callable[[Site], Awaitable[list[str]]]
    may_end_sessions: bool = False


async def start(site: Site, **fields: object) -> tuple[int, dict[str, str], float]:
    """Create and start a session: status, header of its token, seconds."""
    since_s = time.monotonic()
    try:
        bearer = await site.bearer(**fields)
    except httpx.HTTPStatusError as error:
        return error.response.status_code, {}, time.monotonic() - since_s
    response = await site.call("POST", "/v1/sessions/start", headers=bearer)
    return response.status_code, bearer, time.monotonic() - since_s


async def stop_session(site: Site, bearer: dict[str, str]) -> int:
    """Stop a session by its token; return the status."""
    response = await site.call("POST", "/v1/sessions/stop", headers=bearer)
    return response.status_code


async def _started_within(site: Site, allowed: tuple[int, ...]) -> list[str]:
    """Start and stop a session in the middle of a fault."""
    status, bearer, took_s = await start(site)
    wrong = []
    if status not in allowed:
        wrong.append(f"a start was answered with {status}")
    if took_s > ANSWER_S:
        wrong.append(f"a start took {took_s:.1f} s")
    if status == httpx.codes.CREATED:
        since_s = time.monotonic()
        if (status := await stop_session(site, bearer)) != httpx.codes.OK:
            wrong.append(f"a stop was answered with {status}")
        if (took_s := time.monotonic() - since_s) > ANSWER_S:
            wrong.append(f"a stop took {took_s:.1f} s")
    return wrong


async def _stop_livekit(site: Site) -> list[str]:
    _, bearer, _ = await start(site)
    wrong = []
    with stopped([site.livekit.server.pid]):
        until_s = time.monotonic() + SILENT_LIVEKIT_S
        if bearer and (status := await stop_session(site, bearer)) != httpx.codes.OK:
            wrong.append(f"a stop was answered with {status}")
        wrong += await _started_within(site, (201, 502, 503))
        await asyncio.sleep(max(0.0, until_s - time.monotonic()))
    return wrong


async def _kill_livekit(site: Site) -> list[str]:
    await site.livekit.kill()
    return []


async def _answer_nonsense(site: Site) -> list[str]:
    wrong = []
    _, running, _ = await start(site)
    for answer in _NONSENSE:
        site.odd_answers.update(dict.fromkeys(_CALLS, answer))
        try:
            since_s = time.monotonic()
            wrong += await _started_within(site, (201, 502, 503))
            if running:
                await stop_session(site, running)
                running = {}
            rest_s = NONSENSE_S / len(_NONSENSE) - (time.monotonic() - since_s)
            await asyncio.sleep(max(0.0, rest_s))
        finally:
            site.odd_answers.clear()
        _, running, _ = await start(site)
    if running:
        await stop_session(site, running)
    return wrong


async def _stop_database(site: Site) -> list[str]:
    _, bearer, _ = await start(site)
    wrong = []
    with site.silent_database():
        until_s = time.monotonic() + SILENT_DATABASE_S
        mints = [_started_within(site, (201, 503)) for _ in range(4)]
        for found in await together(mints):
            wrong += found
        if (status := await stop_session(site, bearer)) != httpx.codes.OK:
            wrong.append(f"a stop was answered with {status}")
        await asyncio.sleep(max(0.0, until_s - time.monotonic()))
    return wrong


async def _break_packages(site: Site) -> list[str]:
    before = await _avatar_names(site)
    await asyncio.to_thread(drop_broken_packages, site.avatars)
    try:
        await asyncio.sleep(BROKEN_S)
        wrong = await _started_within(site, (201,))
        if not before <= (names := await _avatar_names(site)):
            wrong.append(f"avatars are gone: {before - names}")
        if odd := {name for name in names if name.startswith("broken-")}:
            wrong.append(f"broken packages are offered: {odd}")
    finally:
        await asyncio.to_thread(remove_broken_packages, site.avatars)
    return wrong


async def _avatar_names(site: Site) -> set[str]:
    """Return the names of the avatars that a session could have."""
    path = "/v1/avatars/public?page_size=100"
    response = (await site.call("GET", path)).raise_for_status()
    items = response.json()["data"]["results"]
    return {item["name"] for item in items if item.get("status") != "FAILED"}


def drop_broken_packages(folder: Path) -> None:
    """Put packages into a folder that once broke the loading of all the others."""
    with zipfile.ZipFile(folder / "broken-name.zip", "w") as out:
        out.writestr(".", "x")
    manifest = json.dumps({"format": 1})
    path = folder / "broken-lzma.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as out:
        out.writestr("avatar.json", manifest)
        begin = out.filelist[0].header_offset + 30 + len("avatar.json")
    damaged = bytearray(path.read_bytes())
    damaged[begin + 4 : begin + 12] = bytes(8)
    path.write_bytes(damaged)
    (folder / "broken-pipe").mkdir()
    os.mkfifo(folder / "broken-pipe" / "avatar.json")
    shutil.copytree(folder / "fiducial", folder / "broken-title")
    text = (folder / "fiducial" / "avatar.json").read_text()
    content = {**json.loads(text), "title": "\ud800"}
    (folder / "broken-title" / "avatar.json").write_text(json.dumps(content))


def remove_broken_packages(folder: Path) -> None:
    for path in folder.glob("broken-*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


OUTSIDE = (
    Fault("livekit stopped", "a start is told in time why", _stop_livekit),
    Fault(
        *("livekit killed", "a new server is used", _kill_livekit),
        may_end_sessions=True,
    ),
    Fault("livekit odd", "starts and stops are answered", _answer_nonsense),
    Fault("database stopped", "mints get 503, stops work", _stop_database),
    Fault("packages broken", "the other avatars stay", _break_packages),
)
