"""Tests of the calls start-avatar, stop-avatar and launch."""

import asyncio
import concurrent.futures
import datetime
import time
import uuid

import httpx
import jwt
import pytest
from livekit import api

from tests.e2e.calls import ended, make_key
from tests.waiting import best_of, figures, until

pytestmark = pytest.mark.livekit
START, STOP, LAUNCH = "/v1/livekit/start-avatar", "/v1/livekit/stop-avatar", "/launch"


@pytest.fixture
def request_avatar(gateway, livekit):
    """Return a function that requests an avatar; stop all its sessions at the end."""
    started = []

    def request(path: str = START, room: str = "", owner: str = "agent", **more):
        room = room or f"room-{uuid.uuid4().hex[:8]}"
        token = (
            api.AccessToken(livekit.key, livekit.secret)
            .with_kind("agent")
            .with_identity("avatar-fiducial")
            .with_grants(
                api.VideoGrants(
                    room_join=True,
                    room=room,
                    can_update_own_metadata=more.pop("own_metadata", False),
                )
            )
            .with_attributes({"lk.publish_on_behalf": owner})
            .to_jwt()
        )
        headers = more.pop("headers", {"X-API-KEY": gateway.key})
        body = {
            "livekit_url": livekit.url,
            "livekit_token": token,
            "avatar_id": "fiducial",
            "quality": "256x256",
        }
        body = {**body, **more.pop("body", {})}
        body = {name: value for name, value in body.items() if value is not None}
        form = more.pop("form", None)
        content = {"files": form, "data": body} if form else {"json": body}

        def send() -> httpx.Response | None:
            """Send the request; return None while earlier avatars take the slots."""
            response = gateway.post(path, headers=headers, **content)
            return None if response.status_code == 429 else response

        response = until(send)
        if response.is_success:
            started.append(response.json()["session_id"])
        return response

    yield request
    for session_id in started:
        stop(gateway, session_id)
    for session_id in started:  # one that still starts would disturb the next test
        ended(gateway, session_id)


def stop(gateway, session_id: str, **headers: str) -> httpx.Response:
    return gateway.post(
        STOP,
        headers=headers or {"api-secret": gateway.key},
        json={"session_id": session_id},
    )


def end_of(gateway, session_id: str) -> str:
    return ended(gateway, session_id)["end_reason"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"api-secret": "dev"}, {}),
        ({"X-API-KEY": "dev"}, {}),
        ({"Authorization": "Bearer dev"}, {}),
        ({}, {"avaluma_key": "dev"}),
        ({}, {"avaluma_license_key": "dev"}),
    ],
    ids=["api-secret", "x-api-key", "bearer", "avaluma_key", "avaluma_license_key"],
)
def test_the_api_key_is_read_from_every_place_that_plugins_use(
    request_avatar, headers, body
):
    response = request_avatar(headers=headers, body=body)
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "started"
    assert body["avatar_participant_identity"] == "avatar-fiducial"


@pytest.mark.parametrize("path", [START, LAUNCH])
@pytest.mark.parametrize("headers", [{}, {"api-secret": "wrong"}])
def test_without_a_key_nothing_is_started(request_avatar, gateway, path, headers):
    before = gateway.active_sessions()
    response = request_avatar(path, headers=headers)
    assert response.status_code == 401
    assert "API key" in response.json()["message"]
    assert set(gateway.active_sessions()) <= set(before)


def test_start_avatar_needs_a_key_with_the_mint_scope(request_avatar, gateway):
    admin = make_key(gateway, f"admin-{uuid.uuid4().hex[:6]}", "--scopes", "admin")
    assert request_avatar(headers={"api-secret": admin.key}).status_code == 403


@best_of(3)
def test_start_avatar_answers_at_once_and_the_avatar_joins_later(
    request_avatar, gateway
):
    started_s = time.monotonic()
    response = request_avatar()
    took_s = time.monotonic() - started_s
    session_id = response.json()["session_id"]
    until(lambda: session_id in gateway.active_sessions())
    with figures():
        assert took_s < 1


def test_a_repeated_call_returns_the_same_session(request_avatar):
    room = f"room-{uuid.uuid4().hex[:8]}"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(request_avatar, START, room) for _ in range(4)]
        ids = {future.result().json()["session_id"] for future in futures}
    again = request_avatar(LAUNCH, room).json()["session_id"]
    assert ids == {again}


def test_the_call_of_another_agent_replaces_the_first_avatar(request_avatar, gateway):
    room = f"room-{uuid.uuid4().hex[:8]}"
    first = request_avatar(room=room, owner="agent-1").json()["session_id"]
    second = request_avatar(room=room, owner="agent-2").json()["session_id"]
    assert first != second
    until(lambda: second in gateway.active_sessions())
    assert end_of(gateway, first) == "USER_DISCONNECTED"
    assert second in gateway.active_sessions()


def test_another_key_can_neither_replace_nor_stop_an_avatar(request_avatar, gateway):
    room = f"room-{uuid.uuid4().hex[:8]}"
    first = request_avatar(room=room).json()["session_id"]
    until(lambda: first in gateway.active_sessions())
    other = make_key(gateway, f"other-{uuid.uuid4().hex[:6]}", "--scopes", "mint")
    response = request_avatar(room=room, headers={"api-secret": other.key})
    assert response.status_code == 409
    assert stop(gateway, first, **{"api-secret": other.key}).status_code == 404
    assert stop(gateway, first).json() == {"session_id": first, "status": "stopped"}


