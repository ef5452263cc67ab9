"""
Fixtures of the page that makes an avatar from a photo.

Playwright is imported where it is used: tests without it are skipped, not this file.
"""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from bench.probe.stack import Gateway


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
    new_page: Callable[..., Any], gateway: Gateway, jobs: Any
) -> Callable[..., Any]:
    """Function that opens the page."""

    def open_new_page(
        *, creates: bool = True, path: str = "/create", width: int = 1280,
        demo: dict[str, Any] | None = None,
        prepare: Callable[[Any], object] = lambda _: None,
    ) -> Any:  # fmt: skip
        page = new_page(width)

        def answer(route: Any) -> None:
            known = route.fetch().json()
            route.fulfill(json={**known, "create": creates, **(demo or {})})

        page.route("**/demo.json", answer)
        jobs.attach(page)
        prepare(page)
        page.goto(gateway.url + path)
        return page

    return open_new_page
