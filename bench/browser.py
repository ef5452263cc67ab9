"""
``bench browser``: seen and heard in Chromium, through LiveKit's own browser client.

A page with the client at its defaults (`bench/pages`) is the subscriber.  A frame is
"presented" when Chromium expects it on the screen, a sample is "heard" when it comes
out of WebAudio; a sound card adds its own, which the conditions tell.  Both are of the
host's clock, to which the page's is fitted by round trips.
"""

import argparse
import asyncio
import base64
import contextlib
import importlib.util
import random
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from bench.interrupt import last_loud, last_speaking, one_cut
from bench.latency import MARKED, first_seen, sound_leads
from bench.probe.listening import Array, Recording, speech
from bench.probe.stack import ROOT, Stack
from bench.report.figures import Report
from lite_gateway.client import AvatarSession, open_session
from lite_gateway.client.pacing import send
from renderer.fiducial.marker import read_marker

if TYPE_CHECKING:
    from playwright.async_api import Page

PAGES = ROOT / "bench" / "pages"
VENDOR = ROOT / "web" / "vendor"
CLIENT = "livekit-client.esm.mjs"
SPEECH_S = 1.6
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    "--autoplay-policy=no-user-gesture-required",
)
_SETTLE_S = 2.5
_TAIL_S = 0.5  # a turn may still be heard for so long after it is over
_AFTER_S = 0.7  # as long as `last_loud` looks
_TRIPS = 12  # to ask what time it is
_COARSE_S = 0.0001  # `performance.now()` is rounded down to that
_THUMB = 64
_JOIN = "async ([url, token]) => (await import('/probe.js')).join(url, token)"
_LEAVE = "async () => (await import('/probe.js')).leave()"
_KINDS = {"audio": "sound", "video": "picture"}


@dataclass(frozen=True, slots=True)
class Turn:
    number: int
    sent_s: float
    over_s: float  # as the client was told


@dataclass(frozen=True)
class Visit:
    """What the page wrote down; times are of `time.monotonic`."""

    heard: Recording
    received: Array  # [n]: when the last packet of each frame had come
    buffered: dict[str, list[float]]  # kind of track -> ms, a mean of each half second
    told: dict[str, str]  # conditions


class Clock:
    """
    A page's `performance.now()` as `time.monotonic`.

    On one machine both tick alike, so each round trip narrows what the difference can
    be: the page answered after it was asked, and before the answer was read.
    """

    def __init__(self) -> None:
        self._low_s, self._high_s = -np.inf, np.inf

    @property
    def error_s(self) -> float:
        return (self._high_s - self._low_s) / 2

    def round_trip(self, asked_s: float, page_ms: float, read_s: float) -> None:
        """`ValueError`: the two do not tick alike."""
        low_s = asked_s - page_ms / 1000 - _COARSE_S
        self._low_s = max(self._low_s, low_s)
        self._high_s = min(self._high_s, read_s - page_ms / 1000)
        if self._low_s > self._high_s:
            apart_ms = 1000 * (self._low_s - self._high_s)
            raise ValueError(f"the page's clock is off by {apart_ms:.2f} ms or more")

    def monotonic(self, page_ms: Array) -> Array:
        return page_ms / 1000 + (self._low_s + self._high_s) / 2


class Visitor:
    """The page, joined; `leave` makes it tell everything."""

    def __init__(self, page: "Page", chromium: str) -> None:
        self._page, self._chromium = page, chromium
        self._clock = Clock()
        self._faults: list[Exception] = []
        page.on("pageerror", lambda fault: self._faults.append(fault))

    async def join(self, url: str, token: str) -> None:
        await self._fit_clock()
        await self._page.evaluate(_JOIN, [url, token])

    async def leave(self) -> Visit:
        """Whatever the page threw is raised here."""
        await self._fit_clock()
        written = await self._page.evaluate(_LEAVE)
        for fault in self._faults:
            raise fault
        return _visit(written, self._clock, self._chromium)

    async def _fit_clock(self) -> None:
        for _ in range(_TRIPS):
            asked_s = time.monotonic()
            page_ms = await self._page.evaluate("performance.now()")
            self._clock.round_trip(asked_s, page_ms, time.monotonic())


