"""Failures around a session: LiveKit down, lost sockets, bad URLs, shutdown."""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time

import anyio.from_thread
import httpx
import psutil
import pytest
from livekit import api
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.probe.listening import MIN_MATCH, listening, speech
from bench.probe.stack import Gateway, free_port, running_gateway
from lite_gateway.client import open_session
from lite_gateway.client.pacing import send
from lite_gateway.devserver.process import running
from tests.e2e.calls import LEAN
from tests.waiting import PATIENCE_S, best_of, figures, until, until_async

pytestmark = pytest.mark.livekit
SECRET = "a LiveKit secret of at least 32 bytes"


def ready_after_warm_up(gateway: Gateway) -> httpx.Response:
    """Return the response of /ready after the renderer's warm-up, other or failed."""

    def after_warm_up() -> httpx.Response | None:
        response = gateway.get("/ready")
        return None if "warming" in response.text else response

    return until(after_warm_up)


def test_ready_and_start_report_an_unreachable_livekit_server(tmp_path):
    unused_url = f"ws://127.0.0.1:{free_port()}"
    with running_gateway(
        unused_url, "devkey", SECRET, tmp_path / "log", ready=False, **LEAN
    ) as gateway:
        ready = ready_after_warm_up(gateway)
        assert ready.status_code == 503
        assert "LiveKit does not answer" in ready.json()["message"]
        assert unused_url not in ready.text  # callers learn no inner address
        token = gateway.create_session().json()["data"]["session_token"]
        response = gateway.post(
            "/v1/sessions/start", headers={"Authorization": f"Bearer {token}"}
        )
        assert response.status_code == 502
        assert "the connection was refused; check LIVEKIT_URL" in response.text
        assert "127.0.0.1" not in response.text
        assert gateway.metrics()["lite_sessions"] == 0


def test_ready_reports_a_driver_that_fails(tmp_path):
    """The driver loads but returns no faces, so the gateway must not become ready."""
    unused_url = f"ws://127.0.0.1:{free_port()}"
    env = {**LEAN, "LITE_DRIVER": "tests.fakes:ArkitOnlyDriver"}
    with running_gateway(
        unused_url, "devkey", SECRET, tmp_path / "log", ready=False, **env
    ) as gateway:
        ready = ready_after_warm_up(gateway)
    assert ready.status_code == 503
    assert "cannot draw" in ready.json()["message"]
    assert "must return a tensor or an array [1, 57]" in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_killed_livekit_server_ends_the_session_with_a_reason(
    livekit_binary, tmp_path
):
    server = running(
        livekit_binary, port=free_port(), secret=SECRET, log_path=tmp_path / "lk.log"
    )
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(server) as livekit,
        running_gateway(
            livekit.url, livekit.key, SECRET, tmp_path / "log", **LEAN
        ) as gateway,
    ):

        async def talk() -> tuple[dict, str]:
            async with open_session(
                gateway.url, gateway.key, avatar="fiducial"
            ) as avatar:
                await avatar.speak(speech(2.0))
                await avatar.event("agent.speak_started")
                os.kill(livekit.pid, signal.SIGKILL)
                event = await avatar.event("session.stopped")
                async for _ in avatar.events():
                    pass
                return event, avatar.close_reason

        event, close_reason = asyncio.run(asyncio.wait_for(talk(), PATIENCE_S))
        assert "the room is gone" in event["message"]
        assert close_reason.startswith("1000")
        assert gateway.get("/health").text == "ok"


@pytest.mark.slow
@pytest.mark.timeout(300)
@best_of(3)
def test_an_avatar_rejoins_after_a_restart_of_livekit(livekit_binary, tmp_path):
    port, pcm = free_port(), speech(1.5)
    log_path = tmp_path / f"gateway-{port}.log"

    def server(name: str):
        log_path = tmp_path / f"{name}-{port}.log"
        return running(
            livekit_binary, port=port, secret=SECRET, log_path=log_path, port_search=0
        )

    async def talk(gateway, portal, livekit) -> float:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            await avatar.event("session.state_updated")
            os.kill(livekit.pid, signal.SIGKILL)
            await until_async(lambda: not psutil.pid_exists(livekit.pid))
            with portal.wrap_async_context_manager(server("second")) as again:
                await until_async(lambda: "room reconnected" in log_path.read_text())
                token = api.AccessToken(again.key, SECRET).with_identity("me")
                grants = api.VideoGrants(room_join=True, room=avatar.session_id)
                jwt = token.with_grants(grants).to_jwt()
                with listening(again.url, jwt, tmp_path) as listener:
                    listener.wait_for_media()
                    await send(avatar, pcm, "burst")
                    await avatar.event("agent.speak_ended")
                    await asyncio.sleep(0.5)
                    return listener.leave().match(pcm)[0]

    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(server("first")) as livekit,
        running_gateway(livekit.url, livekit.key, SECRET, log_path, **LEAN) as gateway,
    ):
        match = asyncio.run(talk(gateway, portal, livekit))
        with figures():
            assert match > MIN_MATCH


