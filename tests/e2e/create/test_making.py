"""
The page that makes an avatar from a photo: the whole way, in a real browser.

`PhotoJobs` answers in place of the gateway's jobs. Sessions are real, with an
avatar that stands for the draft.
"""

import re

import pytest

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Page, expect  # noqa: E402 - after the skip

from bench.probe.stack import Gateway  # noqa: E402 - the same
from tests.e2e.create.actions import (  # noqa: E402 - the same
    GLASSES,
    GREY,
    PHOTO,
    Open,
    fill,
    make_draft,
    picture,
    press,
    say_hello,
    send,
    step,
    wait_step,
)
from tests.e2e.create.photo_jobs import FACE, PhotoJobs  # noqa: E402 - the same
from tests.e2e.pages import wait_live  # noqa: E402 - the same
from tests.waiting import until  # noqa: E402 - the same

pytestmark = [pytest.mark.livekit, pytest.mark.browser]
# Mean colour of a square of 9 canvas pixels around a pixel of the picture; ``part`` is
# left, top and side of what the canvas shows.
PIXEL = """
(canvas, [x, y, part]) => {
  const scale = canvas.width / part[2];
  const pen = new OffscreenCanvas(3, 3).getContext('2d');
  pen.drawImage(canvas, 1 - (x - part[0]) * scale, 1 - (y - part[1]) * scale);
  const { data } = pen.getImageData(0, 0, 3, 3);
  return [0, 1, 2].map((channel) =>
    data.reduce((sum, value, i) => sum + (i % 4 === channel ? value : 0), 0) / 9);
}
"""
MINT = pytest.approx([0x8F, 0xE3, 0xD3], abs=12)
MINT = pytest.approx([0x8F, 0xE3, 0xD3], abs=12)
RED, BLUE = [220, 30, 30], [30, 30, 220]


def colour(page: Page, x: float, y: float, part: list[float]) -> list[float]:
    measured: list[float] = page.locator("#photo").evaluate(PIXEL, [x, y, part])
    return measured


# Whether avatars are made here.


def test_where_no_avatars_are_made_the_page_says_how_to_switch_it_on(
    open_page: Open,
) -> None:
    page = open_page(creates=False)
    wait_step(page, "off")
    expect(page.get_by_text("lite-gateway dev --allow-create")).to_be_visible()
    expect(page.get_by_text("LITE_ALLOW_CREATE=on")).to_be_visible()
    expect(page.get_by_role("button", name="Choose a file")).to_be_hidden()


@pytest.mark.parametrize("creates", [True, False])
def test_the_demo_page_links_to_it_where_avatars_are_made(
    open_page: Open, creates: bool
) -> None:
    page = open_page(creates=creates, path="/")
    wait_live(page)
    link = page.get_by_role("link", name="Make an avatar")
    if not creates:
        return expect(link).to_be_hidden()
    link.click()
    wait_step(page, "choose")
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()


def test_without_a_key_the_page_asks_for_one(open_page: Open, gateway: Gateway) -> None:
    page = open_page(demo={"api_key": ""})
    field = page.get_by_label("API key")
    field.fill(gateway.get("/demo.json").json()["api_key"])
    press(page, "Connect")
    expect(field).to_be_hidden()
    send(page)
    wait_step(page, "work")


# The whole way.


