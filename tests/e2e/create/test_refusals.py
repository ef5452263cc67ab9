"""The page that makes an avatar from a photo: what does not do, and interruptions."""

import re
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import expect  # noqa: E402 - after the skip

from tests.e2e.create.actions import (  # noqa: E402 - the same
    PHOTO,
    Open,
    make_draft,
    press,
    say_hello,
    send,
    step,
    wait_step,
)
from tests.e2e.create.photo_jobs import FACE, RUNNING, PhotoJobs, refusal  # noqa: E402 - the same
from tests.waiting import until  # noqa: E402 - the same

pytestmark = [pytest.mark.livekit, pytest.mark.browser]


# What does not do.


def test_a_refused_photo_says_what_to_do_and_another_one_is_taken(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    jobs.set(face=FACE)
    jobs.fail("eyes_hidden", "The eyes are covered: choose one without sunglasses.")
    send(page)
    wait_step(page, "refused")
    title = page.get_by_role("heading", name="The eyes are covered")
    expect(title).to_be_focused()
    expect(page.locator("#refused-text")).to_have_text("Choose one without sunglasses.")
    whole = "(canvas) => canvas.width / canvas.height"
    assert page.locator("#photo").evaluate(whole) == pytest.approx(2, abs=0.01)
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    expect(page.get_by_role("heading", name="A good photo")).to_be_visible()
    press(page, "Choose another photo")
    page.set_input_files("#file", PHOTO)
    wait_step(page, "ask")
    expect(page.get_by_label("Your name")).to_have_value("Anna Example")
    # The consent was that to the other photo.
    expect(page.locator("[name=consent]:checked")).to_have_count(0)
    press(page, "Make the avatar")
    assert len(jobs.forms) == 1
    wait_step(page, "ask")


@pytest.mark.parametrize(
    ("status", "body", "title", "can_retry"),
    [
        (
            413,
            refusal("too_large", "It has over 40 MB: choose another."),
            "It has over 40 MB",
            False,
        ),
        (422, refusal("not_a_picture", "It is empty."), "No avatar was made", False),
        (
            429,
            {"code": 4429, "data": None, "message": "another photo is worked on"},
            "The gateway takes no photo at the moment",
            True,
        ),
        (
            403,
            {"code": 4403, "data": None, "message": "the API key lacks a scope"},
            "This key makes no avatars",
            True,
        ),
        (
            500,
            {"code": 4500, "data": None, "message": "internal server error"},
            "The gateway refused the request",
            True,
        ),
    ],
)
def test_a_refused_request_is_explained(
    open_page: Open,
    jobs: PhotoJobs,
    status: int,
    body: Any,
    title: str,
    can_retry: bool,
) -> None:
    jobs.post = (status, body)
    page = open_page()
    send(page)
    expect(page.locator("#refused-title")).to_contain_text(title)
    expect(page.locator("#refused-text")).to_contain_text(body["message"][-10:])
    retry = page.get_by_role("button", name="Try again")
    assert retry.is_visible() == can_retry
    if can_retry:
        jobs.post = None
        retry.click()
        wait_step(page, "work")
        assert len(jobs.forms) == 2


def test_a_form_that_is_refused_can_be_mended(open_page: Open, jobs: PhotoJobs) -> None:
    jobs.post = (422, refusal("wrong_option", "title: must be one line."))
    page = open_page()
    send(page)
    alert = page.get_by_role("alert").filter(has_text="title: must be one line.")
    expect(alert).to_be_visible()
    assert step(page) == "ask"
    jobs.post = None
    press(page, "Make the avatar")
    wait_step(page, "work")


def test_a_file_over_the_limit_is_not_sent(open_page: Open, jobs: PhotoJobs) -> None:
    page = open_page()
    big = """() => {
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array(41e6)], 'big.jpg'));
      const event = new DragEvent('drop', { dataTransfer: files, bubbles: true });
      document.body.dispatchEvent(event);
    }"""
    page.evaluate(big)
    expect(page.locator("#refused-title")).to_have_text("The file has over 40 MB")
    assert jobs.forms == []


def test_a_dropped_file_that_the_browser_cannot_show_is_sent_all_the_same(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    drop = """() => {
      const files = new DataTransfer();
      files.items.add(new File(['ftypheic'], 'anna.heic', { type: 'image/heic' }));
      const event = new DragEvent('drop', { dataTransfer: files, bubbles: true });
      document.body.dispatchEvent(event);
    }"""
    page.evaluate(drop)
    wait_step(page, "ask")
    expect(page.locator("#ask-notice")).to_contain_text("cannot show “anna.heic”")
    page.get_by_label("This is me.", exact=True).check()
    page.get_by_label("Name of the avatar").fill("Anna")
    page.get_by_label("Your name").fill("Anna")
    jobs.set(face=FACE)
    press(page, "Make the avatar")
    expect(page.get_by_role("img", name=re.compile("478 points"))).to_be_visible()
    assert jobs.forms[0]["picture"] == ("anna.heic", "image/heic", b"ftypheic")


# Interruptions.


def test_a_cancelled_job_is_deleted_and_the_form_is_there_again(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    send(page)
    expect(page.locator("#work-text")).to_have_text("Finding the face…")
    press(page, "Cancel")
    wait_step(page, "ask")
    assert jobs.deleted == ["job-1"]
    page.get_by_label("Behind the person").select_option("transparent")
    press(page, "Make the avatar")  # the answers are still there
    expect(page.locator("#work-text")).to_have_text("Finding the face…")
    assert [form["background"] for form in jobs.forms] == ["any", "transparent"]


def test_the_next_job_waits_until_a_cancelled_one_has_ended(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    send(page)
    expect(page.locator("#work-text")).to_have_text("Finding the face…")
    jobs.holds_deletes = True
    press(page, "Cancel")
    press(page, "Make the avatar")
    page.wait_for_timeout(500)
    assert len(jobs.forms) == 1
    jobs.release()
    until(lambda: (page.wait_for_timeout(20), len(jobs.forms))[1] == 2)
    expect(page.locator("#work-text")).to_have_text("Finding the face…")


def test_a_second_job_that_fails_leaves_the_first_draft(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    make_draft(page, jobs)
    page.get_by_text("Jaw, smile and donor").click()
    jobs.post = (429, {"code": 4429, "data": None, "message": "another job runs"})
    press(page, "Make it again")
    notice = page.locator("#draft-notice")
    expect(notice).to_contain_text("The gateway takes no photo at the moment")
    page.wait_for_selector("#frame[data-picture]")
    say_hello(page)
    assert jobs.deleted == []


def test_a_second_job_that_is_cancelled_leaves_the_first_draft(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    make_draft(page, jobs)
    jobs.job = {**RUNNING}
    page.get_by_text("Jaw, smile and donor").click()
    press(page, "Make it again")
    expect(page.locator("#work-text")).to_have_text("Finding the face…")
    press(page, "Cancel")
    wait_step(page, "draft")
    page.wait_for_selector("#frame[data-picture]")
    assert jobs.deleted == ["job-2"]
    page.locator("#background").select_option("transparent")
    press(page, "Keep it")
    wait_step(page, "kept")
    assert jobs.kept == [{}]  # transparent is what each session asks for


def test_a_draft_stays_when_it_cannot_be_kept_at_the_moment(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    make_draft(page, jobs)
    jobs.keep = (503, {"code": 4503, "data": None, "message": "the database is down"})
    press(page, "Keep it")
    expect(page.locator("#draft-notice")).to_contain_text("the database is down")
    jobs.keep = None
    press(page, "Keep it")
    wait_step(page, "kept")


def test_the_page_waits_for_a_gateway_that_does_not_answer(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page()
    send(page)
    wait_step(page, "work")
    jobs.limited = True
    with page.expect_response(lambda response: response.status == 429):
        pass
    jobs.limited, jobs.lost = False, True
    expect(page.locator("#work-text")).to_contain_text("does not answer")
    jobs.lost = False
    jobs.finish(face=FACE)
    wait_step(page, "draft")


def test_a_reload_goes_on_with_the_job(open_page: Open, jobs: PhotoJobs) -> None:
    page = open_page()
    send(page)
    expect(page.locator("#work-text")).to_have_text("Finding the face…")
    page.reload()
    wait_step(page, "work")
    jobs.finish(face=FACE)
    wait_step(page, "draft")
    expect(page.get_by_text("Jaw, smile and donor")).to_be_hidden()  # the photo is gone
    press(page, "Discard it")
    wait_step(page, "choose")
    page.reload()
    expect(page.get_by_role("button", name="Choose a file")).to_be_visible()


@pytest.mark.parametrize("status", [404, 409])
def test_a_draft_that_is_gone_can_be_made_again(
    open_page: Open, jobs: PhotoJobs, status: int
) -> None:
    page = open_page()
    make_draft(page, jobs)
    jobs.keep = (status, {"code": 4404, "data": None, "message": "no such job"})
    press(page, "Keep it")
    expect(page.locator("#refused-title")).to_have_text("This avatar is gone")
    press(page, "Try again")
    wait_step(page, "draft")
    assert len(jobs.forms) == 2


def test_a_draft_that_has_expired_is_not_offered_any_longer(
    open_page: Open, jobs: PhotoJobs
) -> None:
    page = open_page(prepare=lambda page: page.clock.install())
    jobs.finish(face=FACE)
    send(page)
    wait_step(page, "draft")
    jobs.ended["job-1"]["state"] = "cancelled"
    page.clock.fast_forward("31:00")
    expect(page.locator("#refused-title")).to_have_text("This avatar is gone")