@pytest.mark.parametrize("path", ["/v1/ws/unknown/x", "/v1/ws/{session}/wrong"])
def test_a_wrong_ws_url_is_answered_with_an_error_and_closed(gateway, path):
    async def main() -> tuple[str, int]:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            base = gateway.url.replace("http", "ws")
            url = base + path.format(session=avatar.session_id)
            async with connect(url) as socket:
                event = await socket.recv()
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
                return event, closed.value.rcvd.code

    event, code = asyncio.run(main())
    assert "use the ws_url" in event
    assert code == 4404


def test_a_client_that_reconnects_gets_the_events_it_missed(gateway):
    async def main() -> list[str]:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            await avatar.speak(speech(1.0), "mine")
            await avatar.speak_end()
            await avatar.event("agent.speak_started")
            avatar.abort()
            await asyncio.sleep(1.5)
            types = []
            async with connect(avatar.ws_url) as again:
                while "agent.speak_ended" not in types:
                    types.append(json.loads(await again.recv())["type"])
            return types

    assert (
        asyncio.run(asyncio.wait_for(main(), PATIENCE_S))[0] == "session.state_updated"
    )


def test_an_oversized_frame_closes_only_its_own_socket(gateway):
    async def main() -> tuple[int, dict]:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            with contextlib.suppress(ConnectionClosed):
                await avatar.send_raw("x" * (9 << 20))
            async for _ in avatar.events():
                pass
            async with connect(avatar.ws_url) as again:
                return await again.recv(), avatar.close_reason

    event, close_reason = asyncio.run(main())
    assert "connected" in event
    assert "1009" in close_reason


@best_of(3)
def test_a_flood_of_messages_does_not_delay_other_sessions(gateway):
    """The event loop serves every socket in turn, so a flood delays only its own."""
    stop = threading.Event()

    async def flood() -> None:
        async with open_session(
            gateway.url, gateway.key, avatar="fiducial"
        ) as flooding:
            while not stop.is_set():
                await flooding.send_raw('{"type": "agent.dance"}')

    async def talk() -> list[float]:
        waits = []
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as other:
            await other.event("session.state_updated")
            for _ in range(30):
                sent_s = time.monotonic()
                await other.interrupt()
                await other.event("agent.audio_buffer_cleared")
                waits.append(time.monotonic() - sent_s)
                await asyncio.sleep(0.02)
        return sorted(waits)

    flooding = threading.Thread(target=asyncio.run, args=(flood(),))
    flooding.start()
    try:
        time.sleep(0.5)
        waits = asyncio.run(talk())
    finally:
        stop.set()
        flooding.join()
    with figures():
        assert waits[len(waits) // 2] < 0.25
    assert gateway.metrics()['lite_ws_refused_total{reason="BadMessage"}'] > 100


def test_stopping_the_gateway_ends_every_session_with_an_event(livekit, tmp_path):
    async def talk(gateway, up: threading.Event) -> tuple[dict, str]:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            up.set()
            event = await avatar.event("session.stopped")
            async for _ in avatar.events():
                pass
            raise _Received(event, avatar.close_reason)

    class _Received(Exception):
        pass

    results = []

    def listen(gateway, up) -> None:
        try:
            asyncio.run(talk(gateway, up))
        except _Received as received:
            results.append(received.args)

    up = threading.Event()
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log", **LEAN
    ) as gateway:
        client = threading.Thread(target=listen, args=(gateway, up))
        client.start()
        assert up.wait(PATIENCE_S)
    client.join(PATIENCE_S)
    [(event, close_reason)] = results
    assert "shutting down" in event["message"]
    assert close_reason.startswith("1000")
