"""
Scenario ``browser``: time from speech sent to seen and heard in Chromium.

The subscriber is a page (`bench/pages`) with LiveKit's browser client at its defaults.
A frame counts as presented when Chromium expects it on the screen, and a sample as
heard when the audio output takes it; that adds its own delay, which the conditions
report. All times are of the host's clock; the page's clock is fitted by round trips.
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
from dataclasses import dataclass, replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from bench.interrupt import interrupt_turn, last_loud, last_speaking
from bench.latency import MARKED
from bench.probe.arrivals import audio_ahead_ms, first_frame_s
from bench.probe.gateway_trace import TurnTrace, read_turns
from bench.probe.listening import HEARD_RATE, Array, Recording, speech
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
_TAIL_S = 0.5  # how long a turn may still be heard after its end was reported
_AFTER_S = 0.7  # as long as `last_loud` looks
_ROUND_TRIPS = 12  # for each fit of the clock
_CLOCK_STEP_S = 0.0001  # browsers round `performance.now()` down to it
_THUMBNAIL = 64
_JOIN = "async ([url, token]) => (await import('/probe.js')).join(url, token)"
_LEAVE = "async () => (await import('/probe.js')).leave()"
_MEDIA = ("audio", "video")  # kinds of track


@dataclass(frozen=True, slots=True)
class Turn:
    """Turn as its client saw it."""

    number: int
    sent_s: float
    ended_s: float  # when speak_ended was read
    trace: TurnTrace | None = None  # None if the gateway does not trace


@dataclass(frozen=True)
class BrowserRecording:
    """Recording of the page; times are of `time.monotonic`."""

    heard: Recording
    received_s: Array  # [n]: when the last packet of each frame arrived
    jitter_ms: dict[str, list[float]]  # kind of track -> means of half seconds
    conditions: dict[str, str]


class PageClock:
    """
    Conversion of a page's `performance.now()` to `time.monotonic`.

    On one machine both clocks have the same rate, so each round trip narrows what their
    difference can be: the page answered after the question and before the answer was
    read.
    """

    def __init__(self) -> None:
        self._low_s, self._high_s = -np.inf, np.inf

    @property
    def error_s(self) -> float:
        """Half of the interval in which the difference lies."""
        return (self._high_s - self._low_s) / 2

    def round_trip(self, asked_s: float, page_ms: float, read_s: float) -> None:
        """Add a round trip; raise `ValueError` if the clocks differ in rate."""
        low_s = asked_s - page_ms / 1000 - _CLOCK_STEP_S
        self._low_s = max(self._low_s, low_s)
        self._high_s = min(self._high_s, read_s - page_ms / 1000)
        if self._low_s > self._high_s:
            apart_ms = 1000 * (self._low_s - self._high_s)
            raise ValueError(f"the page's clock is off by {apart_ms:.2f} ms or more")

    def monotonic(self, page_ms: Array) -> Array:
        """Convert times of the page."""
        return page_ms / 1000 + (self._low_s + self._high_s) / 2


class BrowserListener:
    """Page that has joined a room."""

    def __init__(self, page: "Page", chromium: str) -> None:
        self._page, self._chromium = page, chromium
        self._clock = PageClock()
        self._errors: list[Exception] = []
        page.on("pageerror", lambda error: self._errors.append(error))

    async def join(self, url: str, token: str) -> None:
        await self._fit_clock()
        await self._page.evaluate(_JOIN, [url, token])

    async def leave(self) -> BrowserRecording:
        """Leave the room and return the recording; raise what the page has thrown."""
        await self._fit_clock()
        result = await self._page.evaluate(_LEAVE)
        for error in self._errors:
            raise error
        return _recording(result, self._clock, self._chromium)

    async def _fit_clock(self) -> None:
        for _ in range(_ROUND_TRIPS):
            asked_s = time.monotonic()
            page_ms = await self._page.evaluate("performance.now()")
            self._clock.round_trip(asked_s, page_ms, time.monotonic())


class _PageFiles(SimpleHTTPRequestHandler):
    """Static files: the page and LiveKit's client."""

    def translate_path(self, path: str) -> str:
        name = PurePosixPath(path).name
        return str((VENDOR if name == CLIENT else PAGES) / name)

    def log_message(self, *_: object) -> None:
        """Log no requests."""


@contextlib.contextmanager
def _page_server() -> Iterator[str]:
    # Playwright could fulfil the requests instead, but then Chromium would not count
    # the page as part of the local network and would refuse it the way to LiveKit.
    with ThreadingHTTPServer(("127.0.0.1", 0), _PageFiles) as server:
        threading.Thread(target=server.serve_forever, name="pages").start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextlib.asynccontextmanager