class _Files(SimpleHTTPRequestHandler):
    """The page, and the client beside it."""

    def translate_path(self, path: str) -> str:
        name = PurePosixPath(path).name
        return str((VENDOR if name == CLIENT else PAGES) / name)

    def log_message(self, *_: object) -> None:
        """Nobody reads along."""


@contextlib.contextmanager
def _served() -> Iterator[str]:
    # Playwright could answer in its place, but then Chromium refuses the page the way
    # to LiveKit: it would not be of this machine's network.
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        threading.Thread(target=server.serve_forever, name="pages").start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextlib.asynccontextmanager
async def visiting(chromium: Path, url: str, token: str) -> AsyncIterator[Visitor]:
    """A subscriber of the room in a browser of its own, joined."""
    from playwright.async_api import async_playwright

    with _served() as address:
        async with async_playwright() as started:
            browser = await started.chromium.launch(
                executable_path=chromium, args=FLAGS
            )
            try:
                page = await browser.new_page()
                visitor = Visitor(page, browser.version)
                await page.goto(f"{address}/probe.html")
                await visitor.join(url, token)
                yield visitor
            finally:
                await browser.close()


def _visit(written: dict[str, Any], clock: Clock, chromium: str) -> Visit:
    presented, received = _table(written["frames"], 2).T
    looks = _array(written["looks"], "u1").reshape(-1, *written["size"])
    samples, card, out = _table(written["pieces"], 3).T
    marks = [read_marker(luma) for luma in looks]
    seen = [
        (mark.index, mark.turn, mark.level) if mark else (-1,) * 3 for mark in marks
    ]
    rows, columns = (np.linspace(0, size - 1, _THUMB) for size in written["size"])
    heard = Recording(
        frames=np.column_stack(
            [clock.monotonic(presented), np.array(seen, float).reshape(-1, 3)]
        ),
        thumbs=looks[:, rows.astype(int)][:, :, columns.astype(int)],
        sound=_array(written["sound"], "<i2"),
        sound_at=clock.monotonic(out),
        sizes=samples.astype(int),
        left_at=0.0,
    )
    hints = {str(hint) for hint in written["hints"] if hint is not None}
    told = {
        "chromium": chromium,
        "livekit-client": written["client"],
        "playout delay hint": ", ".join(hints) or "none",
        "clock": f"±{1000 * clock.error_s:.1f} ms",
        "sound card, as it says": f"{np.median(card - out):.0f} ms more",
    }
    buffered = {kind: _buffered(written["buffers"], kind) for kind in _KINDS}
    return Visit(heard, clock.monotonic(received), buffered, told)


def _buffered(asked: list[list[Any]], kind: str) -> list[float]:
    """Mean ms in the jitter buffer between one time of asking and the next."""
    totals = np.array([rest for of, *rest in asked if of == kind], float).reshape(-1, 2)
    spent_s, count = np.diff(totals, axis=0).T
    return [float(each) for each in 1000 * spent_s[count > 0] / count[count > 0]]


def _array(text: str, kind: str) -> Array:
    return np.frombuffer(base64.b64decode(text), kind)


def _table(text: str, columns: int) -> Array:
    return _array(text, "<f8").reshape(-1, columns)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--cuts", type=int, default=10)
    parser.add_argument("--avatar", default=MARKED, help=f"{MARKED}: frames too")
    parser.add_argument("--quality", default="512x512")


