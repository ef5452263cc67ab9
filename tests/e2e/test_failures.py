"""What goes wrong in the world: LiveKit away or going away, bad urls, the end."""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time

import anyio.from_thread
import httpx
import pytest
from livekit import api
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.probe.listening import listening, speech
from bench.probe.stack import Gateway, free_port, running_gateway
from lite_gateway.client import open_session
from lite_gateway.client.pacing import send
from lite_gateway.devserver.process import running
from tests.e2e.calls import LEAN
from tests.waiting import PATIENCE_S, best_of, figures, until, until_async

pytestmark = pytest.mark.livekit
SECRET = "a LiveKit secret of at least 32 bytes"


def warmed(gateway: Gateway) -> httpx.Response:
    """What /ready answers as soon as the renderer drew, or failed to."""

    def told() -> httpx.Response | None:
        answer = gateway.get("/ready")
        return None if "warming" in answer.text else answer

    return until(told)


def test_ready_and_start_report_an_unreachable_livekit_server(tmp_path):
    nobody = f"ws://127.0.0.1:{free_port()}"
    with running_gateway(
        nobody, "devkey", SECRET, tmp_path / "log", ready=False, **LEAN
    ) as gateway:
        ready = warmed(gateway)
        assert ready.status_code == 503
        assert nobody in ready.json()["message"]
        token = gateway.mint().json()["data"]["session_token"]
        answer = gateway.post(
            "/v1/sessions/start", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 502
        assert "LIVEKIT_URL" in answer.json()["message"]
        assert gateway.metrics()["lite_sessions"] == 0


def test_ready_reports_a_driver_that_fails(tmp_path):
    """It was found to be a driver, and gives no faces: nobody is let in to see none."""
    nobody = f"ws://127.0.0.1:{free_port()}"
    env = {**LEAN, "LITE_DRIVER": "tests.fakes:ArkitOnlyDriver"}
    with running_gateway(
        nobody, "devkey", SECRET, tmp_path / "log", ready=False, **env
    ) as gateway:
        ready = warmed(gateway)
    assert ready.status_code == 503
    assert "cannot draw" in ready.json()["message"]
    assert "must return a tensor [1, 57]" in (tmp_path / "log").read_text()


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
        running_gateway(livekit.url, livekit.key, SECRET, tmp_path / "log") as gateway,
    ):

        async def talk() -> tuple[dict, str]:
            async with open_session(
                gateway.url, gateway.key, avatar="fiducial"
            ) as avatar:
                await avatar.speak(speech(2.0))
                await avatar.event("agent.speak_started")
                os.kill(livekit.pid, signal.SIGKILL)
                told = await avatar.event("session.stopped")
                async for _ in avatar.events():
                    pass
                return told, avatar.close_reason

        told, goodbye = asyncio.run(asyncio.wait_for(talk(), PATIENCE_S))
        assert "the room is gone" in told["message"]
        assert goodbye.startswith("1000")
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
            await asyncio.sleep(0.5)
            with portal.wrap_async_context_manager(server("second")) as again:
                await until_async(lambda: "room reconnected" in log_path.read_text())
                token = api.AccessToken(again.key, SECRET).with_identity("me")
                grants = api.VideoGrants(room_join=True, room=avatar.session_id)
                jwt = token.with_grants(grants).to_jwt()
                with listening(again.url, jwt, tmp_path) as listener:
                    listener.attend()
                    await send(avatar, pcm, "burst")
                    await avatar.event("agent.speak_ended")
                    await asyncio.sleep(0.5)
                    return listener.leave().match(pcm)[0]

    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(server("first")) as livekit,
        running_gateway(livekit.url, livekit.key, SECRET, log_path) as gateway,
    ):
        likeness = asyncio.run(talk(gateway, portal, livekit))
        with figures():
            assert likeness > 0.9


@pytest.mark.parametrize("path", ["/v1/ws/nobody/x", "/v1/ws/{session}/wrong"])
def test_a_wrong_ws_url_is_answered_with_an_error_and_closed(gateway, path):
    async def main() -> tuple[str, int]:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            base = gateway.url.replace("http", "ws")
            url = base + path.format(session=avatar.session_id)
            async with connect(url) as wire:
                told = await wire.recv()
                with pytest.raises(ConnectionClosed) as closed:
                    await wire.recv()
                return told, closed.value.rcvd.code

    told, code = asyncio.run(main())
    assert "use the ws_url" in told
    assert code == 4404


def test_a_client_that_reconnects_gets_the_events_it_missed(gateway):
    async def main() -> list[str]:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            await avatar.speak(speech(1.0), "mine")
            await avatar.speak_end()
            await avatar.event("agent.speak_started")
            avatar.abort()
            await asyncio.sleep(1.5)
            kinds = []
            async with connect(avatar.ws_url) as again:
                while "agent.speak_ended" not in kinds:
                    kinds.append(json.loads(await again.recv())["type"])
            return kinds

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

    told, goodbye = asyncio.run(main())
    assert "connected" in told
    assert "1009" in goodbye


@best_of(3)
def test_a_flood_of_messages_does_not_delay_other_sessions(gateway):
    """The event loop gives every socket its turn: nobody waits for a flood."""
    stop = threading.Event()

    async def flood() -> None:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as rude:
            while not stop.is_set():
                await rude.send_raw('{"type": "agent.dance"}' * 1)

    async def talk() -> list[float]:
        waits = []
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as good:
            await good.event("session.state_updated")
            for _ in range(30):
                asked = time.monotonic()
                await good.interrupt()
                await good.event("agent.audio_buffer_cleared")
                waits.append(time.monotonic() - asked)
                await asyncio.sleep(0.02)
        return sorted(waits)

    rude = threading.Thread(target=asyncio.run, args=(flood(),))
    rude.start()
    try:
        time.sleep(0.5)
        waits = asyncio.run(talk())
    finally:
        stop.set()
        rude.join()
    with figures():
        assert waits[len(waits) // 2] < 0.25
    assert gateway.metrics()['lite_ws_refused_total{reason="BadMessage"}'] > 100


def test_stopping_the_gateway_ends_every_session_with_an_event(livekit, tmp_path):
    async def talk(gateway, up: threading.Event) -> tuple[dict, str]:
        async with open_session(gateway.url, gateway.key, avatar="fiducial") as avatar:
            up.set()
            told = await avatar.event("session.stopped")
            async for _ in avatar.events():
                pass
            raise _Told(told, avatar.close_reason)

    class _Told(Exception):
        pass

    heard = []

    def listen(gateway, up) -> None:
        try:
            asyncio.run(talk(gateway, up))
        except _Told as told:
            heard.append(told.args)

    up = threading.Event()
    with running_gateway(
        livekit.url, livekit.key, livekit.secret, tmp_path / "log", **LEAN
    ) as gateway:
        client = threading.Thread(target=listen, args=(gateway, up))
        client.start()
        assert up.wait(PATIENCE_S)
    client.join(PATIENCE_S)
    [(told, goodbye)] = heard
    assert "shutting down" in told["message"]
    assert goodbye.startswith("1000")
