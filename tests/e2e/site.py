"""Third-party site that embeds an avatar."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

SITE = """<!doctype html><title>A shop</title><h1>A shop</h1>{script}
<script>
  window.received = [];
  addEventListener("load", () => {{
    window.avatar = Object.values(window.liteAvatars)[0];
    avatar.addEventListener("message", (event) => received.push(event.detail.type));
  }});
</script>
"""


@contextlib.contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serve a folder from another origin than the gateway's."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