async def browser_listener(
    chromium: Path, url: str, token: str
) -> AsyncIterator[BrowserListener]:
    """Run a browser whose page has joined the room."""
    from playwright.async_api import async_playwright

    with _page_server() as address:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=FLAGS
            )
            try:
                page = await browser.new_page()
                listener = BrowserListener(page, browser.version)
                await page.goto(f"{address}/probe.html")
                await listener.join(url, token)
                yield listener
            finally:
                await browser.close()


def _recording(
    result: dict[str, Any], clock: PageClock, chromium: str
) -> BrowserRecording:
    """Convert the result of the page's `leave`."""
    presented, received = _table(result["frames"], 2).T
    thumbnails = _array(result["thumbnails"], "u1").reshape(-1, *result["size"])
    samples, taken, read = _table(result["blocks"], 3).T
    # A page that is idle reads a block at once: the least wait is that of the clocks.
    taken = taken + (read - taken).min()
    delay_s, count = result["output"] or (np.nan, 1)
    markers = [read_marker(luma) for luma in thumbnails]
    values = [
        (marker.index, marker.turn, marker.level) if marker else (-1,) * 3
        for marker in markers
    ]
    rows, columns = (np.linspace(0, size - 1, _THUMBNAIL) for size in result["size"])
    heard = Recording(
        frames=np.column_stack(
            [clock.monotonic(presented), np.array(values, float).reshape(-1, 3)]
        ),
        thumbnails=thumbnails[:, rows.astype(int)][:, :, columns.astype(int)],
        audio=_array(result["audio"], "<i2"),
        audio_at_s=clock.monotonic(taken) + samples / HEARD_RATE,
        block_sizes=samples.astype(int),
        left_at_s=0.0,
    )
    hints = {str(hint) for hint in result["hints"] if hint is not None}
    conditions = {
        "chromium": chromium,
        "livekit-client": result["client"],
        "playout delay hint": ", ".join(hints) or "none",
        "kept in step by Chromium": "yes" if result["streams"] == 1 else "no",
        "clock": f"±{1000 * clock.error_s:.1f} ms",
        "delay of the audio output": f"{1000 * delay_s / count:.0f} ms more",
    }
    jitter_ms = {medium: _jitter_ms(result["buffers"], medium) for medium in _MEDIA}
    return BrowserRecording(heard, clock.monotonic(received), jitter_ms, conditions)


def _jitter_ms(rows: list[list[Any]], medium: str) -> list[float]:
    """Return the mean ms in the jitter buffer between each two readings."""
    totals = [values for kind, *values in rows if kind == medium]
    delay_s, count = np.diff(np.array(totals, float).reshape(-1, 2), axis=0).T
    return [float(ms) for ms in 1000 * delay_s[count > 0] / count[count > 0]]


def _array(text: str, kind: str) -> Array:
    return np.frombuffer(base64.b64decode(text), kind)


def _table(text: str, columns: int) -> Array:
    return _array(text, "<f8").reshape(-1, columns)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--turns", type=int, default=10, help="whole turns (default: %(default)s)"
    )
    parser.add_argument(
        "--cuts",
        type=int,
        default=10,
        help="turns that are interrupted (default: %(default)s)",
    )
    parser.add_argument(
        "--avatar",
        default=MARKED,
        help=f"avatar to show; only {MARKED} gives figures of frames "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--quality", default="512x512", help="WIDTHxHEIGHT (default: %(default)s)"
    )


def run(args: argparse.Namespace, stack: Stack, console: Console) -> list[Report]:
    chromium = find_chromium()
    if problem := missing(chromium, VENDOR):
        # Only the arguments of a scenario that was named have "scenario".
        if "scenario" in args:
            raise SystemExit(f"bench browser: {problem}")
        console.print(f"browser: skipped, {problem}")
        return []
    console.print(
        f"browser: {args.turns} turns, {args.cuts} interrupts, {args.quality}"
    )
    recording, turns, cuts_s = asyncio.run(talk(args, stack, Path(chromium)))
    return [report(args, recording, turns, cuts_s)]


