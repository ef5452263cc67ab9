"""
Debian's Firefox without a window, driven by WebDriver BiDi.

Playwright, which drives Chromium in these tests, needs a Firefox of its own.
"""

import base64
import contextlib
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.waiting import PATIENCE_S

LISTENING = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
AS_JSON = "(async () => JSON.stringify(await ({})) ?? 'null')()"
PREFERENCES = {
    "media.autoplay.default": 0,  # sound may start without a click
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,  # a microphone that beeps
    "media.gmp-manager.updateEnabled": False,  # no H.264 from the network
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.server": "",
}


class FirefoxPage:
    """Tab of Firefox. ``problems`` has the errors of its console and its scripts."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.problems: list[str] = []
        self._send("session.new", capabilities={})
        self._send("session.subscribe", events=["log.entryAdded"])
        [tab] = self._send("browsingContext.getTree")["contexts"]
        self._context: str = tab["context"]

    def open(self, url: str) -> None:
        """Load a page and wait until it is complete."""
        tab = self._context
        self._send("browsingContext.navigate", context=tab, url=url, wait="complete")

    def resize(self, width: int, height: int) -> None:
        """Give the page a size in CSS pixels."""
        size = {"width": width, "height": height}
        self._send("browsingContext.setViewport", context=self._context, viewport=size)

    def run_in_new_pages(self, function: str) -> None:
        """Run a JavaScript function in each page before the page's own scripts."""
        self._send("script.addPreloadScript", functionDeclaration=function)

    def evaluate(self, expression: str, *, frame: bool = False) -> Any:
        """Return the JSON value of a JavaScript expression, here or in the frame."""
        context = self._context
        if frame:
            [tab] = self._send("browsingContext.getTree", root=context)["contexts"]
            context = tab["children"][0]["context"]
        answer = self._send(
            "script.evaluate",
            expression=AS_JSON.format(expression),
            target={"context": context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise AssertionError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def wait_for(self, condition: str, *, frame: bool = False) -> Any:
        """Return the value of JavaScript as soon as it is true."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (value := self.evaluate(condition, frame=frame)):
            text = self.evaluate("document.body.innerText", frame=frame)
            assert time.monotonic() < deadline_s, f"{condition}\n{text}"
            time.sleep(0.05)
        return value

    def screenshot(self, path: Path) -> None:
        """Write what the page shows as a PNG file."""
        shot = self._send("browsingContext.captureScreenshot", context=self._context)
        path.write_bytes(base64.b64decode(shot["data"]))

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input element."""
        answer = self._send(
            "script.evaluate",
            expression=f"document.querySelector({json.dumps(selector)})",
            target={"context": self._context},
            awaitPromise=False,
        )
        element = {"sharedId": answer["result"]["sharedId"]}
        self._send(
            "input.setFiles", context=self._context, element=element, files=[str(path)]
        )

    def _send(self, method: str, **params: Any) -> Any:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        self._socket.send(json.dumps(command))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if message.get("method") == "log.entryAdded":
                entry = message["params"]
                if entry["level"] in ("error", "warn"):
                    self.problems.append(f"{entry['level']}: {entry['text']}")
            elif message.get("id") == self._number:
                assert message["type"] == "success", f"{method}: {message['message']}"
                return message["result"]


@contextlib.contextmanager
def running_firefox(program: Path) -> Iterator[FirefoxPage]:
    """Run Firefox with a profile of its own; yield its only tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in PREFERENCES.items()
        )
        Path(profile, "user.js").write_text("".join(lines))
        options = ["--headless", "--no-remote", "--profile", profile]
        log = Path(profile, "log")
        with (
            log.open("w") as output,
            subprocess.Popen(
                [program, *options, "--remote-debugging-port", "0", "about:blank"],
                stdout=output,
                stderr=output,
            ) as process,
        ):
            try:
                url = f"{_address(process, log)}/session"
                with connect(url, max_size=None, open_timeout=PATIENCE_S) as socket:
                    yield FirefoxPage(socket)
            finally:
                process.terminate()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := LISTENING.search(log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.05)
    return found[1]
