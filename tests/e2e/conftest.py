"""Fixtures of tests with pages: a browser, and pages whose console is watched."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.probe.stack import Gateway
from tests.e2e.pages import running_chromium, wait_live, watched_pages

# Pages of tests show a quarter of the pixels, unless they choose a video quality: two
# of these pages at once take a core at the page's own 512x512.
_SMALL_VIDEO = """document.addEventListener("readystatechange", () => {
  const usual = document.querySelector("#quality option[selected]");
  if (usual && document.readyState === "interactive") usual.value = "256x256";
});"""


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Any]:
    """Chromium of a test file, with a fake microphone and camera."""
    with running_chromium(chromium) as browser:
        yield browser


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Function that returns a new page; see `watched_pages`."""
    with watched_pages(browser) as new_page:
        yield new_page


@pytest.fixture
def open_page(new_page: Callable[..., Any], gateway: Gateway) -> Callable[..., Any]:
    """Function that opens a page of the gateway of the run, with a small video."""

    def open_new_page(
        *,
        prepare: Callable[[Any], None] = lambda _: None,
        live: bool = True,
        width: int = 1280,
        height: int = 800,
        path: str = "/",
    ) -> Any:
        page = new_page(width, height)
        page.add_init_script(_SMALL_VIDEO)
        prepare(page)
        page.goto(gateway.url + path)
        if live:
            wait_live(page)
        return page

    return open_new_page
