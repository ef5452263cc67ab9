"""Command `speak` against gateways that answer late, wrongly or never."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from anyio.from_thread import start_blocking_portal

from lite_gateway.__main__ import main
from tests.offline.test_wav import AS_THEY_ARE, NO_SOUND

HELLO = Path(__file__).parents[2] / "web" / "samples" / "hello.wav"
CONNECTED = {"type": "session.state_updated", "state": "connected"}
ENDED = {"type": "agent.speak_ended", "event_id": "1"}
STOPPED = {"type": "session.stopped", "end_reason": "RENDERER_FAILED"}


class Stub:
    """
    Gateway with one session, which sends ``events`` and then reads or closes.

    With ``answer``, it is another server, which answers each request so.
    """

    def __init__(
        self,
        *events: dict[str, str],
        close_code: int | None = None,
        answer: web.Response | None = None,
    ) -> None:
        self._events = events
        self._answer = answer
        self._close_code = close_code
        self.url = ""
        self.stopped = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Serve on a thread of its own; yield the URL."""
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(self._serving()) as url,
        ):
            yield url

    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/v1/sessions/{call}", self._call)
        app.router.add_get("/ws", self._talk)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*runner.addresses[0])
        yield self.url
        await runner.cleanup()

    async def _call(self, request: web.Request) -> web.Response:
        if self._answer is not None:
            return self._answer
        self.stopped += request.match_info["call"] == "stop"
        data = {
            "session_token": "t",
            "session_id": "s",
            "livekit_url": "ws://127.0.0.1:1",
            "livekit_client_token": "t",
            "ws_url": f"{self.url.replace('http', 'ws')}/ws?token=SECRET",
        }
        return web.json_response({"code": 1000, "data": data, "message": "ok"})

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        if self._close_code == 403:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        for event in self._events:
            await socket.send_json(event)
        if self._close_code is None:
            async for _ in socket:
                pass
        else:
            await socket.close(code=self._close_code, message=b"replaced")
        return socket


def speak(stub: Stub, file: Path = HELLO, timeout_s: float = 60) -> str:
    """Run the command and return its text for a failure, or its exit status."""
    with stub.running() as url, pytest.raises(SystemExit) as exit_info:
        main(["speak", str(file), "--url", url, "--timeout", str(timeout_s)], {})
    return str(exit_info.value.code)


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (404, "404 page not found\n", "404: 404 page not found"),
        (502, "<html>Bad gateway</html>", "502: <html>Bad gateway</html>"),
        (200, "", "200: no body"),
        (200, "<html>a site</html>", "200: <html>a site</html>"),
        (200, "[]", "200: []"),
        (200, '{"ok": true}', '200: {"ok": true}'),
    ],
)
def test_another_server_is_told_from_a_gateway(status, body, answer):
    said = speak(Stub(CONNECTED, answer=web.Response(status=status, text=body)))
    assert f"does not answer as a gateway ({answer}); check its URL" in said
    assert said.startswith("lite-gateway: http://127.0.0.1:")


@pytest.mark.parametrize("option", ["--timeout", "--interrupt-after"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon"])
def test_a_wrong_number_of_seconds_is_refused(option, value, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["speak", str(HELLO), option, value], {})
    assert exit_info.value.code == 2
    assert f"{option}: {value} is not a number of seconds" in capsys.readouterr().err


def test_a_turn_that_ends_is_a_success_and_its_session_is_stopped():
    stub = Stub(CONNECTED, ENDED)
    assert speak(stub) == "0"
    assert stub.stopped == 1


@pytest.mark.parametrize("events", [(), (CONNECTED,)], ids=["no event", "connected"])
def test_a_gateway_that_never_answers_is_reported_and_its_session_stopped(
    events, tmp_path
):
    short = tmp_path / "short.wav"
    short.write_bytes(AS_THEY_ARE["float"][:10_000])
    stub = Stub(*events)
    said = speak(stub, short, timeout_s=0.3)
    assert "has not ended the speech of 0.10 s within 0.3 s" in said
    assert "Its log may say why" in said
    assert stub.stopped == 1


def test_a_session_that_ends_before_the_turn_is_a_failure():
    assert speak(Stub(CONNECTED, STOPPED)) == "1"


@pytest.mark.parametrize("events", [(), (CONNECTED,)], ids=["at once", "connected"])
def test_a_closed_socket_is_reported_with_its_reason(events):
    said = speak(Stub(*events, close_code=4001))
    assert "4001 replaced" in said


def test_a_refused_socket_is_reported_without_its_token():
    said = speak(Stub(close_code=403))
    assert "/ws cannot be opened: " in said
    assert "403" in said
    assert "SECRET" not in said


def test_a_file_without_sound_opens_no_session(tmp_path):
    path = tmp_path / "none.wav"
    for content in NO_SOUND.values():
        path.write_bytes(content)
        stub = Stub(CONNECTED)
        assert "no sound" in speak(stub, path) or "cannot be read" in speak(stub, path)
        assert stub.stopped == 0
