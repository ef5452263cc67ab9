"""Talk mode of the demo page in a real browser, with an agent that answers at once."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect

from bench.probe.stack import Gateway, running_gateway
from tests.e2e.answering_agent import REFUSED
from tests.e2e.calls import ended
from tests.e2e.pages import SMALL_VIDEO, wait_live, watched_pages
from tests.e2e.talking import wait_ready
from tests.waiting import until

pytestmark = [pytest.mark.livekit, pytest.mark.browser]

ANSWERING = """
from lite_gateway.__main__ import main
from lite_gateway.conversation.agent_process import AgentProcess
AgentProcess.__init__.__kwdefaults__["module"] = "tests.e2e.answering_agent"
AgentProcess.missing_packages = lambda self, mode, **_: ""
main()
"""
OPENING = "Hello, I am Mira. Ask me something."
STAGES = ("turn_end", "stt", "llm_first_token", "first_sentence", "tts_first_audio")


@pytest.fixture(scope="module")
def talking(livekit, tmp_path_factory) -> Iterator[Gateway]:
    log_path = tmp_path_factory.mktemp("talking") / "log"
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, log_path),
        command=("-c", ANSWERING),
        LITE_CONVERSATIONS="auto",
    ) as running:
        wait_ready(running)
        yield running


@contextmanager
def opened(
    browser: Browser,
    gateway: Gateway,
    *,
    prepare: Callable[[Page], None] = lambda _: None,
    live: bool = True,
    width: int = 1280,
    path: str = "/#talk",
) -> Iterator[Page]:
    """Open the page with a small video; see `watched_pages`."""
    with watched_pages(browser) as new_page:
        page = new_page(width)
        page.add_init_script(SMALL_VIDEO)
        prepare(page)
        page.goto(gateway.url + path)
        if live:
            wait_live(page)
        yield page


def lines(page: Page) -> list[tuple[str, str]]:
    """Return who said what in the lines that are finished."""
    return [
        (name, words)
        for name, words in page.evaluate(
            """() => [...document.querySelectorAll('#transcript li')]
              .filter((line) => !line.hasAttribute('aria-hidden'))
              .map((line) => [line.querySelector('b').textContent,
                              line.querySelector('p').textContent])"""
        )
    ]


def wait_line(page: Page, name: str, words: str) -> None:
    until(lambda: (name, words) in lines(page))


def ask(page: Page, text: str) -> None:
    page.get_by_label("Or type").fill(text)
    page.keyboard.press("Enter")


def choose_push_to_talk(page: Page) -> None:
    page.get_by_text("Push to talk", exact=True).click()
    expect(page.locator("#link")).to_have_attribute("data-state", "connecting")
    wait_live(page)


def test_a_typed_question_is_answered_and_the_transcript_has_the_words(
    browser: Browser, talking: Gateway
) -> None:
    with opened(browser, talking) as page:
        expect(page.locator("#parts")).to_contain_text("Built-in speech")
        expect(page.locator("#parts")).to_contain_text("LITE_LLM_URL")
        wait_line(page, "Avatar", OPENING)
        ask(page, "How are you?")
        page.wait_for_selector("#frame[data-pose=talking]")
        wait_line(page, "Avatar", "You said: How are you?")
        assert lines(page) == [
            ("Avatar", OPENING),
            ("You", "How are you?"),
            ("Avatar", "You said: How are you?"),
        ]
        page.wait_for_selector("#frame[data-pose=idle]")
        ask(page, REFUSED)
        notice = page.locator("#talk-controls .notice")
        expect(notice).to_contain_text(
            "The language model refuses its API key. Correct"
        )


def test_a_text_is_said_exactly_and_an_interrupt_leaves_the_words_heard(
    browser: Browser, talking: Gateway
) -> None:
    with opened(browser, talking) as page:
        wait_line(page, "Avatar", OPENING)
        text = " ".join(f"word{number}" for number in range(40))
        page.get_by_label("Or type").fill(text)
        page.get_by_role("button", name="Say exactly this").click()
        expect(page.locator("#transcript .ahead").last).to_contain_text("word39")
        page.wait_for_selector("#frame[data-pose=talking]")
        page.wait_for_timeout(1000)
        page.get_by_role("button", name="Interrupt").click()
        page.wait_for_selector("#frame[data-pose=idle]")
        until(lambda: len(lines(page)) == 2)
        name, words = lines(page)[-1]
        assert name == "Avatar"
        assert text.startswith(words)
        assert 0 < len(words.split()) < 40
        expect(page.locator("#transcript li").last).to_have_class(re.compile("cut"))


def test_the_stages_of_a_turn_are_a_bar_and_sum_to_the_total(
    browser: Browser, talking: Gateway
) -> None:
    with opened(browser, talking) as page:
        ask(page, "How long did it take?")
        wait_line(page, "Avatar", "You said: How long did it take?")
        stages = page.evaluate(
            """() => [...document.querySelectorAll('#stages div')].map((row) =>
              [row.dataset.stage, parseFloat(row.querySelector('dd').textContent)])"""
        )
        assert [name for name, _ in stages] == [*STAGES, "link", "avatar", "total"]
        times = dict(stages)
        total = times.pop("total")
        assert sum(times.values()) == pytest.approx(total, abs=4)  # each is rounded
        assert total > 700
        shares = page.evaluate(
            """() => [...document.querySelectorAll('#transcript li:last-child i')]
              .map((part) => [part.className, part.getBoundingClientRect().width])"""
        )
        assert [name.removeprefix("stage-") for name, _ in shares] == list(times)
        width = sum(width for _, width in shares)
        for name, part in shares:
            expected = width * times[name.removeprefix("stage-")] / total
            assert part == pytest.approx(expected, abs=2)
        assert page.get_by_role("img", name="Answered after").count() >= 1


def test_holding_the_space_key_talks_but_not_in_a_text_field(
    browser: Browser, talking: Gateway
) -> None:
    with opened(browser, talking) as page:
        choose_push_to_talk(page)
        page.keyboard.press("Space")  # opens the microphone, which takes a moment
        expect(page.get_by_role("status")).to_contain_text("The microphone is ready")
        push = page.locator("#push")
        expect(push).to_have_attribute("aria-pressed", "false")
        page.keyboard.down("Space")
        expect(page.locator("#push-title")).to_have_text("Listening to you")
        expect(push).to_have_attribute("aria-pressed", "true")
        page.wait_for_timeout(300)
        page.keyboard.up("Space")
        expect(push).to_have_attribute("aria-pressed", "false")
        wait_line(page, "You", "Good morning.")
        wait_line(page, "Avatar", "You said: Good morning.")
        heard = len(lines(page))
        page.get_by_label("Or type").fill("")
        page.keyboard.type("a b")
        expect(page.get_by_label("Or type")).to_have_value("a b")
        expect(push).to_have_attribute("aria-pressed", "false")
        assert len(lines(page)) == heard


def test_push_to_talk_works_with_a_pointer_and_with_the_enter_key(
    browser: Browser, talking: Gateway
) -> None:
    with opened(browser, talking) as page:
        choose_push_to_talk(page)
        push = page.locator("#push")
        push.click()  # a short press is a start
        expect(push).to_have_attribute("aria-pressed", "true")
        push.click()
        expect(push).to_have_attribute("aria-pressed", "false")
        wait_line(page, "You", "Good morning.")
        push.focus()
        page.keyboard.press("Enter")
        expect(push).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Enter")
        expect(push).to_have_attribute("aria-pressed", "false")
        until(lambda: lines(page).count(("You", "Good morning.")) == 2)


def test_the_microphone_is_opened_against_echo_and_closed_again(
    browser: Browser, talking: Gateway
) -> None:
    def spy(page: Page) -> None:
        page.add_init_script(
            """const devices = navigator.mediaDevices;
            const original = devices?.getUserMedia.bind(devices);
            window.asked = []; window.tracks = [];
            if (devices) devices.getUserMedia = async (constraints) => {
              asked.push(constraints);
              const stream = await original(constraints);
              tracks.push(...stream.getTracks());
              return stream; };"""
        )

    with opened(browser, talking, prepare=spy) as page:
        assert page.evaluate("asked") == []  # not before the user wants it
        button = page.locator("#open-microphone")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        [asked] = page.evaluate("asked")
        for name in ("echoCancellation", "noiseSuppression", "autoGainControl"):
            assert asked["audio"][name] is True
        button.click()
        expect(button).to_have_attribute("aria-pressed", "false")
        assert page.evaluate("tracks.map((track) => track.readyState)") == ["ended"]


def test_without_a_microphone_the_text_box_works(
    browser: Browser, talking: Gateway
) -> None:
    def refuse(page: Page) -> None:
        page.add_init_script(
            """if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia =
              () => Promise.reject(new DOMException('no', 'NotAllowedError'));"""
        )

    with opened(browser, talking, prepare=refuse) as page:
        button = page.locator("#open-microphone")
        button.click()
        status = page.get_by_role("status")
        expect(status).to_contain_text("The microphone was refused")
        expect(status).to_contain_text("You can type instead")
        expect(button).to_have_attribute("aria-pressed", "false")
        ask(page, "Still there?")
        wait_line(page, "Avatar", "You said: Still there?")


def test_a_gateway_without_conversations_says_so_and_speech_still_works(
    browser: Browser, gateway: Gateway
) -> None:
    with opened(browser, gateway, live=False) as page:
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("No conversations here")
        expect(alert).to_contain_text("LITE_CONVERSATIONS=off")
        expect(page.get_by_label("Or type")).to_be_disabled()
        page.get_by_role("link", name="Send speech").click()
        wait_live(page)
        page.get_by_role("button", name="A short hello").click()
        page.wait_for_selector("#frame[data-pose=talking]")


def test_the_page_waits_for_conversations_that_start(
    browser: Browser, talking: Gateway
) -> None:
    is_ready = False

    def start_late(page: Page) -> None:
        def answer(route) -> None:
            response = route.fetch()
            body = response.json()
            body["conversations"]["state"] = "ready" if is_ready else "starting"
            route.fulfill(response=response, json=body)

        page.route("**/demo.json", answer)

    with opened(browser, talking, prepare=start_late, live=False) as page:
        expect(page.get_by_role("alert")).to_contain_text("Conversations are starting")
        is_ready = True
        wait_live(page)
        ask(page, "Now?")
        wait_line(page, "Avatar", "You said: Now?")


def test_the_end_of_a_conversation_is_explained_and_it_can_start_again(
    browser: Browser, talking: Gateway
) -> None:
    with opened(browser, talking) as page:
        wait_line(page, "Avatar", OPENING)
        session, *_ = talking.active_sessions()
        body = {"session_id": session, "reason": "AGENT_HANG_UP"}
        talking.call("POST", "/v1/sessions/stop", body)
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("The session has ended")
        expect(alert).to_contain_text("AGENT_HANG_UP")
        assert lines(page) == [("Avatar", OPENING)]  # can still be read
        page.get_by_role("button", name="Start again").click()
        wait_live(page)
        wait_line(page, "Avatar", OPENING)
        assert lines(page) == [("Avatar", OPENING)]


@pytest.mark.parametrize("path", ["/", "/#talk"])
def test_a_page_asks_once_what_the_gateway_offers(
    browser: Browser, talking: Gateway, path: str
) -> None:
    asked: list[str] = []

    def note(page: Page) -> None:
        page.on("request", lambda it: asked.append(it.url.rpartition("/")[2]))

    with opened(browser, talking, prepare=note, path=path):
        assert asked.count("demo.json") == 1


def test_a_change_of_mode_ends_the_conversation(
    browser: Browser, talking: Gateway
) -> None:
    with opened(browser, talking) as page:
        session, *_ = talking.active_sessions()
        page.get_by_role("link", name="Send speech").click()
        until(lambda: session not in talking.active_sessions())
        assert ended(talking, session)["end_reason"] == "USER_CLOSED"
        wait_live(page)


def test_the_mode_fits_a_narrow_phone(browser: Browser, talking: Gateway) -> None:
    with opened(browser, talking, width=360) as page:
        ask(page, "A long word: " + "m" * 200)
        until(lambda: len(lines(page)) >= 2)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        beyond = page.evaluate(
            """() => [...document.querySelectorAll('button, input, a, li')]
              .map((each) => [each.id || each.textContent,
                              each.getBoundingClientRect()])
              .filter(([, box]) => box.width > 1)
              .filter(([, box]) => box.left < 0 || box.right > innerWidth)
              .map(([name]) => name)"""
        )
        assert beyond == []
