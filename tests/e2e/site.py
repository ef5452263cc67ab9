"""Third-party site that embeds an avatar."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S

SITE = """<!doctype html><title>A shop</title><h1>A shop</h1>{script}
<script>
  window.received = [];
  addEventListener("load", () => {{
    window.avatar = Object.values(window.liteAvatars)[0];
    avatar.addEventListener("message", (event) => received.push(event.detail.type));
  }});
</script>
"""


def open_site(browser: Any, url: str) -> tuple[Any, Any]:
    """Return the page of Playwright, and its frame with the button "Start"."""
    page = browser.new_page()
    page.set_default_timeout(1000 * PATIENCE_S)
    page.goto(url)
    page.wait_for_function("window.avatar")
    frame = page.frame_locator("iframe")
    frame.get_by_role("button", name="Start").wait_for()
    return page, frame


@contextlib.contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serve a folder from another origin than the gateway's."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