def run(given: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    chromium = find_chromium()
    if lacking := missing(chromium, VENDOR):
        # The command's name is among the options of what was asked for by name only.
        if "scenario" in given:
            raise SystemExit(f"bench browser: {lacking}")
        console.print(f"browser: skipped, {lacking}")
        return []
    console.print(f"browser: {given.turns} turns, {given.cuts} cuts, {given.quality}")
    visit, turns, cuts = asyncio.run(talk(given, stack, Path(chromium)))
    return [report(given, visit, turns, cuts)]


def find_chromium() -> str:
    """Its path, or nothing."""
    script = ROOT / "tools" / "chromium.sh"
    found = subprocess.run([script], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""


def missing(chromium: str, vendor: Path) -> str:
    """What there is not, and where it would come from; or nothing."""
    if not chromium:
        return "there is no Chromium; `make chromium` installs it"
    if not (vendor / CLIENT).is_file():
        return f"there is no {vendor / CLIENT}; `make setup` fetches it"
    if importlib.util.find_spec("playwright") is None:
        return "there is no Playwright; requirements-dev.lock has it"
    return ""


async def talk(
    given: argparse.Namespace, stack: Stack, chromium: Path
) -> tuple[Visit, list[Turn], list[float]]:
    """
    One session: whole turns, then cut ones, every other with a second behind it.

    Of a cut: when it was sent.
    """
    chance = random.Random(4)
    async with (
        open_session(
            stack.gateway.url,
            stack.gateway.key,
            avatar=given.avatar,
            video_settings={"quality": given.quality},
        ) as avatar,
        visiting(chromium, avatar.livekit_url, avatar.livekit_client_token) as visitor,
    ):
        await asyncio.sleep(_SETTLE_S)
        turns, cuts = [], []
        for number in range(1, given.turns + 1):
            turns.append(await _turn(avatar, number))
            await asyncio.sleep(chance.uniform(_TAIL_S, 0.8))
        for count in range(given.cuts):
            cut = await one_cut(avatar, chance, two=bool(count % 2))
            cuts.append(cut.at_s)
            await asyncio.sleep(_AFTER_S)
        return await visitor.leave(), turns, cuts


async def _turn(avatar: AvatarSession, number: int) -> Turn:
    sent_s = time.monotonic()
    await send(avatar, speech(SPEECH_S), "burst")
    await avatar.event("agent.speak_ended")
    return Turn(number, sent_s, time.monotonic())


def starts(heard: Recording, turns: list[Turn]) -> list[int]:
    """The sample of what was heard at which each turn begins."""
    pcm = speech(SPEECH_S)
    return [heard.find(pcm, turn.sent_s, turn.over_s + _TAIL_S) for turn in turns]


def report(
    given: argparse.Namespace, visit: Visit, turns: list[Turn], cuts: list[float]
) -> Report:
    """What of it is the browser's own stands beside it."""
    conditions = {"avatar": given.avatar, "quality": given.quality, **visit.told}
    made, heard = Report("browser", conditions), visit.heard
    marked = given.avatar == MARKED
    pairs = list(zip(turns, starts(heard, turns), strict=True))

    def add(name: str, seconds: list[float], budget: str = "") -> None:
        made.add(name, "ms", [1000 * each for each in seconds], budget)

    waits = [heard.arrived(start) - turn.sent_s for turn, start in pairs]
    add("sent → first sample heard", waits, "L3 p50 ≤ 200")
    if marked:
        waits = [first_seen(heard, turn.number) - turn.sent_s for turn in turns]
        add("sent → first frame presented", waits, "L3 p50 ≤ 200")
        leads = [sound_leads(heard, turn.number, start) for turn, start in pairs]
        flat = [lead for some in leads for lead in some]
        made.add("sound before picture", "ms", flat, "L4 -40 .. +15")
    tails = [last_loud(heard, at_s) - at_s for at_s in cuts]
    add("interrupt → last loud sample heard", tails)
    if marked:
        tails = [last_speaking(heard, at_s) - at_s for at_s in cuts]
        add("interrupt → last talking frame presented", tails, "L5 p95 ≤ 120")
        rests = [first_resting(heard, at_s) - at_s for at_s in cuts]
        add("interrupt → first resting frame presented", rests)
    stays = heard.frames[:, 0] - visit.received
    told = stays[np.isfinite(stays)]  # Chromium leaves it out now and then
    add("a frame: received → presented", [float(each) for each in told])
    for kind, what in _KINDS.items():
        made.add(f"jitter buffer of the {what}", "ms", visit.buffered[kind])
    return made


def first_resting(heard: Recording, at_s: float) -> float:
    """When the first frame of no turn after ``at_s`` was presented."""
    resting = (heard.frames[:, 0] >= at_s) & (heard.frames[:, 2] == 0)
    return float(heard.frames[resting][0, 0]) if resting.any() else np.nan