def find_chromium() -> str:
    """Return the path of Chromium; empty if it is not installed."""
    script = ROOT / "tools" / "chromium.sh"
    result = subprocess.run([script], capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""


def missing(chromium: str, vendor: Path) -> str:
    """Return what is not installed and how to install it; empty if nothing is."""
    if not chromium:
        return "Chromium is not installed; run `make chromium`"
    if not (vendor / CLIENT).is_file():
        return f"{vendor / CLIENT} is missing; run `make setup`"
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed; install requirements-dev.lock"
    return ""


async def talk(
    args: argparse.Namespace, stack: Stack, chromium: Path
) -> tuple[BrowserRecording, list[Turn], list[float]]:
    """
    Hold one session: whole turns, then turns that are interrupted.

    Every other interrupted turn has a second one buffered behind it. Return the
    recording, the whole turns, and the times of the interrupts.
    """
    rng = random.Random(4)
    async with (
        open_session(
            stack.gateway.url,
            stack.gateway.key,
            avatar=args.avatar,
            video_settings={"quality": args.quality},
        ) as avatar,
        browser_listener(
            chromium, avatar.livekit_url, avatar.livekit_client_token
        ) as listener,
    ):
        await asyncio.sleep(_SETTLE_S)
        turns, cuts_s = [], []
        for number in range(1, args.turns + 1):
            turns.append(await _turn(avatar, number))
            await asyncio.sleep(rng.uniform(_TAIL_S, 0.8))
        for count in range(args.cuts):
            cut = await interrupt_turn(avatar, rng, two=bool(count % 2))
            cuts_s.append(cut.at_s)
            await asyncio.sleep(_AFTER_S)
        if stack.trace is not None:
            ended_s = turns[-1].ended_s
            traces = await read_turns(stack.trace, avatar.session_id, ended_s)
            turns = [replace(turn, trace=traces[turn.number]) for turn in turns]
        return await listener.leave(), turns, cuts_s


async def _turn(avatar: AvatarSession, number: int) -> Turn:
    sent_s = time.monotonic()
    await send(avatar, speech(SPEECH_S), "burst")
    await avatar.event("agent.speak_ended")
    return Turn(number, sent_s, time.monotonic())


def starts(heard: Recording, turns: list[Turn]) -> list[int]:
    """Return the sample of the recording at which each turn begins."""
    pcm = speech(SPEECH_S)
    return [heard.find(pcm, turn.sent_s, turn.ended_s + _TAIL_S) for turn in turns]


def report(
    args: argparse.Namespace,
    recording: BrowserRecording,
    turns: list[Turn],
    cuts_s: list[float],
) -> Report:
    """Return the figures, with the browser's own share of the delay."""
    conditions = {
        "avatar": args.avatar,
        "quality": args.quality,
        **recording.conditions,
    }
    result, heard = Report("browser", conditions), recording.heard
    marked = args.avatar == MARKED
    pairs = list(zip(turns, starts(heard, turns), strict=True))

    def add(name: str, seconds: list[float], budget: str = "") -> None:
        result.add(name, "ms", [1000 * value for value in seconds], budget)

    waits = [heard.arrival_s(start) - turn.sent_s for turn, start in pairs]
    add("sent → first sample heard", waits, "L3 p50 ≤ 200")
    if marked:
        waits = [first_frame_s(heard, turn.number) - turn.sent_s for turn in turns]
        add("sent → first frame presented", waits, "L3 p50 ≤ 200")
        ahead = [
            audio_ahead_ms(heard, turn.number, start, turn.trace)
            for turn, start in pairs
        ]
        flat = [value for values in ahead for value in values]
        result.add("audio ahead of video", "ms", flat, "L4 -40 .. +15")
    tails = [last_loud(heard, at_s) - at_s for at_s in cuts_s]
    add("interrupt → last loud sample heard", tails)
    if marked:
        tails = [last_speaking(heard, at_s) - at_s for at_s in cuts_s]
        add("interrupt → last speaking frame presented", tails, "L5 p95 ≤ 120")
        rests = [first_resting(heard, at_s) - at_s for at_s in cuts_s]
        add("interrupt → first resting frame presented", rests)
    display_s = heard.frames[:, 0] - recording.received_s
    known = display_s[np.isfinite(display_s)]  # Chromium does not report every frame
    add("a frame: received → presented", [float(value) for value in known])
    for medium in _MEDIA:
        result.add(f"jitter buffer of {medium}", "ms", recording.jitter_ms[medium])
    return result


def first_resting(heard: Recording, at_s: float) -> float:
    """Return when the first frame of no turn after ``at_s`` was presented."""
    resting = (heard.frames[:, 0] >= at_s) & (heard.frames[:, 2] == 0)
    return float(heard.frames[resting][0, 0]) if resting.any() else np.nan
