"""Unmodified official web SDK in two browsers, on the page of `examples/browser`."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bench.probe.stack import Gateway, free_port, running_gateway
from tests.clients import npm

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Page  # noqa: E402 - after the skip

from tests.e2e.pages import FLAGS  # noqa: E402 - after the skip
from tests.firefox import running_firefox  # noqa: E402 - after the skip
from tests.waiting import PATIENCE_S, until  # noqa: E402 - after the skip

pytestmark = [pytest.mark.livekit, pytest.mark.browser, pytest.mark.clients]
SAMPLES = Path(__file__).parents[2] / "web" / "samples"

# JavaScript that counts presented frames and finds the loudest sample for some time.
PROBE = """
async (seconds) => {
  const video = document.getElementById('avatar');
  window.analyser ??= (() => {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 1024 });
    context.createMediaStreamSource(video.srcObject).connect(analyser);
    return analyser;
  })();
  const heard = new Float32Array(1024);
  let frames = 0, loudest = 0, callback;
  const probe = () => {
    frames += 1;
    analyser.getFloatTimeDomainData(heard);
    loudest = Math.max(loudest, ...heard.map(Math.abs));
    callback = video.requestVideoFrameCallback(probe);
  };
  callback = video.requestVideoFrameCallback(probe);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  video.cancelVideoFrameCallback(callback);
  return { frames, loudest, size: [video.videoWidth, video.videoHeight] };
}
"""


@dataclass(frozen=True)
class Example:
    gateway: Gateway
    page: Page

    def events(self) -> list[str]:
        return self.page.locator("#events li").all_inner_texts()

    def wait_for_event(self, text: str, count: int = 1) -> None:
        self.page.wait_for_function(
            "([text, count]) => [...document.querySelectorAll('#events li')]"
            ".filter((item) => item.textContent === text).length >= count",
            arg=[text, count],
        )


@pytest.fixture
def files(tmp_path) -> Path:
    try:
        return npm.copy_example(tmp_path)
    except (subprocess.CalledProcessError, OSError) as failed:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"npm could not install the web SDK: {failed}")


@dataclass(frozen=True)
class Site:
    """Page of the example at ``url``, and the gateway that it uses."""

    url: str
    gateway: Gateway


@pytest.fixture
def site(files, livekit, tmp_path) -> Iterator[Site]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        running_gateway(
            livekit.url,
            livekit.key,
            livekit.secret,
            tmp_path / "gateway.log",
            LITE_CORS_ORIGINS=url,
        ) as gateway,
        subprocess.Popen(
            [sys.executable, files / "serve.py", str(port)],
            env={**os.environ, "LIVEAVATAR_URL": gateway.url},
            stderr=subprocess.DEVNULL,
        ) as server,
    ):
        try:
            until(lambda: answers(url))
            yield Site(url, gateway)
        finally:
            server.terminate()


@pytest.fixture
def example(site, chromium) -> Iterator[Example]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(1000 * PATIENCE_S)
        page.goto(site.url)
        yield Example(site.gateway, page)
        browser.close()


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).is_success
    return False


@pytest.mark.slow
def test_web_sdk_starts_speaks_interrupts_and_stops(example):
    page, gateway = example.page, example.gateway
    page.click("#start")
    example.wait_for_event("stream ready")
    idle = page.evaluate(PROBE, 1.0)
    page.set_input_files("#file", SAMPLES / "hello.wav")
    page.click("#speak")
    example.wait_for_event("speaks")
    talking = page.evaluate(PROBE, 1.5)
    example.wait_for_event("has spoken")
    page.set_input_files("#file", SAMPLES / "long.wav")
    page.click("#speak")
    example.wait_for_event("speaks", 2)
    time.sleep(0.5)
    page.click("#interrupt")
    # The list of events below shows that the speech did not end by itself.
    until(lambda: page.evaluate(PROBE, 0.8)["loudest"] < 0.01)
    assert len(gateway.active_sessions()) == 1
    page.click("#stop")
    example.wait_for_event("disconnected: CLIENT_INITIATED")

    until(lambda: gateway.active_sessions() == [])
    assert idle["frames"] > 5
    assert idle["size"] == [1280, 720]
    assert idle["loudest"] < 0.01
    assert talking["loudest"] > 0.05
    assert example.events() == [
        "stream ready",
        *("speaks", "has spoken"),
        *("speaks",),  # the SDK has no event for interrupted speech
        "disconnected: CLIENT_INITIATED",
    ]
    [ended] = gateway.call("GET", "/v1/sessions?type=historic")["results"]
    assert ended["end_reason"] == "USER_CLOSED"


@pytest.mark.slow
def test_web_sdk_starts_speaks_and_stops_in_firefox(site, firefox):
    has_event = (
        "[...document.querySelectorAll('#events li')].some((item) =>"
        " item.textContent === '{}')"
    )
    with running_firefox(firefox) as page:
        page.open(site.url)
        page.evaluate("document.querySelector('#start').click()")
        page.wait_for(has_event.format("stream ready"))
        page.choose_file("#file", SAMPLES / "hello.wav")
        page.evaluate("document.querySelector('#speak').click()")
        page.wait_for(has_event.format("has spoken"))
        video = page.evaluate(
            "(({ videoWidth, currentTime }) =>"
            " [videoWidth, currentTime])(document.querySelector('#avatar'))"
        )
        page.evaluate("document.querySelector('#stop').click()")
        page.wait_for(has_event.format("disconnected: CLIENT_INITIATED"))
        assert page.problems == []
    assert video[0] == 1280
    assert video[1] > 1
    until(lambda: site.gateway.active_sessions() == [])
