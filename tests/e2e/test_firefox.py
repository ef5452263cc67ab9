"""The pages in Firefox, which may have no H.264 and sends no media over loopback."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.probe.listening import speech
from bench.probe.stack import Gateway
from tests.e2e.calls import with_key
from tests.e2e.page_probe import MOUTH, PROBE
from tests.e2e.site import SITE, site
from tests.firefox import FirefoxPage, running_firefox
from tests.waiting import best_of, figures, until

pytestmark = [pytest.mark.livekit, pytest.mark.browser]
LIVE = "document.querySelector('#link').dataset.state === 'live'"
PICTURE = "document.querySelector('#frame[data-picture]') !== null"
POSE = "document.querySelector('#frame').dataset.pose"

# Without a sound card Firefox has no AudioContext that runs, but it decodes.
KEEP_CONNECTIONS = """() => {
  window.connections = [];
  window.RTCPeerConnection = new Proxy(RTCPeerConnection, {
    construct(native, args) {
      const connection = new native(...args);
      window.connections.push(connection);
      return connection;
    },
  });
}"""
ENERGY = """(async () => {
  let energy = 0;
  for (const connection of connections)
    for (const each of (await connection.getStats()).values())
      if (each.type === "inbound-rtp" && each.kind === "audio")
        energy += each.totalAudioEnergy;
  return energy;
})()"""


@pytest.fixture(scope="module")
def page(firefox: Path) -> Iterator[FirefoxPage]:
    with running_firefox(firefox) as page:
        page.run_in_new_pages(KEEP_CONNECTIONS)
        yield page


def press(page: FirefoxPage, label: str) -> None:
    page.evaluate(
        "[...document.querySelectorAll('button')]"
        f".find((button) => button.innerText.includes({json.dumps(label)})).click()"
    )


def probe(page: FirefoxPage, seconds: float) -> dict[str, float]:
    options = json.dumps({"seconds": seconds, "mouth": MOUTH})
    measured: dict[str, float] = page.evaluate(f"({PROBE})({options})")
    return measured


def energy(page: FirefoxPage, seconds: float) -> float:
    """Return the energy of the audio that is decoded in this time."""
    before: float = page.evaluate(ENERGY)
    time.sleep(seconds)
    after: float = page.evaluate(ENERGY)
    return after - before


def shows_a_face(path: Path) -> bool:
    """Tell whether there are many colours where the video is; a black box has one."""
    picture = np.asarray(Image.open(path).convert("L"), float)
    height, width = picture.shape
    middle = picture[height // 8 : height // 2, width // 4 : width // 2]
    return bool(middle.std() > 20)


@best_of(3)
def test_the_demo_page_shows_a_talking_avatar_and_interrupts_it(
    page: FirefoxPage, gateway: Gateway, tmp_path: Path
) -> None:
    page.resize(1280, 800)
    page.open(gateway.url)
    page.wait_for(LIVE)
    page.wait_for(PICTURE)
    idle = probe(page, 1.0)
    press(page, "Many P, B and M")
    page.wait_for(f"{POSE} === 'talking'")
    talking = probe(page, 1.5)
    page.screenshot(tmp_path / "talking.png")
    press(page, "A long one, to interrupt")
    spoken = energy(page, 1.0)
    press(page, "Interrupt")
    page.wait_for(f"{POSE} === 'idle'")
    # Each second anew: the jitter buffer of a busy machine is long. The sentence would
    # go on for longer than that.
    silent = min(energy(page, 1.0) for _ in range(3))
    print("idle", idle, "talking", talking, spoken, silent, tmp_path)
    with figures():
        assert spoken > 0.001
        assert silent < 0.01 * spoken
        assert talking["motion"] > 1.5 * idle["motion"]
        assert talking["rate"] > 10
    assert shows_a_face(tmp_path / "talking.png")
    page.open("about:blank")
    assert page.problems == []


def test_the_embed_page_speaks(
    page: FirefoxPage, gateway: Gateway, tmp_path: Path
) -> None:
    call = with_key(gateway)
    embedding = call.data("POST", "/v2/embeddings", {"avatar_id": "mira"})
    script = embedding["script"].replace(" async", "")
    (tmp_path / "index.html").write_text(SITE.format(script=script))
    audio = base64.b64encode(speech(1.0)).decode()
    with site(tmp_path) as url:
        page.open(url)
        page.wait_for("window.avatar !== undefined")
        page.wait_for("document.querySelector('#begin') !== null", frame=True)
        page.evaluate(
            f"avatar.start(), avatar.speak({json.dumps(audio)}), avatar.speakEnd(), 1"
        )
        page.wait_for("received.includes('agent.speak_ended')")
        playing = "(({ videoWidth, currentTime }) => videoWidth > 0 && currentTime > 0)"
        page.wait_for(f"{playing}(document.querySelector('video'))", frame=True)
        page.evaluate("avatar.stop(), 1")
        page.wait_for("received.includes('embed.over')")
        page.open("about:blank")
    path = f"/v1/sessions?type=historic&embed_id={embedding['embed_id']}"
    [item] = until(lambda: call.data("GET", path)["results"])
    assert item["end_reason"] == "USER_CLOSED"
