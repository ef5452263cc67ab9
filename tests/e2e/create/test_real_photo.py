"""From a photo to a talking avatar: the page, the gateway, and its job."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Page, expect  # noqa: E402 - after the skip

from bench.probe.stack import Gateway  # noqa: E402 - the same
from lite_gateway.config import shipped_avatars  # noqa: E402 - the same
from lite_gateway.devserver.process import LiveKit  # noqa: E402 - the same
from renderer.avatar import load  # noqa: E402 - the same
from renderer.portrait.loader import load_portrait  # noqa: E402 - the same
from tests.e2e.create.actions import (  # noqa: E402 - the same
    press,
    say_hello,
    send,
    wait_step,
)
from tests.e2e.page_probe import MOUTH, PROBE  # noqa: E402 - the same
from tests.e2e.pages import wait_live, wait_pose  # noqa: E402 - the same
from tests.e2e.test_avatar_jobs import running  # noqa: E402 - the same
from tests.waiting import best_of, figures, until  # noqa: E402 - the same

pytestmark = [
    *(pytest.mark.livekit, pytest.mark.browser),
    *(pytest.mark.slow, pytest.mark.timeout(900)),
]
JOB_S = 600  # on a machine that is busy with other work

# Mean RGB of the middle of the next frame, and of its upper corners.
FRAME = """
(video) => new Promise((done) => video.requestVideoFrameCallback(() => {
  const canvas = new OffscreenCanvas(64, 64);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  pen.drawImage(video, 0, 0, 64, 64);
  const mean = (x, y, side) => {
    const { data } = pen.getImageData(x, y, side, side);
    return [0, 1, 2].map((channel) => data.reduce(
      (sum, value, i) => sum + (i % 4 === channel ? value : 0), 0) / (side * side));
  };
  done({ face: mean(28, 26, 8), corner: mean(1, 1, 4) });
}))
"""
# Count how often the photo is drawn.
COUNT = """
  window.drawn = 0;
  const { prototype } = CanvasRenderingContext2D, { drawImage } = prototype;
  prototype.drawImage = function (...what) {
    if (this.canvas.id === 'photo') window.drawn += 1;
    return drawImage.apply(this, what);
  };
"""

# Keep each share of the work that the page shows.
WATCH = """() => {
  const bar = document.querySelector('#progress');
  window.shares = [];
  new MutationObserver(() => window.shares.push(bar.value))
    .observe(bar, { attributeFilter: ['value'] });
}"""


@pytest.fixture
def creating_gateway(
    livekit: LiveKit, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with running(livekit, tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    return new_page()


def photo() -> dict[str, object]:
    """Return a photo of a rendered person, as a file input takes it, with EXIF."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET-PLACE"
    with Image.open(shipped_avatars() / "mira" / "plate.webp") as plate:
        person = plate.convert("RGBA")
    wall = Image.new("RGBA", person.size, "#b9c4bd")
    wall.alpha_composite(person)
    content = io.BytesIO()
    wall.convert("RGB").save(content, "JPEG", quality=90, exif=exif)
    return {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": content.getvalue()}


def frame(page: Page) -> dict[str, list[float]]:
    """Return mean colours of the next frame."""
    page.wait_for_selector("#frame[data-picture]")
    seen: dict[str, list[float]] = page.locator("#video").evaluate(FRAME)
    return seen


@best_of(3)
def check_talks(page: Page) -> None:
    """Check that a sentence moves the lips and is heard."""
    wait_pose(page, "idle")
    idle = page.evaluate(PROBE, {"seconds": 1.0, "mouth": MOUTH})
    say_hello(page)
    talking = page.evaluate(PROBE, {"seconds": 1.5, "mouth": MOUTH})
    print("idle", idle, "talking", talking)
    with figures():
        assert talking["rms"] > 20 * idle["loudest"]
        assert talking["motion"] > 1.5 * idle["motion"]


def test_a_photo_becomes_an_avatar_that_speaks_and_is_kept(
    page: Page, creating_gateway: Gateway
) -> None:
    page.emulate_media(reduced_motion="reduce")  # it waits for a minute
    page.add_init_script(COUNT)
    page.goto(creating_gateway.url)
    wait_live(page)  # a page that is left before goes on with its session
    page.get_by_role("link", name="Make an avatar").click()
    send(page, photo())
    wait_step(page, "work")
    page.evaluate(WATCH)
    found = page.get_by_role("img", name=re.compile("478 points"))
    expect(found).to_be_visible(timeout=1000 * JOB_S)
    in_work = page.locator("body[data-step=work]")
    expect(in_work).to_have_count(0, timeout=1000 * JOB_S)
    wait_step(page, "draft")
    assert "Anna" not in [item["title"] for item in avatars(creating_gateway)]
    shares = page.evaluate("window.shares")
    assert shares == sorted(shares)
    assert page.evaluate("window.drawn") < 5  # the photo, and once the face on it

    page.wait_for_selector("#frame[data-picture]")
    expect(page.get_by_text("AI-generated", exact=True)).to_be_visible()
    check_talks(page)
    wide = "(image) => image.naturalWidth"
    until(lambda: page.locator("#preview").evaluate(wide) > 1000)

    wall = pytest.approx([0xB9, 0xC4, 0xBD], abs=12)
    assert frame(page)["corner"] == wall
    offered = page.locator("#background option").all_inner_texts()
    assert {"Photo", "Blurred", "Transparent", "A colour"} <= {*offered}
    page.locator("#background").select_option("colour")
    page.get_by_label("Colour of the background").fill("#2040c0")
    blue = pytest.approx([0x20, 0x40, 0xC0], abs=12)

    shown = until(lambda: (seen := frame(page))["corner"] == blue and seen)
    red, green, of_blue = shown["face"]
    assert red > green > of_blue  # skin

    press(page, "Keep it")
    wait_step(page, "kept")
    [item] = [item for item in avatars(creating_gateway) if item["title"] == "Anna"]
    assert item["ai_generated"] is True
    page.get_by_role("link", name="Talk with Anna").click()
    wait_live(page)
    expect(page.locator("#avatar")).to_have_value(item["name"])
    expect(page.get_by_text("AI-generated", exact=True)).to_be_visible()
    assert frame(page)["corner"] == blue  # its own background now
    page.evaluate("delete window.analyser")
    check_talks(page)
    check_files(creating_gateway.log_path.parent)


def check_files(folder: Path) -> None:
    """Check that the package has person and consent, and nothing of the EXIF."""
    [package] = (folder / "created-avatars").glob("anna-*")
    avatar = load(package)
    assert (avatar.title, avatar.author) == ("Anna", "Anna Example")
    assert avatar.likeness is not None
    assert avatar.likeness.consent == "This is me."
    assert (avatar.likeness.by, avatar.likeness.donor) == ("Anna Example", "mira")
    picture = load_portrait(avatar.package).base_image
    assert picture.shape == (4, 1080, 1920)
    assert picture[3].mean() < 200  # of 255: a wall around the person
    for path in folder.rglob("*"):
        if path.is_file() and ".db" not in path.name:
            assert b"SECRET-PLACE" not in path.read_bytes()


def avatars(gateway: Gateway) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = gateway.call("GET", "/v1/avatars")["results"]
    return listed
