"""The embeddable page in a real browser, in a frame of a third-party site."""

import base64
import re

import pytest

pytest.importorskip("playwright.sync_api")

from bench.probe.listening import speech
from tests.e2e.calls import with_key
from tests.e2e.pages import running_chromium
from tests.e2e.site import SITE, open_site, site
from tests.waiting import until

pytestmark = [pytest.mark.livekit, pytest.mark.browser]


def luminance(colour: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)``, as WCAG 2 defines it."""
    linear = []
    for part in re.findall(r"\d+", colour)[:3]:
        share = int(part) / 255
        dark = share <= 0.03928
        linear.append(share / 12.92 if dark else ((share + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_button_that_starts_can_be_read(gateway, chromium):
    embedding = gateway.call("POST", "/v2/embeddings", {"avatar_id": "fiducial"})
    colours = "(e) => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    with running_chromium(chromium) as browser:
        page = browser.new_page(viewport={"width": 390, "height": 300})
        page.goto(embedding["url"])
        button = page.get_by_role("button", name="Start")
        text, ground = map(luminance, button.evaluate(colours))
    assert (text + 0.05) / (ground + 0.05) >= 4.5


@pytest.mark.parametrize("kind", ["DEFAULT", "WIDGET"])
def test_a_third_party_page_makes_the_embedded_avatar_speak(
    gateway, chromium, tmp_path, kind
):
    call = with_key(gateway)
    body = {"avatar_id": "fiducial", "type": kind}
    embedding = call.data("POST", "/v2/embeddings", body)
    script = embedding["script"].replace(" async", "")
    (tmp_path / "index.html").write_text(SITE.format(script=script))
    audio = base64.b64encode(speech(1.0)).decode()
    with site(tmp_path) as url, running_chromium(chromium) as browser:
        page, frame = open_site(browser, url)
        page.evaluate(
            """(audio) => {
              avatar.start(); avatar.speak(audio); avatar.speakEnd();
            }""",
            audio,
        )
        page.wait_for_function("received.includes('agent.speak_ended')")
        video = frame.locator("video")
        playing = "(v) => v.videoWidth > 0 && v.currentTime > 0"
        assert until(lambda: video.evaluate(playing))
        page.evaluate("avatar.stop()")
        page.wait_for_function("received.includes('embed.over')")
    path = f"/v1/sessions?type=historic&embed_id={embedding['embed_id']}"
    [item] = until(lambda: call.data("GET", path)["results"])
    assert (item["source"], item["end_reason"]) == ("EMBED", "USER_CLOSED")
    assert item["duration"] >= 1
