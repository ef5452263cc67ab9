"""Pages say that an avatar made from a photo is AI-generated, and of others nothing."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect  # noqa: E402 - after the skip

from bench.probe.stack import Gateway, running_gateway  # noqa: E402 - after the skip
from lite_gateway.config import shipped_avatars  # noqa: E402 - the same
from lite_gateway.devserver.process import LiveKit  # noqa: E402 - the same
from tests.e2e.calls import LEAN, with_key  # noqa: E402 - the same
from tests.e2e.site import SITE, open_site, site  # noqa: E402 - the same
from tests.e2e.test_demo_page import FLAGS, wait_live  # noqa: E402 - the same
from tests.waiting import PATIENCE_S  # noqa: E402 - the same

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


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(1000 * PATIENCE_S)
    expect.set_options(timeout=1000 * PATIENCE_S)
    yield page
    page.goto("about:blank")  # leaving stops the session
    page.close()


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