def test_stop_avatar_can_be_repeated(request_avatar, gateway):
    session_id = request_avatar().json()["session_id"]
    assert stop(gateway, session_id).status_code == 200
    assert stop(gateway, session_id).status_code == 200
    assert end_of(gateway, session_id) == "USER_CLOSED"
    assert stop(gateway, str(uuid.uuid4())).status_code == 404


@pytest.mark.parametrize(
    "names",
    [
        {"livekit_url": "url", "livekit_token": "token"},  # LiveKit's example
        {},  # bitHuman's container
        {"avatar_id": "avaluma_avatar_id"},
    ],
)
@pytest.mark.parametrize("form", [None, {"avatar_image": b"png"}])
def test_launch_accepts_the_field_names_and_forms_of_its_clients(
    request_avatar, livekit, names, form
):
    room = f"room-{uuid.uuid4().hex[:8]}"
    token = (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity("face")
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .to_jwt()
    )
    fields = {"livekit_url": livekit.url, "livekit_token": token, "avatar_id": "mira"}
    body = dict.fromkeys(fields) | {
        names.get(name, name): value for name, value in fields.items()
    }
    body["room_name"] = room
    response = request_avatar(LAUNCH, body=body, form=form)
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["room_name"], body["avatar_participant_identity"]) == (room, "face")


def test_an_uploaded_image_starts_the_default_avatar_with_a_message(request_avatar):
    response = request_avatar(
        LAUNCH, body={"avatar_id": None}, form={"avatar_image": b"png"}
    )
    assert response.status_code == 200
    assert "picture" in response.json()["message"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"avatar_id": "unknown"}, 404, "unknown"),
        ({"livekit_token": "not a token"}, 422, "JWT"),
        ({"livekit_token": None}, 422, "livekit_token"),
        ({"livekit_url": "ftp://x"}, 422, "ws, wss, http or https"),
        ({"livekit_url": "ws://[::1"}, 422, "ws, wss, http or https"),
        ({"room_name": "another room"}, 422, "names the room 'another room'"),
        ({"livekit_url": "ws://user@127.0.0.1"}, 422, "without user"),
        ({"livekit_url": "ws://10.1:7880"}, 422, "LITE_ALLOWED_HOSTS"),
        ({"quality": "huge"}, 422, "quality"),
    ],
)
@pytest.mark.parametrize("path", [START, LAUNCH])
def test_a_bad_request_is_refused_with_the_reason(
    request_avatar, path, body, status, words
):
    response = request_avatar(path, body=body)
    assert response.status_code == status
    assert words in response.json()["message"]


def test_an_expired_token_is_refused_before_livekit_sees_it(request_avatar, livekit):
    token = (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity("face")
        .with_grants(api.VideoGrants(room_join=True, room="r"))
        .with_ttl(datetime.timedelta(seconds=-60))
        .to_jwt()
    )
    response = request_avatar(body={"livekit_token": token})
    assert response.status_code == 422
    assert "expired" in response.json()["message"]


def test_a_token_that_is_not_valid_yet_is_refused_and_kept_nowhere(
    request_avatar, gateway, livekit
):
    grants = api.VideoGrants(room_join=True, room="r")
    token = api.AccessToken(livekit.key, livekit.secret).with_identity("face")
    claims = jwt.decode(
        token.with_grants(grants).to_jwt(), options={"verify_signature": False}
    )
    claims["nbf"] = claims["nbf"] + 3600
    late_token = jwt.encode(claims, livekit.secret)
    for path in (START, LAUNCH):
        response = request_avatar(path, body={"livekit_token": late_token})
        assert response.status_code == 422
        message = response.json()["message"]
        assert message == "the LiveKit token is not valid yet"
    assert late_token not in gateway.log_path.read_text()


def test_a_failed_join_frees_its_slot_and_records_the_reason(
    request_avatar, gateway, livekit
):
    token = (
        api.AccessToken(livekit.key, "another secret that is long enough to use")
        .with_identity("face")
        .with_grants(api.VideoGrants(room_join=True, room="r"))
        .to_jwt()
    )
    session_id = request_avatar(body={"livekit_token": token}).json()["session_id"]
    assert end_of(gateway, session_id) == "SERVER_ERROR"
    assert session_id not in gateway.active_sessions()


@pytest.mark.parametrize("allowed", [True, False])
def test_an_avatar_sets_its_attributes_in_a_room_of_others_where_it_may(
    request_avatar, livekit, allowed
):
    room = f"room-{uuid.uuid4().hex[:8]}"
    body = {"avatar_id": "mira", "background": "transparent"}
    assert request_avatar(room=room, own_metadata=allowed, body=body).is_success

    async def participants() -> list[api.ParticipantInfo]:
        async with api.LiveKitAPI(livekit.url, livekit.key, livekit.secret) as server:
            request = api.ListParticipantsRequest(room=room)
            return [*(await server.room.list_participants(request)).participants]

    def avatar() -> api.ParticipantInfo | None:
        """Return the avatar when both tracks are published."""
        there = [one for one in asyncio.run(participants()) if len(one.tracks) == 2]
        if there and allowed and "lite.key_colour" not in there[0].attributes:
            return None
        return there[0] if there else None

    attributes = until(avatar).attributes
    assert attributes["lk.publish_on_behalf"] == "agent"
    assert attributes.get("lite.key_colour") == ("#00ff00" if allowed else None)
