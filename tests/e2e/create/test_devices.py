"""The page that makes an avatar from a photo: camera, keyboard, and a phone."""

import io

import pytest
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import FileChooser, Page, expect  # noqa: E402 - after the skip

from tests.e2e.create.actions import (  # noqa: E402 - the same
    GLASSES,
    PHOTO,
    Open,
    fill,
    press,
    step,
    wait_step,
)
from tests.e2e.create.photo_jobs import FACE, PhotoJobs  # noqa: E402 - the same
from tests.e2e.pages import wait_pose  # noqa: E402 - the same
from tests.waiting import until  # noqa: E402 - the same

pytestmark = [pytest.mark.livekit, pytest.mark.browser]
REFUSE_CAMERA = """
if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia =
  () => Promise.reject(new DOMException('no', window.refusal ?? 'NotAllowedError'));
"""


def test_the_camera_takes_a_photo(open_page: Open, jobs: PhotoJobs) -> None:
    page = open_page()  # Chromium's stand-in camera is green
    page.get_by_role("button", name="Use the camera").click()
    wait_step(page, "camera")
    press(page, "Take the photo")
    wait_step(page, "ask")
    assert page.locator("#camera").evaluate("(video) => video.srcObject") is None
    page.get_by_label("Name of the avatar").fill("Anna")
    page.get_by_label("Your name").fill("Anna")
    page.get_by_label("This is me.", exact=True).check()
    press(page, "Make the avatar")
    wait_step(page, "work")
    name, kind, content = jobs.forms[0]["picture"]
    assert (name, kind) == ("camera.jpg", "image/jpeg")
    with Image.open(io.BytesIO(content)) as image:
        assert image.width >= 640
        red, green, blue = image.convert("RGB").getpixel((5, 5))
        assert green > red + 60
        assert green > blue + 60


def test_a_refused_camera_leaves_the_choice_of_a_file(open_page: Open) -> None:
    page = open_page(prepare=lambda page: page.add_init_script(REFUSE_CAMERA))
    page.get_by_role("button", name="Use the camera").click()
    notice = page.locator("#choose-notice")
    expect(notice).to_contain_text("The camera was refused")
    expect(notice).to_contain_text("choose a file instead")
    page.evaluate("window.refusal = 'NotReadableError'")
    page.get_by_role("button", name="Use the camera").click()
    expect(notice).to_contain_text("Another program may use it")
    page.set_input_files("#file", PHOTO)
    wait_step(page, "ask")


def choose(chooser: FileChooser) -> None:
    chooser.set_files(PHOTO)


def test_a_camera_that_is_allowed_after_a_file_was_chosen_is_closed(
    open_page: Open,
) -> None:
    page = open_page()
    page.evaluate(
        """() => {
          const { mediaDevices } = navigator;
          const open = mediaDevices.getUserMedia.bind(mediaDevices);
          mediaDevices.getUserMedia = async (wanted) => {
            await new Promise((go) => (window.allow = go));
            return (window.opened = await open(wanted));
          };
        }"""
    )
    page.get_by_role("button", name="Use the camera").click()
    until(lambda: page.evaluate("typeof window.allow === 'function'"))
    fill(page)
    page.evaluate("allow()")
    ended = "(track) => track.readyState === 'ended'"
    until(lambda: page.evaluate(f"window.opened?.getTracks().every({ended})"))
    assert step(page) == "ask"
    expect(page.locator("#photo")).to_be_visible()


def test_the_page_works_with_the_keyboard_alone(
    open_page: Open, jobs: PhotoJobs
) -> None:
    jobs.finish(face=FACE)
    # Before the page is opened: Chromium takes a while until it tells of choosers.
    page = open_page(prepare=lambda page: page.on("filechooser", choose))
    page.get_by_role("button", name="Choose a file").focus()
    page.keyboard.press("Enter")
    wait_step(page, "ask")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # "This is me."
    page.keyboard.press("Tab")
    page.keyboard.type("Anna")
    page.keyboard.press("Tab")
    page.keyboard.type("Anna Example")
    page.keyboard.press("Enter")
    wait_step(page, "draft")
    page.wait_for_selector("#frame[data-picture]")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")  # the first sentence
    wait_pose(page, "talking")
    assert jobs.forms[0]["consent"] == "me"


def touch(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})


def test_a_touch_screen_is_told_to_choose_a_photo_and_not_to_drop_one(
    open_page: Open,
) -> None:
    for prepare, word in ((touch, "Choose"), (lambda _: None, "Drop")):
        page = open_page(prepare=prepare)
        wait_step(page, "choose")
        assert ("drop" in page.inner_text("main").lower()) == (word == "Drop")
        with page.expect_file_chooser():
            page.locator("#empty").get_by_text(f"{word} a photo").click()


def test_each_step_fits_a_narrow_phone(open_page: Open, jobs: PhotoJobs) -> None:
    page = open_page(width=360)
    jobs.title = "A" * 200

    def check_width() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        beyond = page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, a")]
              .map((each) => [each.id || each.innerText, each.getBoundingClientRect()])
              .filter(([, box]) => box.width)
              .filter(([, box]) => box.left < 0 || box.right > innerWidth)
              .map(([name]) => name)"""
        )
        assert beyond == []

    wait_step(page, "choose")
    expect(page.get_by_role("link", name="Demo")).to_be_visible()
    check_width()
    fill(page)
    check_width()
    page.get_by_label("This is me.", exact=True).check()
    jobs.set(face=FACE, warnings=[GLASSES])
    press(page, "Make the avatar")
    expect(page.get_by_text(GLASSES["message"])).to_be_visible()
    check_width()
    jobs.finish()
    wait_step(page, "draft")
    page.get_by_text("Jaw, smile and donor").click()
    page.wait_for_selector("#frame[data-picture]")
    check_width()
    press(page, "Keep it")
    wait_step(page, "kept")
    check_width()
