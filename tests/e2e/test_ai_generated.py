"""Pages say that an avatar made from a photo is AI-generated, and of others nothing."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect

from bench.probe.stack import Gateway, running_gateway
from lite_gateway.config import shipped_avatars
from lite_gateway.devserver.process import LiveKit
from tests.e2e.calls import LEAN, with_key
from tests.e2e.pages import wait_live
from tests.e2e.site import SITE, open_site, site

pytestmark = [pytest.mark.livekit, pytest.mark.browser]
LIKENESS = {
    "source": "photo",
    "consent": "This is me, or I have this person's consent to make them speak.",
    "by": "Anna",
    "date": "2026-11-29",
}
MARK = "AI-generated"
PLAYING = """
(video) => new Promise((done) => video.requestVideoFrameCallback(() => done()))
"""


@pytest.fixture(scope="module")
def photo_gateway(
    livekit: LiveKit, portrait: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Gateway with the fiducial, and with ``anna``, who was made from a photo."""
    avatars = tmp_path_factory.mktemp("packages")
    shutil.copytree(shipped_avatars() / "fiducial", avatars / "fiducial")
    shutil.copytree(portrait, avatars / "anna")
    manifest = avatars / "anna" / "avatar.json"
    fields = {**json.loads(manifest.read_text()), "likeness": LIKENESS}
    manifest.write_text(json.dumps(fields))
    log = tmp_path_factory.mktemp("gateway") / "gateway.log"
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, log),
        LITE_AVATARS=str(avatars),
        **LEAN,
    ) as running:
        yield running


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()


def test_the_demo_page_marks_the_likeness_of_a_person(
    page: Page, photo_gateway: Gateway
) -> None:
    mark = page.get_by_text(MARK)
    page.goto(f"{photo_gateway.url}/?avatar=anna")
    wait_live(page)
    expect(page.locator("#avatar")).to_have_value("anna")
    expect(mark).to_be_visible()

    page.locator("#avatar").select_option("fiducial")
    expect(mark).to_be_hidden()
    wait_live(page)
    expect(mark).to_be_hidden()


def test_an_address_with_an_unknown_avatar_shows_another_one_and_says_so(
    page: Page, photo_gateway: Gateway
) -> None:
    page.goto(f"{photo_gateway.url}/?avatar=nobody")
    wait_live(page)
    expect(page.get_by_role("status")).to_contain_text("no avatar “nobody”")
    expect(page.locator("#avatar")).to_have_value("fiducial")


@pytest.mark.parametrize(("avatar", "is_marked"), [("anna", True), ("fiducial", False)])
def test_the_embedded_page_marks_the_likeness_of_a_person(
    browser: Browser,
    photo_gateway: Gateway,
    tmp_path: Path,
    avatar: str,
    is_marked: bool,
) -> None:
    body = {"avatar_id": avatar}
    script = with_key(photo_gateway).data("POST", "/v2/embeddings", body)["script"]
    (tmp_path / "index.html").write_text(SITE.format(script=script))
    with site(tmp_path) as url:
        page, frame = open_site(browser, url)
        mark = frame.get_by_text(MARK)
        assert mark.is_hidden()
        page.evaluate("avatar.start()")
        frame.locator("body[data-state=live]").wait_for()
        frame.locator("video").evaluate(PLAYING)
        assert mark.is_visible() == is_marked
        page.evaluate("avatar.stop()")
        expect(mark).to_be_hidden()
        page.close()
