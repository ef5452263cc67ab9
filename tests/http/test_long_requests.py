"""Requests and the event loop: what each of them does once, early, or in turns."""

import asyncio
import inspect
from collections.abc import Callable

from bench.probe.faults import odd_server
from lite_gateway.auth.session_tokens import SessionTokens
from lite_gateway.long_steps import LongSteps
from lite_gateway.rooms.server_api import LiveKitServerApi
from tests.http.asgi import request
from tests.http.conftest import KEY

LISTED = "/v1/sessions?type=active"


class CountedSteps(LongSteps):
    waits = 0

    async def wait(self) -> None:
        self.waits += 1
        await super().wait()


class FewSteps(LongSteps):
    """Long steps of which each turn of the event loop has one."""

    def __init__(self) -> None:
        super().__init__(limit_s=0.0)
        self.put_off = 0

    def later(self, step: Callable[[], None]) -> None:
        self.put_off += 1
        super().later(step)


class CountedTokens(SessionTokens):
    """Session tokens of a server, of which every one names the same session."""

    __slots__ = ("verified",)

    def session_id(self, token: str) -> str:
        self.verified.append(token)
        return "00000000-0000-0000-0000-000000000000"


class Stopped:
    """Registry in which every session is found and stopped."""

    def get(self, _session_id: str) -> object:
        return self

    async def stop(self, _session_id: str, _reason: object) -> None:
        pass


def test_no_request_reads_the_source_of_its_endpoint(build_app, monkeypatch):
    app, read = build_app(), []
    monkeypatch.setattr(
        inspect, "getsourcelines", lambda it: read.append(it) or ([], 1)
    )
    for path in ("/health", "/demo.json", LISTED):
        request(app, "GET", path, X_API_KEY=KEY)
    assert read == []


def test_a_request_waits_its_turn_once_its_key_is_known(build_app):
    app = build_app()
    app.state.service.long_steps = steps = CountedSteps()
    assert request(app, "GET", LISTED).status == 401
    assert steps.waits == 0
    assert request(app, "GET", LISTED, X_API_KEY=KEY).status == 200
    assert steps.waits == 1


def test_a_request_goes_on_in_another_turn_once_its_key_is_known(build_app):
    app = build_app()
    app.state.service.long_steps = steps = FewSteps()
    assert request(app, "GET", LISTED, X_API_KEY=KEY).status == 200
    assert steps.put_off == 1


def test_requests_to_livekit_begin_in_turns_of_their_own():
    steps = FewSteps()

    async def main() -> None:
        async with odd_server(b"") as port:
            url, secret = f"ws://127.0.0.1:{port}", "a LiveKit secret of 32 bytes"
            rooms = LiveKitServerApi(url, "key", secret, long_steps=steps)
            async with asyncio.TaskGroup() as group:
                for name in ("one", "two", "three"):
                    group.create_task(rooms.delete(name))
            await rooms.aclose()

    asyncio.run(main())
    assert steps.put_off == 2


def test_a_session_token_is_verified_once_in_a_request(build_app):
    app = build_app()
    tokens = CountedTokens("a secret of at least 32 characters", 60.0)
    object.__setattr__(tokens, "verified", [])
    app.state.service.tokens, app.state.service.sessions = tokens, Stopped()
    for token in ("one", "two"):
        bearer = f"Bearer {token}"
        answer = request(app, "DELETE", "/v1/sessions", Authorization=bearer)
        assert answer.status == 200
    assert tokens.verified == ["one", "two"]
