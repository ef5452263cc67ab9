"""Fixtures of end-to-end tests: watched pages in a browser, a gateway that talks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.probe.stack import Gateway
from lite_gateway.devserver.process import LiveKit
from tests.e2e.pages import SMALL_VIDEO, running_chromium, wait_live, watched_pages
from tests.e2e.talking import talking_gateway
from tests.openai_counterpart.process import RunningCounterpart


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Any]:
    """Chromium of a test file, with a fake microphone and camera."""
    with running_chromium(chromium) as browser:
        yield browser


@pytest.fixture(scope="session")
def talking(
    livekit: LiveKit,
    counterpart_process: RunningCounterpart,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """
    Gateway of the whole run whose services are the counterpart.

    Its agent process takes seconds to start. Tests use different sessions, and leave it
    ready. Files whose gateway has other settings have a `talking` of their own.
    """
    log_path = tmp_path_factory.mktemp("talking") / "log"
    with talking_gateway(livekit, log_path, counterpart_process) as running:
        yield running


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
        page.add_init_script(SMALL_VIDEO)
        prepare(page)
        page.goto(gateway.url + path)
        if live:
            wait_live(page)
        return page

    return open_new_page
