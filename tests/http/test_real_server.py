"""One `serve` process with 1024 files, attacked through its socket."""

import contextlib
import resource
import socket
import time

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from bench.probe.faults import UNFINISHED, received, silent_peers
from bench.probe.stack import running_gateway
from tests.e2e.calls import LEAN
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.livekit
FILES = 1024
LIMITED = (
    "import resource; "
    f"resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES})); "
    "from lite_gateway.__main__ import main; main()"
)
REQUEST_S = 10.0
KEY = "dev"


@pytest.fixture(scope="module")
def gateway(livekit, tmp_path_factory):
    log_path = tmp_path_factory.mktemp("serve") / "log"
    with running_gateway(
        *(livekit.url, livekit.key, livekit.secret, log_path),
        mode="serve",
        command=("-c", LIMITED),
        LITE_API_KEYS=KEY,
        LITE_SINK="null",
        **LEAN,
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def session(gateway):
    """Session that runs meanwhile."""
    token = gateway.create_session().json()["data"]["session_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    response = gateway.post("/v1/sessions/start", headers=bearer)
    assert response.status_code == 201, response.text
    return response.json()["data"]["session_id"]


@pytest.fixture(scope="module", autouse=True)
def _many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this test opens 1200 files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))


def test_more_idle_sockets_than_files_hurt_no_session(gateway, session):
    with silent_peers(gateway.url, FILES + 60) as peers:
        refused = [peer for peer in peers[-40:] if b"503" in received(peer)[:20]]
        assert len(refused) == 40
        # Those without a request are closed after their time.
        until(lambda: _answers(gateway), REQUEST_S * 3)
        closed = 'lite_connections_refused_total{reason="slow"}'
        until(lambda: gateway.metrics()[closed] >= 100)
        assert gateway.active_sessions() == [session]
    metrics = gateway.metrics()
    assert metrics['lite_connections_refused_total{reason="server_full"}'] >= 40
    assert "OSError" not in gateway.log_path.read_text()


def _answers(gateway) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return gateway.get("/health", timeout=2).status_code == 200
    return False


def test_requests_that_never_end_are_closed(gateway):
    with contextlib.ExitStack() as stack:
        began_s = time.monotonic()
        peers = {
            name: stack.enter_context(silent_peers(gateway.url, 5, sent))
            for name, sent in UNFINISHED.items()
        }
        for name, sockets in peers.items():
            for peer in sockets:
                peer.settimeout(REQUEST_S * 3)
                answer = received(peer)
                assert answer[9:12] == (b"408" if UNFINISHED[name] else b""), name
        assert time.monotonic() - began_s > REQUEST_S / 2


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/v1/sessions/token", "/launch", "/v1/sessions/stop"])
def test_31_mb_without_a_key_are_refused_at_once(gateway, path, chunked):
    body = b'{"a":[' + b"{}," * (31_000_000 // 3) + b"{}]}"
    header = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    start = b"1d905c0\r\n" + body if chunked else body
    host = gateway.url.removeprefix("http://")
    with socket.create_connection(host.split(":"), timeout=PATIENCE_S) as peer:
        peer.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n\r\n".encode()
        )
        with contextlib.suppress(ConnectionError):
            peer.sendall(start[: 256 << 10])  # more than the server may read
        answer = b""
        while not answer.endswith(b"}"):  # the server waits for the peer to close
            answer += (piece := peer.recv(65_536))
            assert piece, answer
    status = answer[9:12]
    assert status == (b"413" if not chunked else status)
    assert status in (b"401", b"413", b"415")
    assert b"connection: close" in answer
    assert _answers(gateway)


def test_the_server_does_not_name_its_software(gateway):
    response = gateway.get("/health")
    assert "server" not in response.headers
    assert response.headers["x-content-type-options"] == "nosniff"


def test_guessed_ws_urls_are_slowed_and_the_right_key_works(gateway, session):
    statuses = []
    for number in range(45):
        url = f"{gateway.url.replace('http', 'ws')}/v1/ws/{session}/{number}"
        try:
            with connect(url, open_timeout=PATIENCE_S) as socket_:
                socket_.recv()
            statuses.append(101)
        except InvalidStatus as refused:
            statuses.append(refused.response.status_code)
            assert int(refused.response.headers["Retry-After"]) <= 2
    assert statuses[:30] == [101] * 30
    assert 429 in statuses
    assert gateway.active_sessions() == [session]
