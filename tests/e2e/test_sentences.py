"""Sample sentences of the demo page: their voices, and files that are lost."""

import pytest

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Page, Route, expect

from tests.e2e.pages import wait_live
from tests.e2e.test_demo_page import Open

pytestmark = [pytest.mark.livekit, pytest.mark.browser]


def test_a_sentence_is_said_by_the_voice_of_the_avatar(open_page: Open) -> None:
    def name_voices(page: Page) -> None:
        def answer(route: Route) -> None:
            response = route.fetch()
            listed = response.json()
            for avatar in listed["data"]["results"]:
                voice = "heart-low" if avatar["name"] == "fiducial" else "heart"
                avatar["default_voice"] = {"id": voice, "name": voice}
            route.fulfill(response=response, json=listed)

        page.route("**/v1/avatars/public?*", answer)

    page = open_page(prepare=name_voices, path="/?avatar=mira")
    sentence = page.get_by_role("button", name="A short hello")
    sentence.click()
    expect(sentence).to_have_attribute("aria-current", "true")
    page.locator("#avatar").select_option("fiducial")
    wait_live(page)
    with page.expect_response("**/samples/hello-heart-low.wav") as response:
        sentence.click()
    assert response.value.ok
    expect(sentence).to_have_attribute("aria-current", "true")


def test_a_sentence_that_could_not_be_loaded_is_loaded_when_it_is_pressed_again(
    open_page: Open,
) -> None:
    lost = [True]

    def answer(route: Route) -> None:
        route.abort() if lost[0] else route.continue_()

    page = open_page(prepare=lambda page: page.route("**/samples/hello.wav", answer))
    sentence = page.get_by_role("button", name="A short hello")
    sentence.click()
    status = page.get_by_role("status")
    expect(status).to_contain_text("The sentence could not be loaded")
    lost[0] = False
    sentence.click()
    expect(sentence).to_have_attribute("aria-current", "true")
