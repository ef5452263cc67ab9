"""Actions of a person on the page that makes an avatar from a photo."""

import io
from collections.abc import Callable
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.create.photo_jobs import FACE, PhotoJobs
from tests.e2e.pages import wait_pose
from tests.waiting import PATIENCE_S

expect.set_options(timeout=1000 * PATIENCE_S)

Open = Callable[..., Page]
GREY = [128] * 3
GLASSES = {"code": "glasses", "message": "There are glasses: take them off."}


def picture(left: list[int], right: list[int]) -> dict[str, Any]:
    """Return a file of 200 x 100 pixels with two halves, as a file input takes it."""
    image = Image.new("RGB", (200, 100), tuple(left))
    image.paste(tuple(right), (100, 0, 200, 100))
    content = io.BytesIO()
    image.save(content, "PNG")
    return {"name": "anna.png", "mimeType": "image/png", "buffer": content.getvalue()}


PHOTO = picture(GREY, GREY)


def step(page: Page) -> str | None:
    return page.locator("body").get_attribute("data-step")


def wait_step(page: Page, name: str) -> None:
    expect(page.locator("body")).to_have_attribute("data-step", name)


def fill(page: Page, photo: Any = PHOTO) -> None:
    """Choose a photo and fill the form, all but the consent."""
    page.set_input_files("#file", photo)
    wait_step(page, "ask")
    page.get_by_label("Name of the avatar").fill("Anna")
    page.get_by_label("Your name").fill("Anna Example")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def send(page: Page, photo: Any = PHOTO) -> None:
    fill(page, photo)
    page.get_by_label("This is me.", exact=True).check()
    press(page, "Make the avatar")


def make_draft(page: Page, jobs: PhotoJobs) -> None:
    jobs.finish(face=FACE)
    send(page)
    wait_step(page, "draft")
    page.wait_for_selector("#frame[data-picture]")


def say_hello(page: Page) -> None:
    page.get_by_role("button", name="A short hello").click()
    wait_pose(page, "talking")
