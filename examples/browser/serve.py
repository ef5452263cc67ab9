"""
Serves this folder, and mints session tokens: an API key has no business in a browser.

    (cd examples/browser && npm install)
    LITE_CORS_ORIGINS=http://127.0.0.1:8090 lite-gateway dev
    python examples/browser/serve.py          # then open http://127.0.0.1:8090

LIVEAVATAR_URL, LIVEAVATAR_API_KEY and LIVEAVATAR_AVATAR_ID name another server.
"""

import json
import os
import sys
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# The line that differs: for the hosted service, https://api.liveavatar.com.
API_URL = os.environ.get("LIVEAVATAR_URL", "http://127.0.0.1:8080")
API_KEY = os.environ.get("LIVEAVATAR_API_KEY", "dev")
AVATAR = os.environ.get("LIVEAVATAR_AVATAR_ID", "ada")


class Page(SimpleHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.dumps({"mode": "LITE", "avatar_id": AVATAR}).encode()
        headers = {"X-API-KEY": API_KEY, "Content-Type": "application/json"}
        mint = f"{API_URL}/v1/sessions/token"
        with urllib.request.urlopen(
            urllib.request.Request(mint, body, headers)
        ) as told:
            token = json.load(told)["data"]["session_token"]
        answer = json.dumps({"token": token, "apiUrl": API_URL}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(answer)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
    page = partial(Page, directory=str(Path(__file__).parent))
    ThreadingHTTPServer(("127.0.0.1", port), page).serve_forever()
