"""The demo page in a real browser: video, audio, messages and controls."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from bench.probe.stack import Gateway
from tests.e2e.page_probe import MOUTH, PROBE
from tests.e2e.pages import wait_live, wait_pose
from tests.waiting import PATIENCE_S, best_of, figures, until

pytestmark = [pytest.mark.livekit, pytest.mark.browser]

SAMPLES = Path(__file__).parents[2] / "web" / "samples"
LONG = "A long one, to interrupt"
# Each text counts: on a busy machine the next one may come before a test has looked.
RECORD_ANNOUNCEMENTS = """() => {
  window.announcements = [];
  new MutationObserver((records) => announcements.push(
    ...records.flatMap((each) => [...each.addedNodes].map((node) => node.textContent))
  )).observe(document.getElementById("announced"), { childList: true });
}"""
# Audio that needs a press, as in browsers. Playwright's own calls count as one there.
BLOCK_AUDIO = """
addEventListener('pointerdown', () => (window.pressed = true), { capture: true });
const { play } = HTMLMediaElement.prototype;
HTMLMediaElement.prototype.play = function () {
  if (this.tagName === 'VIDEO' || window.pressed) return play.call(this);
  return Promise.reject(new DOMException('no', 'NotAllowedError'));
};
"""
OLD = {"api_key": "of-the-gateway-before", "conversations": None, "create": False}
Open = Callable[..., Page]


def press(page: Page, sentence: str) -> None:
    page.get_by_role("button", name=sentence).click()
    wait_pose(page, "talking")


def probe(page: Page, seconds: float) -> dict[str, float]:
    measured: dict[str, float] = page.evaluate(
        PROBE, {"seconds": seconds, "mouth": MOUTH}
    )
    return measured


def change_response(
    page: Page, path: str, change: Callable[[dict[str, Any]], None]
) -> None:
    """Change the data of the gateway's response to ``path``."""

    def fulfil(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        change(body.get("data", body))
        route.fulfill(response=response, body=json.dumps(body))

    page.route(path, fulfil)


@best_of(3)
def test_a_clicked_sentence_is_seen_and_heard_and_an_interrupt_ends_it(
    open_page: Open,
) -> None:
    page = open_page()
    idle = probe(page, 1.5)
    press(page, "Many P, B and M")
    talking = probe(page, 1.5)
    started_s = time.monotonic()
    page.keyboard.press("Escape")
    wait_pose(page, "idle")
    took_s = time.monotonic() - started_s
    page.wait_for_timeout(300)
    after = probe(page, 0.6)

    print("idle", idle, "talking", talking, "after", after)
    rates = [measured["rate"] for measured in (idle, talking, after)]
    with figures():
        assert took_s < 1.0
        assert talking["motion"] > 2.5 * idle["motion"]
        assert talking["rms"] > max(0.02, 20 * idle["loudest"])
        assert after["loudest"] < 0.002
        assert 18 < max(rates) < 28  # 25, less the frames that a busy machine skips


def test_measurements_fill_the_figures_without_layout_shifts(open_page: Open) -> None:
    page = open_page()
    page.evaluate(
        """() => { window.shifts = [];
        new PerformanceObserver((list) => shifts.push(...list.getEntries()
          .map((entry) => entry.value))).observe({ type: 'layout-shift' }); }"""
    )
    names = ("added", "started", "voice", "cut", "silence")
    figure = {name: page.locator(f"#figure-{name}") for name in names}

    def are_filled() -> bool:
        """Interrupt a voice that is heard, not a pause: that measures no silence."""
        press(page, LONG)
        expect(figure["voice"]).to_contain_text(re.compile(r"N \d"))
        page.wait_for_timeout(300)
        page.get_by_role("button", name="Interrupt Esc").click()
        page.wait_for_timeout(1000)
        return all(re.search(r"N \d", each.inner_text()) for each in figure.values())

    until(are_filled)
    expect(page.locator("#figure-frames .value")).to_contain_text("a second")
    assert page.evaluate("shifts") == []
    print([card.inner_text() for card in page.locator(".figure").all()])


def test_the_page_works_with_the_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    page.evaluate(RECORD_ANNOUNCEMENTS)
    for _ in range(16):
        page.keyboard.press("Tab")
        if LONG in page.evaluate("document.activeElement.innerText"):
            break
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    wait_pose(page, "talking")
    until(lambda: "The avatar is talking." in page.evaluate("announcements"))
    page.keyboard.press("Escape")
    wait_pose(page, "idle")
    page.get_by_role("button", name="Listening", exact=True).focus()
    page.keyboard.press("Enter")
    wait_pose(page, "listening")


def test_the_page_fits_a_narrow_phone(open_page: Open) -> None:
    page = open_page(width=360, height=740)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    beyond = page.evaluate(
        """() => [...document.querySelectorAll('button, select, .figure')]
          .map((each) => [each.id || each.textContent, each.getBoundingClientRect()])
          .filter(([, box]) => box.width && (box.left < 0 || box.right > innerWidth))
          .map(([name]) => name)"""
    )
    assert beyond == []
    press(page, "A short hello")


def test_a_page_goes_on_with_a_gateway_that_was_started_again(
    open_page: Open,
) -> None:
    def restarted(page: Page) -> None:
        """Let the page have the key of before, and not get a file meanwhile."""
        page.route("**/demo.json", lambda route: route.fulfill(json=OLD), times=1)
        page.route("**/worklets/meter.js", lambda route: route.abort(), times=1)

    page = open_page(prepare=restarted)
    page.locator("#say-title").click()  # starts the loudness meter, which fails
    page.wait_for_timeout(200)
    press(page, "A short hello")
    expect(page.locator("#figure-voice")).to_contain_text(re.compile(r"N \d"))


def test_a_wrong_key_shows_an_error_and_a_right_one_connects(
    open_page: Open, gateway: Gateway
) -> None:
    def no_demo_key(page: Page) -> None:
        page.route("**/demo.json", lambda route: route.fulfill(json={"api_key": ""}))

    page = open_page(prepare=no_demo_key, live=False)
    key = page.get_by_label("API key")
    key.fill("not a key of anyone")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This key is not accepted")
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    key.fill(gateway.get("/demo.json").json()["api_key"])
    page.get_by_role("button", name="Connect").click()
    wait_live(page)
    page.reload()  # the key is kept
    wait_live(page)


def test_audio_that_the_browser_blocks_is_turned_on_by_a_press(open_page: Open) -> None:
    page = open_page(prepare=lambda page: page.add_init_script(BLOCK_AUDIO))
    sound = page.get_by_role("button", name="Turn on sound")
    sound.click()
    expect(sound).to_be_hidden()
    press(page, "Many P, B and M")
    assert probe(page, 1.0)["rms"] > 0.01


def test_the_page_says_that_it_waits_for_the_first_frame(open_page: Open) -> None:
    def hold_frames(page: Page) -> None:
        page.add_init_script(
            """addEventListener("playing", (event) => {
              if (!window.framesCome) event.stopImmediatePropagation();
            }, true);"""
        )

    page = open_page(prepare=hold_frames, live=False)
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    expect(page.get_by_role("alert")).to_contain_text("the first frame")
    expect(page.locator("#spinner")).to_be_visible()
    page.evaluate(
        """() => {
          window.framesCome = true;
          document.getElementById("video").dispatchEvent(new Event("playing"));
        }"""
    )
    expect(page.locator("#cover")).to_be_hidden()


def test_the_end_of_a_session_is_explained_and_it_can_start_again(
    open_page: Open, gateway: Gateway
) -> None:
    page = open_page()
    session, *_ = gateway.active_sessions()
    body = {"session_id": session, "reason": "AGENT_HANG_UP"}
    gateway.call("POST", "/v1/sessions/stop", body)
    expect(page.get_by_role("alert")).to_contain_text("The session has ended")
    expect(page.get_by_role("alert")).to_contain_text("AGENT_HANG_UP")
    page.get_by_role("button", name="Start again").click()
    wait_live(page)
    assert gateway.active_sessions()[0] != session


def test_leaving_the_page_stops_its_session(open_page: Open, gateway: Gateway) -> None:
    page = open_page()
    session, *_ = gateway.active_sessions()
    page.goto("about:blank")
    until(lambda: session not in gateway.active_sessions())


def test_an_unreachable_gateway_or_livekit_is_reported_with_a_remedy(
    open_page: Open,
) -> None:
    def abort_requests(page: Page) -> None:
        page.route("**/v1/sessions/token", lambda route: route.abort())

    page = open_page(prepare=abort_requests, live=False)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The gateway does not answer")
    expect(alert).to_contain_text("make run")
    page.unroute_all()
    change_response(
        page,
        "**/v1/sessions/start",
        lambda data: data.update(livekit_url="ws://127.0.0.1:9"),
    )
    page.get_by_role("button", name="Try again").click()
    expect(alert).to_contain_text("LiveKit cannot be reached")
    expect(alert).to_contain_text("ws://127.0.0.1:9")
    page.unroute_all()
    page.evaluate(
        """() => RTCPeerConnection.prototype.createOffer = () => {
          throw new TypeError("this browser has a bug"); }"""
    )
    page.get_by_role("button", name="Try again").click()
    expect(alert).to_contain_text("The LiveKit room could not be joined")
    expect(alert).to_contain_text("this browser has a bug")
    page.reload()
    wait_live(page)


def test_a_lost_socket_reconnects_to_the_same_session(
    open_page: Open, gateway: Gateway
) -> None:
    sockets: list[WebSocketRoute] = []

    def relay(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    page = open_page(prepare=lambda page: page.route_web_socket("**/v1/ws/**", relay))
    session, *_ = gateway.active_sessions()
    sockets[0].close(code=1012, reason="a proxy restarts")
    deadline_s = time.monotonic() + PATIENCE_S
    while len(sockets) < 2:  # Playwright handles events only while it waits
        assert time.monotonic() < deadline_s
        page.wait_for_timeout(50)
    wait_live(page)
    press(page, "A short hello")
    assert gateway.active_sessions()[0] == session


def test_an_audio_file_is_spoken_and_another_file_is_refused(open_page: Open) -> None:
    page = open_page()
    page.set_input_files("#file", SAMPLES / "hello.wav")
    wait_pose(page, "talking")
    expect(page.get_by_role("status")).to_have_text("Saying hello.wav.")
    text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no audio"}
    page.set_input_files("#file", text)
    expect(page.get_by_role("status")).to_contain_text("cannot be decoded")


def test_the_microphone_is_spoken_until_the_button_is_clicked_again(
    open_page: Open,
) -> None:
    page = open_page()  # Chromium's stand-in microphone beeps
    button = page.locator("#microphone")
    button.click()
    wait_pose(page, "talking")
    loudest = (probe(page, 1.0)["loudest"] for _ in range(6))  # it beeps now and then
    assert any(level > 0.002 for level in loudest)  # silence is 0.0 exactly
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    wait_pose(page, "idle")


def test_a_refused_microphone_is_reported_with_a_remedy(open_page: Open) -> None:
    refuse = """if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia =
        () => Promise.reject(new DOMException('no', 'NotAllowedError'));"""
    page = open_page(prepare=lambda page: page.add_init_script(refuse))
    page.locator("#microphone").click()
    expect(page.get_by_role("status")).to_contain_text("The microphone was refused")
    expect(page.locator("#microphone")).to_have_attribute("aria-pressed", "false")


def avatars(page: dict[str, Any]) -> list[str]:
    return [item["avatar_id"] for item in page["results"]]


def test_another_avatar_or_quality_starts_a_new_session(
    open_page: Open, gateway: Gateway
) -> None:
    page = open_page()
    session, *_ = gateway.active_sessions()
    # Not `wait_for_function`: it evaluates text in the page, whose policy forbids that.
    width = "document.querySelector('video')?.videoWidth"
    until(lambda: page.evaluate(width) == 256)  # of `open_page`
    page.locator("#quality").select_option("low")
    until(lambda: page.evaluate(width) == 640)
    page.locator("#avatar").select_option("theo")

    active = "/v1/sessions?type=active"
    until(lambda: avatars(gateway.call("GET", active))[:1] == ["theo"])
    wait_live(page)
    assert page.evaluate("document.querySelector('video').videoWidth") == 640
    assert gateway.active_sessions()[0] != session


def test_the_log_pauses_and_copies_as_json(open_page: Open) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, LONG)
    lines = page.get_by_role("log")
    expect(lines).to_contain_text("agent.speak_started")
    page.get_by_role("button", name="Pause").click()
    page.keyboard.press("Escape")
    wait_pose(page, "idle")
    expect(lines).not_to_contain_text("agent.speak_interrupted")
    page.get_by_role("button", name="Copy as JSON").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert "agent.speak_interrupted" in {entry["event"]["type"] for entry in copied}
    assert copied[-1]["event"] == {
        "type": "session.state_updated",
        "state": "connected",
    }
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(lines).to_contain_text("agent.speak_interrupted")
