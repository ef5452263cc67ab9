"""Speech through a real gateway and LiveKit, received by a separate process."""

import asyncio
import time
import uuid

import numpy as np
import pytest
from livekit import api

from bench.probe.listening import (
    MIN_MATCH,
    Recording,
    listening,
    speech,
    with_listener,
)
from lite_gateway.client import ServerRefused, open_session
from lite_gateway.client.pacing import send
from tests.waiting import PATIENCE_S, best_of, figures

pytestmark = pytest.mark.livekit
SPAN_S = {"burst": 3.0, "1x": 2.0}
SQUARE = {"video_settings": {"quality": "512x512"}}


@pytest.mark.parametrize("pace", SPAN_S)
@best_of(3)
def test_a_listener_receives_25_frames_per_second_and_the_audio_that_was_sent(
    gateway, tmp_path, pace
):
    pcm = speech(SPAN_S[pace])

    async def talk() -> tuple[Recording, float, float]:
        async with with_listener(gateway, "fiducial", tmp_path, **SQUARE) as (
            avatar,
            listener,
        ):
            listener.wait_for_media()
            await send(avatar, pcm, pace)
            await avatar.event("agent.speak_started")
            started_at = time.monotonic()
            await avatar.event("agent.speak_ended")
            ended_at = time.monotonic()
            await asyncio.sleep(0.7)
            return listener.leave(), started_at, ended_at

    heard, started_at, ended_at = asyncio.run(talk())
    marked = heard.frames[heard.frames[:, 1] >= 0]
    assert (np.diff(marked[:, 1]) > 0).all()  # frame numbers only increase
    speaking = marked[marked[:, 2] == 1]
    assert np.ptp(speaking[:, 3]) > 0.3  # the mouth level follows the syllables
    with figures():
        assert heard.match(pcm)[0] > MIN_MATCH
        assert len(marked) > 0.95 * len(heard.frames)
        assert 0.9 <= len(speaking) / (25 * SPAN_S[pace]) <= 1.05
        if pace == "burst":
            assert 24 <= heard.frame_rate(started_at + 0.2, ended_at) <= 26


@pytest.mark.slow
@best_of(3)
def test_the_first_frame_of_speech_is_not_dropped_by_the_transport(gateway, tmp_path):
    """It is sent as soon as it is rendered: under 40 ms after the frame before it."""

    async def talk() -> Recording:
        async with with_listener(gateway, "fiducial", tmp_path, **SQUARE) as (
            avatar,
            listener,
        ):
            listener.wait_for_media()
            await asyncio.sleep(0.5)
            for turn in range(10):
                await send(avatar, speech(0.3), "burst")
                await avatar.event("agent.speak_ended")
                await asyncio.sleep(0.3 + 0.007 * turn)
            return listener.leave()

    frames = asyncio.run(talk()).frames
    indices = frames[frames[:, 1] >= 0][25:, 1]
    with figures():
        assert (np.diff(indices) > 1).sum() <= 2


@best_of(3)
def test_an_interrupt_silences_the_room_and_returns_the_mouth_to_rest(
    gateway, tmp_path
):
    async def talk() -> tuple[Recording, float, float, dict]:
        async with with_listener(gateway, "fiducial", tmp_path, **SQUARE) as (
            avatar,
            listener,
        ):
            listener.wait_for_media()
            await send(avatar, speech(8.0), "burst")
            await avatar.event("agent.speak_started")
            started_at = time.monotonic()
            await asyncio.sleep(1.2)
            cut_at = time.monotonic()
            await avatar.interrupt()
            event = await avatar.event("agent.speak_interrupted")
            await asyncio.sleep(1.3)
            return listener.leave(), started_at, cut_at, event

    heard, started_at, cut_at, event = asyncio.run(talk())
    assert heard.rms(started_at + 0.3, cut_at) > 500
    with figures():
        assert -100 <= event["played_ms"] - 1000 * (cut_at - started_at) <= 200
        assert heard.rms(cut_at + 0.5, cut_at + 1.2) < 20
        after = heard.frames[heard.frames[:, 0] > cut_at + 0.5]
        assert len(after) > 12
        assert (after[:, 2:] == 0).all()  # no turn, and the mouth at rest


@best_of(3)
def test_the_mouth_follows_the_phones_that_a_client_sends(gateway, tmp_path):
    """Send the same audio with phones of closed lips, then with those of a vowel."""

    async def talk() -> tuple[Recording, list[tuple[float, float]]]:
        spans = []
        async with with_listener(gateway, "mira", tmp_path, **SQUARE) as (
            avatar,
            listener,
        ):
            listener.wait_for_media()
            for phone in ("m", "a"):
                await avatar.speak(speech(2.5), phones=[[phone, 0.0, 3.0]])
                await avatar.event("agent.speak_started")
                started_at = time.monotonic()
                await avatar.event("agent.speak_ended")
                spans.append((started_at + 0.4, time.monotonic() - 0.3))
            return listener.leave(), spans

    heard, spans = asyncio.run(talk())
    seen = heard.frames[:, 0]
    humming, singing = [
        heard.thumbnails[(seen >= since) & (seen < until)].astype(float)[
            :, 32:48, 20:44
        ]
        for since, until in spans
    ]
    half = len(humming) // 2
    still = np.abs(humming[:half].mean(0) - humming[half:].mean(0)).mean()
    with figures():
        assert np.abs(humming.mean(0) - singing.mean(0)).mean() > 3 * still


