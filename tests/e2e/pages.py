"""
Pages in Chromium: how it is started, and what a page must not log.

Playwright is imported where it is used: tests without it are skipped, not their files.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.waiting import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    "--autoplay-policy=no-user-gesture-required",
    *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
)
# Script for demo pages of tests: a quarter of the pixels, unless they choose a
# video quality. Two pages at once take a core at the page's own 512x512.
SMALL_VIDEO = """document.addEventListener("readystatechange", () => {
  const usual = document.querySelector("#quality option[selected]");
  if (usual && document.readyState === "interactive") usual.value = "256x256";
});"""
# Chromium logs every failed request, also those that a test provokes, and connections
# to servers that are not the gateway's LiveKit server, which a test names. It also logs
# that a test reads pixels of a canvas.
EXPECTED = re.compile(
    r"Failed to load resource|WebSocket connection to|ws://127\.0\.0\.1:9/"
    r"|http://127\.0\.0\.1:9/|GPU stall due to ReadPixels"
)


@contextmanager
def running_chromium(path: Path, *flags: str) -> "Iterator[Browser]":
    """Run Chromium with `FLAGS` and some more."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * PATIENCE_S)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        yield browser
        browser.close()


@contextmanager
def watched_pages(browser: "Browser") -> "Iterator[Callable[..., Page]]":
    """
    Yield a function that returns a new page, given its width and height.

    At the end all pages are closed; fail if one has logged an error or a warning that
    is not `EXPECTED`.
    """
    pages: list[Page] = []
    messages: list[str] = []

    def log(kind: str, text: str) -> None:
        if kind in ("error", "warning") and not EXPECTED.search(text):
            messages.append(f"{kind}: {text}")

    def new_page(width: int = 1280, height: int = 800) -> "Page":
        page = browser.new_page(viewport={"width": width, "height": height})
        pages.append(page)
        page.set_default_timeout(1000 * PATIENCE_S)
        page.on("console", lambda message: log(message.type, message.text))
        page.on("pageerror", lambda why: log("error", str(why)))
        return page

    try:
        yield new_page
    finally:
        for page in pages:
            page.unroute_all(behavior="ignoreErrors")
            page.goto("about:blank")  # leaving stops the session
            page.close()
    assert not messages, "\n".join(messages)


def wait_live(page: "Page", within_s: float = PATIENCE_S) -> None:
    """Wait until the demo page shows the avatar."""
    from playwright.sync_api import expect

    link = page.locator("#link")
    expect(link).to_have_attribute("data-state", "live", timeout=1000 * within_s)
    page.wait_for_selector("#frame[data-picture]")


def wait_pose(page: "Page", pose: str) -> None:
    """Wait until the demo page tells a pose."""
    page.wait_for_selector(f"#frame[data-pose={pose}]")
