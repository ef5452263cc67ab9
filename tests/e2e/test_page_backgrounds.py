"""Backgrounds on the pages, in a real browser: pixels of canvas and video."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect

from bench.probe.stack import Gateway
from tests.e2e.calls import with_key
from tests.e2e.pages import running_chromium, wait_live, watched_pages
from tests.e2e.site import SITE, open_site, site
from tests.waiting import until

pytestmark = [pytest.mark.livekit, pytest.mark.browser]

# Without a GPU, WebGL needs Chromium's own rasterizer.
WEBGL = "--enable-unsafe-swiftshader"

# Copies the next frame of a video, or of the canvas that was drawn from it: a canvas of
# WebGL can be read only where it was drawn. Returns mean RGBA in boxes of 8 x 8 pixels,
# the face also of the video itself, and the share of green pixels that are not clear.
READ = """
async (name) => {
  const video = document.querySelector('video');
  const source = document.querySelector(name);
  const copied = (image) => {
    const pen = new OffscreenCanvas(256, 256).getContext('2d');
    pen.drawImage(image, 0, 0, 256, 256);
    return pen.getImageData(0, 0, 256, 256).data;
  };
  const isThere = () => video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
  const [data, sent] = await new Promise((done) => {
    const next = () => video.requestVideoFrameCallback(
      () => isThere() ? done([copied(source), copied(video)]) : next());
    next();
  });
  const mean = (x, y, data) => [0, 1, 2, 3].map((channel) => {
    let sum = 0;
    for (let row = 0; row < 8; row++)
      for (let column = 0; column < 8; column++)
        sum += data[4 * ((y + row) * 256 + x + column) + channel];
    return sum / 64;
  });
  let green = 0;
  for (let i = 0; i < data.length; i += 4)
    green += data[i + 3] > 30 && data[i + 1] > Math.max(data[i], data[i + 2]) + 40;
  return { corners: [mean(0, 0, data), mean(248, 0, data)],
           face: mean(124, 120, data), sentFace: mean(124, 120, sent),
           green: green / 65536 };
}
"""


@pytest.fixture(scope="module")
def webgl_browser(chromium: Path) -> Iterator[Browser]:
    with running_chromium(chromium, WEBGL) as browser:
        yield browser


@pytest.fixture
def page(webgl_browser: Browser, gateway: Gateway) -> Iterator[Page]:
    with watched_pages(webgl_browser) as new_page:
        page = new_page()
        page.goto(gateway.url)
        wait_live(page)
        yield page


def check_cut_out(shown: dict) -> None:
    """Check that the corners are clear, the face is not, and nothing is green."""
    assert [corner[3] for corner in shown["corners"]] == [0, 0]
    red, green, blue, alpha = shown["face"]
    assert alpha == 255
    assert red > green > blue  # skin
    assert shown["face"] == pytest.approx(shown["sentFace"], abs=8)
    assert shown["green"] < 0.001


def test_a_transparent_background_is_removed_from_the_picture(page: Page) -> None:
    plain = page.evaluate(READ, "video")
    assert page.locator("#keyed").is_hidden()
    page.locator("#background").select_option("transparent")
    page.wait_for_selector("#frame[data-keyed][data-picture]")
    wait_live(page)

    check_cut_out(page.evaluate(READ, "#keyed"))
    sent = page.evaluate(READ, "video")
    assert all(g > 200 and r < 30 and b < 30 for r, g, b, _ in sent["corners"])

    page.locator("#background").select_option("")
    page.wait_for_selector("#frame[data-picture]:not([data-keyed])")
    assert page.locator("#keyed").is_hidden()
    shown = page.evaluate(READ, "video")["corners"]
    for corner, before in zip(shown, plain["corners"], strict=True):
        assert corner == pytest.approx(before, abs=6)


def test_the_video_is_shown_again_when_the_browser_ends_webgl(page: Page) -> None:
    page.locator("#background").select_option("transparent")
    page.wait_for_selector("#frame[data-keyed][data-picture]")
    lose = "c => c.getContext('webgl').getExtension('WEBGL_lose_context').loseContext()"
    page.locator("#keyed").evaluate(lose)

    page.wait_for_selector("#frame[data-picture]:not([data-keyed])")
    assert page.locator("#keyed").is_hidden()
    expect(page.locator("#video")).to_have_css("opacity", "1")
    expect(page.get_by_text("This browser has no WebGL").first).to_be_visible()


def test_a_colour_is_the_background_of_the_video(page: Page) -> None:
    page.locator("#background").select_option("colour")
    colour = page.get_by_label("Colour of the background")
    expect(colour).to_be_visible()
    wait_live(page)
    colour.fill("#2040c0")
    wait_live(page)

    def is_blue() -> bool:
        [left, _] = page.evaluate(READ, "video")["corners"]
        return left[:3] == pytest.approx([0x20, 0x40, 0xC0], abs=10)

    assert until(is_blue)


def test_nothing_is_drawn_before_the_first_frame_is_there(page: Page) -> None:
    """A callback for a frame that cannot be read yet drew the canvas black once."""
    drawn = """async () => {
      const { Keyer } = await import('/js/keyer.js');
      const canvas = document.createElement('canvas');
      let frame;
      const video = {
        videoWidth: 64, videoHeight: 64, readyState: HTMLMediaElement.HAVE_METADATA,
        requestVideoFrameCallback: (callback) => void (frame = callback),
      };
      if (!new Keyer(video, canvas, () => {}).show('#00ff00')) return 'no WebGL';
      frame();
      return [canvas.width, canvas.height];
    }"""
    assert page.evaluate(drawn) == [300, 150]  # the size of a canvas that nobody set


def test_an_embedded_page_shows_the_page_behind_a_transparent_avatar(
    webgl_browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    body = {"avatar_id": "mira", "background": "transparent"}
    embedding = with_key(gateway).data("POST", "/v2/embeddings", body)
    site_page = SITE.format(script=embedding["script"])
    (tmp_path / "index.html").write_text(
        f"<style>body {{ background: #d020d0 }}</style>{site_page}"
    )
    with site(tmp_path) as url:
        page, frame = open_site(webgl_browser, url)
        page.evaluate("avatar.start()")
        frame.locator("html[data-keyed] body[data-state=live]").wait_for()
        inner = page.frames[1]
        check_cut_out(inner.evaluate(READ, "#keyed"))
        shot = page.locator("iframe").screenshot()
        page.evaluate("avatar.stop()")
        page.close()
    (tmp_path / "shot.png").write_bytes(shot)
    with Image.open(tmp_path / "shot.png") as image:
        assert image.convert("RGB").getpixel((30, 30)) == (0xD0, 0x20, 0xD0)
