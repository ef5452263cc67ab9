"""Talk mode of the demo page, from a browser's microphone through the real agent."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")
pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect

from bench.probe.stack import START_TIMEOUT_S, Gateway, running_gateway
from tests.e2e.pages import wait_live
from tests.e2e.talking import wait_ready
from tests.e2e.test_talk_page import (
    OPENING,
    ask,
    choose_push_to_talk,
    lines,
    opened,
    wait_line,
)
from tests.waiting import until

pytestmark = [pytest.mark.livekit, pytest.mark.browser, pytest.mark.process]

# The counterpart hears this in any speech, and answers with what it was told.
HEARD, ANSWER = "Hello there.", "You said: Hello there."
# Microphone that is silent until `say` of the page is called, which ends with the
# speech. Chromium's own plays a file once it is opened, whether anybody hears or not.
MICROPHONE = """(() => {
  if (!navigator.mediaDevices) return;
  let context, microphone;
  navigator.mediaDevices.getUserMedia = async () => {
    context ??= new AudioContext();
    microphone = context.createMediaStreamDestination();
    return microphone.stream;
  };
  window.say = async (file) => {
    const response = await fetch(`samples/${file}`);
    const speech = context.createBufferSource();
    speech.buffer = await context.decodeAudioData(await response.arrayBuffer());
    speech.connect(microphone);
    const ended = new Promise((resolve) => speech.addEventListener("ended", resolve));
    speech.start();
    await ended;
  };
})();"""


@pytest.fixture(scope="module")
def talking(livekit, counterpart_process, tmp_path_factory) -> Iterator[Gateway]:
    log_path = tmp_path_factory.mktemp("talking") / "log"
    url = counterpart_process.url
    services = {f"LITE_{part}_URL": url for part in ("STT", "TTS", "LLM")}
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, log_path),
        LITE_CONVERSATIONS="auto",
        LITE_LLM_MODEL="gpt-test",
        **services,
    ) as running:
        wait_ready(running)
        yield running


@contextmanager
def speaking(browser: Browser, gateway: Gateway) -> Iterator[Page]:
    """Open the page with `MICROPHONE`, and wait until the avatar has greeted."""
    with opened(
        browser, gateway, prepare=lambda page: page.add_init_script(MICROPHONE)
    ) as page:
        wait_line(page, "Avatar", OPENING)
        yield page


def say_hello(page: Page) -> None:
    page.evaluate("say('hello.wav')")


def stages(page: Page) -> dict[str, float]:
    """Return the stages of the newest answer, in milliseconds."""
    rows = page.evaluate(
        """() => [...document.querySelectorAll('#stages div')].map((row) =>
          [row.dataset.stage, parseFloat(row.querySelector('dd').textContent)])"""
    )
    return dict(rows)


def test_speech_into_the_microphone_is_transcribed_and_answered(
    browser: Browser, talking: Gateway, counterpart
) -> None:
    with speaking(browser, talking) as page:
        microphone = page.locator("#open-microphone")
        microphone.click()
        expect(microphone).to_have_attribute("aria-pressed", "true")
        say_hello(page)
        wait_line(page, "You", HEARD)
        page.wait_for_selector("#frame[data-pose=talking]")
        wait_line(page, "Avatar", ANSWER)
        assert lines(page) == [("Avatar", OPENING), ("You", HEARD), ("Avatar", ANSWER)]
        times = stages(page)
        total = times.pop("total")
        assert sum(times.values()) == pytest.approx(total, abs=4)  # each is rounded
        assert {"turn_end", "stt", "llm_first_token", "avatar"} <= times.keys()
        [role, *_] = [
            each["content"]
            for each in counterpart.requests("chat")[-1]["body"]["messages"]
        ]
        assert role.startswith("You are Mira, a friendly avatar")


def test_speech_is_heard_while_the_space_key_is_held(
    browser: Browser, talking: Gateway, counterpart
) -> None:
    with speaking(browser, talking) as page:
        choose_push_to_talk(page)
        wait_line(page, "Avatar", OPENING)
        page.keyboard.press("Space")  # opens the microphone
        expect(page.get_by_role("status")).to_contain_text("The microphone is ready")
        page.keyboard.down("Space")
        say_hello(page)
        page.keyboard.up("Space")
        wait_line(page, "You", HEARD)
        wait_line(page, "Avatar", ANSWER)


def test_a_typed_question_is_answered_and_a_text_is_said_exactly(
    browser: Browser, talking: Gateway, counterpart
) -> None:
    with opened(browser, talking) as page:
        wait_line(page, "Avatar", OPENING)
        ask(page, "Who is there?")
        wait_line(page, "Avatar", "You said: Who is there?")
        page.get_by_label("Or type").fill("Exactly these words.")
        page.get_by_role("button", name="Say exactly this").click()
        wait_line(page, "Avatar", "Exactly these words.")
        assert len(counterpart.requests("chat")) == 1


def test_another_voice_starts_a_new_session(
    browser: Browser, talking: Gateway, counterpart
) -> None:
    with opened(browser, talking) as page:
        wait_line(page, "Avatar", OPENING)
        session, *_ = talking.active_sessions()
        voice = page.locator("#voice")
        expect(voice.locator("option").first).to_have_text("Default")
        if voice.locator("option").count() == 1:
            pytest.skip("needs lite-gateway[speech]")
        voice.select_option(index=1)
        until(lambda: session not in talking.active_sessions())
        wait_live(page, START_TIMEOUT_S)  # the built-in speech is loaded for it
        spoken = len(counterpart.requests("speech"))
        wait_line(page, "Avatar", OPENING)
        assert len(counterpart.requests("speech")) == spoken  # the built-in voice
