"""
Fixtures of the page that makes an avatar from a photo.

Playwright is imported where it is used: tests without it are skipped, not this file.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.probe.stack import Gateway
from tests.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    from tests.e2e.test_demo_page import FLAGS

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def jobs(gateway: Gateway) -> Any:
    """The jobs that answer the page, a `PhotoJobs`."""
    from tests.e2e.create.photo_jobs import PhotoJobs

    avatars = gateway.call("GET", "/v1/avatars")["results"]
    [avatar_id] = [item["id"] for item in avatars if item["name"] == "theo"]
    content = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(content, "PNG")
    return PhotoJobs(avatar_id, preview=content.getvalue())


@pytest.fixture
def open_page(
    browser: Any, gateway: Gateway, jobs: Any
) -> Iterator[Callable[..., Any]]:
    """Return a function that opens the page. Fail on unexpected console errors."""
    from tests.e2e.test_demo_page import REFUSED

    pages: list[Any] = []
    messages: list[str] = []

    def log(kind: str, text: str) -> None:
        if kind in ("error", "warning") and not REFUSED.search(text):
            messages.append(f"{kind}: {text}")

    def open_new_page(
        *, creates: bool = True, path: str = "/create", width: int = 1280,
        demo: dict[str, Any] | None = None,
        prepare: Callable[[Any], object] = lambda _: None,
    ) -> Any:  # fmt: skip
        page = browser.new_page(viewport={"width": width, "height": 800})
        pages.append(page)
        page.set_default_timeout(1000 * PATIENCE_S)
        page.on("console", lambda message: log(message.type, message.text))
        page.on("pageerror", lambda why: log("error", str(why)))

        def answer(route: Any) -> None:
            known = route.fetch().json()
            route.fulfill(json={**known, "create": creates, **(demo or {})})

        page.route("**/demo.json", answer)
        jobs.attach(page)
        prepare(page)
        page.goto(gateway.url + path)
        return page

    yield open_new_page
    for page in pages:
        page.unroute_all(behavior="ignoreErrors")
        page.goto("about:blank")  # leaving stops the session
        page.close()
    assert messages == []
