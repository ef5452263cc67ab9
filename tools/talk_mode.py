"""
Picture of a conversation on the demo page: docs/talk-mode.webp.

``python -m tools.talk_mode -o docs/talk-mode.webp`` on a machine that does nothing
else: the picture shows where the time before the answer went. It needs what ``make
run`` needs, with the extra ``speech``, Chromium and Playwright. A built-in voice asks
through Chromium's fake microphone, and the built-in parts hear, answer and speak. The
first conversation warms all of them up.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from bench.probe.stack import Gateway, running_gateway, running_livekit
from conversation.speech.sound import VOICE_RATE, wav_of
from conversation.speech.voices import load_voices
from tests.e2e.pages import running_chromium, wait_live, wait_pose
from tests.waiting import until
from tools.caches import cache_folder

ROOT = Path(__file__).resolve().parents[1]
SILENCE_S = 3.0  # of the microphone, until the agent hears it
SPOKEN_S = 3.0  # of the answer before the picture is taken
WIDTH, HEIGHT = 1280, 960


def microphone(folder: Path, text: str) -> Path:
    """Write silence, and then the text by the lower built-in voice, as a WAV file."""
    *_, voice = load_voices().values()
    said = b"".join(voice.say(each, 1.0).pcm for each in voice.sentences(text))
    path = folder / "microphone.wav"
    path.write_bytes(wav_of(bytes(2 * round(VOICE_RATE * SILENCE_S)) + said))
    return path


@contextmanager
def running_site(folder: Path) -> Iterator[Gateway]:
    """Run LiveKit and a gateway as ``make run`` does; the built-in speech is ready."""
    with (
        running_livekit(cache_folder(), folder) as livekit,
        running_gateway(
            *(livekit.url, livekit.key, livekit.secret, folder / "gateway.log"),
            LITE_CONVERSATIONS="auto",
        ) as gateway,
    ):
        until(lambda: gateway.get("/ready").json()["conversations"] == "ready")
        yield gateway


def ask(page: Page, url: str) -> None:
    """Open the page, let the microphone ask, and wait while the avatar answers."""
    page.goto(url)
    wait_live(page)
    spoken = page.locator("#transcript li:not([aria-hidden])")
    expect(spoken).to_have_count(1)  # the opening
    page.locator("#open-microphone").click()
    expect(spoken.nth(1)).to_contain_text("You")
    wait_pose(page, "talking")
    page.wait_for_timeout(1000 * SPOKEN_S)


def picture(browser: Browser, url: str) -> Image.Image:
    """Return a picture of the page while the avatar answers."""
    with browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}) as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        ask(page, url)
        shot = Image.open(BytesIO(page.screenshot())).convert("RGB")
        page.goto("about:blank")  # leaving stops the session
        return shot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--say", default="Please tell me a story.")
    parser.add_argument("--avatar", default="mira")
    parser.add_argument("--quality", type=int, default=80, help="of the WebP file")
    args = parser.parse_args()
    found = subprocess.run(
        [ROOT / "tools" / "chromium.sh"], stdout=subprocess.PIPE, text=True, check=True
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wav = microphone(folder, args.say)
        flag = f"--use-file-for-fake-audio-capture={wav}%noloop"
        with (
            running_site(folder) as gateway,
            running_chromium(Path(found.stdout.strip()), flag) as browser,
        ):
            url = f"{gateway.url}/?avatar={args.avatar}#talk"
            picture(browser, url)
            picture(browser, url).save(args.output, quality=args.quality, method=6)


if __name__ == "__main__":
    main()
