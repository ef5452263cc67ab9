"""Servers that callers name: none is reached unasked, and none speaks through us."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import jwt
import pytest
from livekit import api

from bench.probe.stack import Gateway, running_gateway
from tests.e2e.calls import LEAN, ended, with_key

pytestmark = pytest.mark.livekit
KEY = "a-key-of-this-test-as-long-as-a-key-must-be"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSBlbHNlIn0.c2lnbmF0dXJl"
FORGED = "2026-11-28 10:00:00 INFO lite_gateway: a forged line"
INSIDE = "body-of-an-internal-server"
BODY = f"{INSIDE}\n{FORGED}\n\x1b[2K\x00{JWT} ".encode() * 18_000  # 2 MB


@dataclass
class HostileServer:
    """HTTP server that answers every request with one status and a large body."""

    status: int = 403
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@contextlib.contextmanager
def hostile_server() -> Iterator[HostileServer]:
    hostile = HostileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hostile.asked.append(self.path)
            with contextlib.suppress(OSError):  # the gateway need not read it all
                self.send_response(hostile.status)
                self.send_header("Content-Length", str(len(BODY)))
                self.end_headers()
                self.wfile.write(BODY)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hostile.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield hostile
        server.shutdown()
        thread.join()


@dataclass
class Setting:
    """One gateway, a server that it may reach, and one that it may not."""

    gateway: Gateway
    allowed: HostileServer
    refused: HostileServer
    token: str

    def post(
        self, path: str, body: dict[str, object], **headers: str
    ) -> httpx.Response:
        headers = headers or {"X-API-KEY": KEY}
        return self.gateway.post(path, json=body, headers=headers)

    def launch(self, url: str) -> httpx.Response:
        body = {"url": url, "token": self.token, "avatar_id": "fiducial"}
        return self.post("/launch", body)

    def start(self, url: str, token: str = "") -> httpx.Response:
        """Mint and start a session in a room of the caller."""
        room = {"livekit_url": url, "livekit_client_token": token or self.token}
        body = {"avatar_id": "fiducial", "livekit_config": room}
        minted = self.post("/v1/sessions/token", body)
        if minted.is_error:
            return minted
        token = minted.json()["data"]["session_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        return self.post("/v1/sessions/start", {}, **bearer)


@pytest.fixture(scope="module")
def setting(livekit, tmp_path_factory) -> Iterator[Setting]:
    log_path = tmp_path_factory.mktemp("foreign") / "log"
    token = (
        api.AccessToken(livekit.key, "another secret, as long as the right one is")
        .with_identity("avatar")
        .with_grants(api.VideoGrants(room_join=True, room="room"))
        .to_jwt()
    )
    with (
        hostile_server() as allowed,
        hostile_server() as refused,
        running_gateway(
            *(livekit.url, livekit.key, livekit.secret, log_path),
            mode="serve",
            LITE_API_KEYS=KEY,
            LITE_ALLOWED_HOSTS=f"127.0.0.1:{allowed.port}",
            LOG_LEVEL="DEBUG",
            **LEAN,
        ) as gateway,
    ):
        yield Setting(
            Gateway(gateway.url, KEY, gateway.pid, log_path), allowed, refused, token
        )


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_the_body_of_another_server_is_in_no_answer_log_or_history(setting, status):
    setting.allowed.status = status
    started = setting.start(setting.allowed.url)
    launched = setting.launch(setting.allowed.url)
    assert launched.status_code == 200
    session = ended(setting.gateway, launched.json()["session_id"])
    assert setting.allowed.asked
    assert started.status_code == 400
    message = started.json()["message"]
    assert message.startswith("livekit_config: the avatar could not join the LiveKit")
    assert session["end_reason"] == "SERVER_ERROR"
    assert session["end_message"] == message.removeprefix("livekit_config: ")
    assert len(message) < 300
    log = setting.gateway.log_path.read_text()
    with sqlite3.connect(f"{setting.gateway.log_path}.db") as state:
        dump = "\n".join(state.iterdump())
    state.close()
    for text in (started.text, launched.text, str(session), dump):
        assert INSIDE not in text
    for text in (started.text, launched.text, str(session), dump, log):
        assert JWT not in text
        assert setting.token not in text
    assert "\x1b" not in log
    assert not [line for line in log.splitlines() if line.startswith(FORGED[:25])]
    assert max(map(len, log.splitlines())) < 5000


REFUSED = (
    "livekit_url: this host has no public address; the operator may allow it with "
    "LITE_ALLOWED_HOSTS"
)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0", "2130706433", "[::ffff:127.0.0.1]", "localhost"]
)
def test_without_the_setting_no_connection_reaches_an_internal_server(setting, host):
    before = setting.gateway.log_path.stat().st_size
    for port in (setting.refused.port, 1):  # one that answers, one that does not
        for scheme in ("ws", "wss", "http"):
            url = f"{scheme}://{host}:{port}"
            for response in (setting.start(url), setting.launch(url)):
                assert response.status_code == 422
                assert response.json()["message"] == REFUSED
    assert not setting.refused.asked
    assert setting.gateway.log_path.stat().st_size > before  # the operator can see it


def test_the_gateways_own_livekit_server_needs_no_setting(setting, livekit):
    message = setting.start(livekit.url).json()["message"]
    assert message.startswith("livekit_config: the avatar could not join")
    assert "LiveKit refused the token" in message


def test_a_token_that_livekit_repeats_is_told_and_logged_nowhere(setting, livekit):
    claims = jwt.decode(setting.token, options={"verify_signature": False})
    claims["nbf"] += 3600
    token = jwt.encode(claims, livekit.secret)
    response = setting.start(livekit.url, token)
    assert response.status_code == 400
    assert "LiveKit refused the token" in response.json()["message"]
    for part in token.split(".")[1:]:
        assert part not in response.text + setting.gateway.log_path.read_text()


def test_a_server_without_tls_is_told_apart_from_one_that_is_away(setting):
    url = setting.allowed.url.replace("ws:", "wss:")
    assert "does not speak TLS" in setting.start(url).json()["message"]


def test_other_users_still_see_a_gateway_that_is_ready(setting):
    assert setting.gateway.get("/ready").status_code == 200
    listed = with_key(setting.gateway, KEY).data("GET", "/v1/avatars/public")
    assert listed["count"]