def test_nothing_is_sent_before_the_question_of_consent_is_answered(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    fill(page)
    press(page, "Make the avatar")
    page.wait_for_timeout(300)
    assert step(page) == "ask"
    assert "POST" not in sent
    assert page.evaluate("document.activeElement.name") == "consent"

    page.get_by_label("I have this person").check()
    press(page, "Make the avatar")
    wait_step(page, "work")
    [form] = jobs.forms
    assert form["picture"] == ("anna.png", "image/png", PHOTO["buffer"])
    assert form["consent"] == "consent"
    assert (form["title"], form["who"]) == ("Anna", "Anna Example")
    assert form["background"] == "any"


def test_face_and_warnings_are_shown_while_the_work_goes_on(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    send(page)
    expect(page.locator("#announced")).to_have_text("Finding the face…")
    jobs.set(progress=0.4, step="painting keyframes", face=FACE, warnings=[GLASSES])
    expect(page.get_by_text(GLASSES["message"])).to_be_visible()
    expect(page.locator("#announced")).to_have_text("Painting keyframes…")
    bar = page.get_by_role("progressbar", name="Making the avatar")
    until(lambda: bar.evaluate("(bar) => bar.value") == pytest.approx(0.4))
    described = re.compile("box around the face and 478 points")
    expect(page.get_by_role("img", name=described)).to_be_visible()

    part = [50.0, 0.0, 100.0]  # the square part around the face
    for x, y in (FACE["landmarks"][0], FACE["landmarks"][-1], (70, 50), (100, 80)):
        assert colour(page, x, y, part) == MINT
    assert colour(page, 90, 40, part) == pytest.approx(GREY, abs=3)


def test_the_photo_that_is_shown_is_the_one_that_is_sent(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    page.evaluate(
        """() => {
          const decode = createImageBitmap;
          window.createImageBitmap = async (file) => {
            if (file.name === "first.png") await new Promise((go) => (window.go = go));
            return decode(file);
          };
        }"""
    )
    page.set_input_files("#file", {**picture(RED, RED), "name": "first.png"})
    until(lambda: page.evaluate("typeof window.go === 'function'"))
    send(page, picture(BLUE, BLUE))
    page.evaluate("go()")
    wait_step(page, "work")

    def is_blue() -> bool:
        return bool(colour(page, 100, 50, [0, 0, 200]) == pytest.approx(BLUE, abs=3))

    until(is_blue)
    page.wait_for_timeout(200)  # it stays
    assert step(page) == "work"
    assert is_blue()
    assert [form["picture"][0] for form in jobs.forms] == ["anna.png"]


def test_a_photo_on_its_side_is_turned_as_the_gateway_turned_it(
    open_page: Open, jobs: PhotoJobs
) -> None:
    face = {"width": 100, "height": 200, "turned": 90, "box": [30, 30, 40, 40],
            "landmarks": [[50, 50]]}  # fmt: skip
    jobs.set(face=face)
    page = open_page()
    send(page, picture(RED, BLUE))
    expect(page.get_by_role("img", name=re.compile("1 points"))).to_be_visible()
    part = [8.0, 8.0, 84.0]  # of the upright picture; what was right is above
    assert colour(page, 50, 50, part) == MINT
    assert colour(page, 15, 60, part) == pytest.approx(BLUE, abs=3)


def test_a_draft_speaks_before_any_background_and_is_kept(
    open_page: Open, jobs: PhotoJobs, gateway: Gateway
) -> None:
    page = open_page()
    make_draft(page, jobs)
    say_hello(page)
    shown = "(image) => image.naturalWidth"
    until(lambda: page.locator("#preview").evaluate(shown) == 64)

    with page.expect_request("**/v1/sessions/token") as asked:
        page.locator("#background").select_option("colour")
    body = asked.value.post_data_json
    assert body["avatar_id"] == jobs.avatar_id
    assert body["video_settings"]["background"] == "#f3efe6"
    page.wait_for_selector("#frame[data-picture]")
    say_hello(page)

    press(page, "Keep it")
    expect(page.get_by_role("heading", name="Anna is kept")).to_be_focused()
    assert jobs.kept == [{"background": "#f3efe6"}]
    page.get_by_role("link", name="Talk with Anna").click()
    wait_live(page)
    expect(page.locator("#avatar")).to_have_value("theo")
    active = gateway.call("GET", "/v1/sessions?type=active")["results"]
    assert [item["avatar_id"] for item in active][:1] == ["theo"]


def test_jaw_and_smile_are_changed_by_another_job_that_replaces_the_draft(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    make_draft(page, jobs)
    page.get_by_text("Jaw, smile and donor").click()
    page.get_by_label("Moves of jaw and mouth").fill("1.2")
    expect(page.get_by_text("120 %")).to_be_visible()
    page.get_by_label("Who lends").select_option("theo")
    jobs.set(state="running", progress=0.5, avatar_id=None, preview=None)
    press(page, "Make it again")
    wait_step(page, "work")
    assert jobs.deleted == []
    jobs.finish()
    wait_step(page, "draft")
    until(lambda: (page.wait_for_timeout(50), jobs.deleted)[1] == ["job-1"])
    first, second = jobs.forms
    assert (first["donor"], second["donor"]) == ("", "theo")
    assert (first["jaw"], second["jaw"]) == ("1", "1.2")
    assert second["picture"] == first["picture"]
    page.locator("#background").select_option("evening")
    press(page, "Keep it")
    wait_step(page, "kept")
    assert jobs.kept == [{"background": "evening"}]


def test_a_discarded_draft_is_deleted_and_its_session_ends(
    open_page: Open, jobs: PhotoJobs, gateway: Gateway
) -> None:
    page = open_page()
    make_draft(page, jobs)
    session, *_ = gateway.active_sessions()
    press(page, "Discard it")
    wait_step(page, "ask")
    expect(page.get_by_label("Name of the avatar")).to_have_value("Anna")
    until(lambda: session not in gateway.active_sessions())
    assert jobs.deleted == ["job-1"]