@best_of(3)
def test_a_face_moves_its_mouth_only_while_it_talks(gateway, tmp_path):
    async def talk() -> tuple[Recording, float, float]:
        async with with_listener(gateway, "mira", tmp_path, **SQUARE) as (
            avatar,
            listener,
        ):
            listener.wait_for_media()
            await asyncio.sleep(1.5)
            started_at = time.monotonic()
            await send(avatar, speech(2.0), "burst")
            await avatar.event("agent.speak_ended")
            return listener.leave(), started_at, time.monotonic()

    heard, started_at, ended_at = asyncio.run(talk())
    seen = heard.frames[:, 0]

    def motion(since: float, until: float) -> float:
        frames = heard.thumbnails[(seen >= since) & (seen < until)].astype(float)
        mouth = frames[:, 32:48, 20:44]
        return float(np.abs(np.diff(mouth, axis=0)).mean())

    idle = motion(started_at - 1.2, started_at)
    with figures():
        assert motion(started_at + 0.2, ended_at) > 3 * idle


@best_of(3)
def test_stop_removes_the_avatar_from_the_room(gateway, tmp_path):
    async def talk() -> tuple[Recording, float]:
        async with with_listener(gateway, "fiducial", tmp_path, **SQUARE) as (
            avatar,
            listener,
        ):
            listener.wait_for_media()
            stopped_at = time.monotonic()
            await stop(gateway, avatar.session_id)
            event = await avatar.event("session.stopped")
            assert event["end_reason"] == "USER_CLOSED"
            listener.wait("left")
            return listener.leave(), stopped_at

    heard, stopped_at = asyncio.run(talk())
    assert heard.left_at_s > stopped_at
    with figures():
        assert heard.left_at_s - stopped_at < 1.0


async def stop(gateway, session_id: str) -> None:
    import aiohttp

    body, headers = {"session_id": session_id}, {"X-API-KEY": gateway.key}
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{gateway.url}/v1/sessions/stop", json=body, headers=headers
        ) as response,
    ):
        assert response.status == 200


def room_token(livekit, room: str, identity: str, **grants) -> str:
    return (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room, **grants))
        .to_jwt()
    )


@pytest.mark.parametrize("spelling", ["reference", "guide"])
@best_of(3)
def test_the_avatar_joins_the_clients_own_room(gateway, livekit, tmp_path, spelling):
    room = f"mine-{uuid.uuid4().hex[:8]}"
    token = room_token(livekit, room, "my-avatar")
    own = {
        "reference": {
            "livekit_url": livekit.url,
            "livekit_room": room,
            "livekit_client_token": token,
        },
        "guide": {"url": livekit.url, "token": token},
    }[spelling]
    pcm = speech(1.5)

    async def talk() -> Recording:
        with listening(
            livekit.url, room_token(livekit, room, "me"), tmp_path
        ) as listener:
            async with open_session(
                gateway.url,
                gateway.key,
                avatar="fiducial",
                livekit_config=own,
                **SQUARE,
            ) as avatar:
                assert avatar.livekit_client_token == ""
                listener.wait_for_media()
                await send(avatar, pcm, "burst")
                await avatar.event("agent.speak_ended")
                await asyncio.sleep(0.5)
            listener.wait("left")
            return listener.leave()

    heard = asyncio.run(talk())
    with figures():
        assert heard.match(pcm)[0] > MIN_MATCH


def test_a_room_token_with_a_wrong_signature_is_refused_with_the_reason(
    gateway, livekit
):
    token = api.AccessToken(livekit.key, "another secret, as long as the right one")
    token = token.with_identity("avatar")
    bad_token = token.with_grants(api.VideoGrants(room_join=True, room="x")).to_jwt()

    async def start() -> None:
        own = {"url": livekit.url, "token": bad_token}
        async with open_session(
            gateway.url, gateway.key, avatar="mira", livekit_config=own
        ):
            pass

    with pytest.raises(ServerRefused, match=r"400 livekit_config: .*token"):
        asyncio.run(start())


def test_a_deleted_room_ends_the_session_with_a_reason(gateway, livekit):
    async def talk() -> tuple[dict, str]:
        async with open_session(
            gateway.url, gateway.key, avatar="fiducial", **SQUARE
        ) as avatar:
            await avatar.event("session.state_updated")
            async with api.LiveKitAPI(livekit.url, livekit.key, livekit.secret) as lk:
                await lk.room.delete_room(api.DeleteRoomRequest(room=avatar.session_id))
            event = await avatar.event("session.stopped")
            async for _ in avatar.events():
                pass
            return event, avatar.close_reason

    event, close_reason = asyncio.run(asyncio.wait_for(talk(), PATIENCE_S))
    assert "the room is gone" in event["message"]
    assert close_reason.startswith("1000")
