"""Back end of the example page: serves this folder and creates session tokens.

It keeps the API key out of the browser.

    (cd examples/browser && npm install)
    LITE_CORS_ORIGINS=http://127.0.0.1:8090 lite-gateway dev
    python examples/browser/serve.py          # then open http://127.0.0.1:8090

Set LIVEAVATAR_URL, LIVEAVATAR_API_KEY and LIVEAVATAR_AVATAR_ID for another server.
"""

import json
import os
import sys
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

# This line differs: for the hosted service it is https://api.liveavatar.com.
API_URL = os.environ.get("LIVEAVATAR_URL", "http://127.0.0.1:8080")
API_KEY = os.environ.get("LIVEAVATAR_API_KEY", "dev")
AVATAR = os.environ.get("LIVEAVATAR_AVATAR_ID", "mira")


class Page(SimpleHTTPRequestHandler):
    """Request handler: files of this folder by GET, a new session token by POST."""

    def do_POST(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        encoding = query.get("encoding", ["H264"])[0]
        settings = {"video_settings": {"encoding": encoding}}
        body = json.dumps({"mode": "LITE", "avatar_id": AVATAR, **settings}).encode()
        headers = {"X-API-KEY": API_KEY, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{API_URL}/v1/sessions/token", body, headers)
        with urllib.request.urlopen(request) as response:
            token = json.load(response)["data"]["session_token"]
        token_json = json.dumps({"token": token, "apiUrl": API_URL}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(token_json)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
    page = partial(Page, directory=str(Path(__file__).parent))
    ThreadingHTTPServer(("127.0.0.1", port), page).serve_forever()
