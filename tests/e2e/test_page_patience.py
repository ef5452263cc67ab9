"""Pages whose steps fail or do not end: they tell why, and try again."""

from collections.abc import Callable

import pytest

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from bench.probe.stack import Gateway
from tests.e2e.pages import wait_live
from tests.waiting import until

pytestmark = [pytest.mark.livekit, pytest.mark.browser]

Open = Callable[..., Page]

LONGEST_S = 31  # that the page waits for one step
PAUSE_S = 6  # and between two tries

# What is held once, as by a network: the first WebSocket of a session never opens; then
# a peer connection learns no address of the server; and after that, the first video is
# not shown.
HOLD = """
window.held = [];
class HeldSocket extends EventTarget {
  readyState = 0;
  close() {
    setTimeout(() => {
      const event = new CloseEvent("close", { code: 1006 });
      this.dispatchEvent(event);
      this.onclose?.(event);
    });
  }
}
window.WebSocket = class extends WebSocket {
  constructor(url, ...rest) {
    if (held.includes("socket") || !String(url).includes("/v1/ws/")) {
      super(url, ...rest);
    } else {
      held.push("socket");
      return new HeldSocket();
    }
  }
};
const { addIceCandidate, setRemoteDescription } = RTCPeerConnection.prototype;
const holdsMedia = () => window.mediaMayCome !== true;
RTCPeerConnection.prototype.addIceCandidate = async function (candidate) {
  if (!holdsMedia()) return addIceCandidate.call(this, candidate);
};
RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
  if (holdsMedia()) {
    held.push("media");
    sdp = sdp.replace(/^a=candidate.*\\r\\n/gm, "");
  }
  return setRemoteDescription.call(this, { type, sdp });
};
window.heldStream = null;
addEventListener("playing", (event) => {
  if (event.target.id !== "video") return;
  heldStream ??= event.target.srcObject;
  if (event.target.srcObject !== heldStream) return;
  held.push("video");
  event.stopImmediatePropagation();
}, true);
"""


def test_each_step_that_does_not_end_is_told_and_tried_again(open_page: Open) -> None:
    seen: list[str] = []

    def hold(name: str) -> Callable[[Route], None]:
        return lambda _: seen.append(name)

    def hold_first_signal(socket: WebSocketRoute) -> None:
        if "signal" in seen:
            socket.connect_to_server()
        seen.append("signal")

    def prepare(page: Page) -> None:
        page.clock.install()
        page.add_init_script(HOLD)
        page.route_web_socket("**/rtc**", hold_first_signal)
        page.route("**/demo.json", hold("demo"), times=1)
        page.route("**/v1/avatars/public*", hold("avatars"), times=1)
        page.route("**/v1/sessions/token", hold("token"), times=1)
        page.route("**/v1/sessions/start", hold("start"), times=1)
        page.route("**/livekit-client.esm.mjs", hold("client"), times=1)

    page = open_page(prepare=prepare, live=False)
    link, cover = page.locator("#link"), page.locator("#cover")

    def reached(name: str) -> bool:
        page.wait_for_timeout(20)  # Playwright handles events only while it waits
        return name in [*seen, *page.evaluate("held")]

    for name, told in (
        ("avatars", "The gateway does not answer"),
        ("token", "The gateway does not answer"),
        ("start", "The gateway does not answer"),
        ("socket", "The LiveKit client is missing"),
        ("signal", "The LiveKit room could not be joined"),
        ("media", "The LiveKit room could not be joined"),
    ):
        until(lambda name=name: reached(name))
        page.clock.fast_forward(1000 * LONGEST_S)
        expect(link).to_have_attribute("data-state", "failed")
        expect(cover).to_contain_text(told)
        page.clock.fast_forward(1000 * PAUSE_S)
    page.evaluate("window.mediaMayCome = true")
    until(lambda: reached("video"))
    expect(cover).to_contain_text("The picture comes with the first frame")
    page.clock.fast_forward(1000 * LONGEST_S)
    expect(cover).to_contain_text("no frame of the avatar has arrived")
    page.clock.fast_forward(1000 * PAUSE_S)
    wait_live(page)
    expect(cover).to_be_hidden()


BUSY = "2 sessions run here; try again later"


def busy(route: Route) -> None:
    """Refuse a session for seven seconds, as the gateway does."""
    body = {"code": 4429, "data": None, "message": BUSY}
    route.fulfill(status=429, json=body, headers={"Retry-After": "7"})


def test_a_gateway_without_room_for_a_session_is_asked_again_when_it_says(
    open_page: Open,
) -> None:
    def prepare(page: Page) -> None:
        page.clock.install()
        page.route("**/v1/sessions/start", busy, times=1)

    page = open_page(prepare=prepare, live=False)
    expect(page.locator("#cover-title")).to_have_text("The gateway is busy")
    told = page.locator("#cover-text")
    expect(told).to_have_text(f"{BUSY}. This page tries again in 7 seconds.")
    page.clock.fast_forward(7000)
    wait_live(page)


def test_an_embedded_page_asks_again_too(
    new_page: Callable[..., Page], gateway: Gateway
) -> None:
    embedding = gateway.call("POST", "/v2/embeddings", {"avatar_id": "fiducial"})
    page = new_page()
    page.clock.install()
    page.route("**/v1/sessions/start", busy, times=1)
    page.goto(embedding["url"])
    page.get_by_role("button", name="Start").click()
    told = page.get_by_role("status")
    expect(told).to_have_text(
        "The gateway is busy. This page tries again in 7 seconds."
    )
    page.clock.fast_forward(7000)
    expect(page.locator("body")).to_have_attribute("data-state", "live")
    until(lambda: page.evaluate("document.querySelector('video').videoWidth"))
    expect(told).to_be_empty()


def test_a_page_whose_modules_do_not_come_is_loaded_again(open_page: Open) -> None:
    held: list[Route] = []

    def prepare(page: Page) -> None:
        page.clock.install()
        page.route("**/js/talk.js", lambda route: route.abort(), times=1)
        page.route("**/js/voice.js", lambda route: held.append(route), times=1)

    page = open_page(prepare=prepare, live=False)
    told = page.locator("#cover-text")
    expect(told).to_contain_text("Parts of this page could not be loaded")
    page.clock.fast_forward(3000)
    until(lambda: page.wait_for_timeout(20) or held)
    expect(told).to_have_text("Starting the avatar…")
    page.clock.fast_forward(8000)
    expect(told).to_contain_text("This page is still loading")
    page.clock.fast_forward(60_000)
    expect(told).to_contain_text("Parts of this page could not be loaded")
    page.clock.fast_forward(3000)
    wait_live(page)
