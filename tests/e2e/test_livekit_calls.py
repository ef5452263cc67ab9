"""start-avatar, stop-avatar and launch, from outside."""

import concurrent.futures
import datetime
import time
import uuid

import httpx
import pytest
from livekit import api

from tests.e2e.calls import ended, make_key
from tests.waiting import PATIENCE_S, best_of, figures, until

pytestmark = pytest.mark.livekit
START, STOP, LAUNCH = "/v1/livekit/start-avatar", "/v1/livekit/stop-avatar", "/launch"


@pytest.fixture
def ask(gateway, livekit):
    """A call for an avatar in a room of its own; all that came of it is stopped."""
    started = []

    def asked(path: str = START, room: str = "", owner: str = "agent", **more):
        room = room or f"room-{uuid.uuid4().hex[:8]}"
        token = (
            api.AccessToken(livekit.key, livekit.secret)
            .with_kind("agent")
            .with_identity("avatar-fiducial")
            .with_grants(api.VideoGrants(room_join=True, room=room))
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
        given = {"files": form, "data": body} if form else {"json": body}

        def placed() -> httpx.Response | None:
            """Avatars of tests before this one may be leaving still."""
            answer = httpx.post(
                gateway.url + path, headers=headers, timeout=PATIENCE_S, **given
            )
            return None if answer.status_code == 429 else answer

        answer = until(placed)
        if answer.is_success:
            started.append(answer.json()["session_id"])
        return answer

    yield asked
    for session_id in started:
        stop(gateway, session_id)
    for session_id in started:  # what is starting still would begin in the next test
        ended(gateway, session_id)


def stop(gateway, session_id: str, **headers: str) -> httpx.Response:
    return httpx.post(
        gateway.url + STOP,
        headers=headers or {"api-secret": gateway.key},
        json={"session_id": session_id},
        timeout=PATIENCE_S,
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
def test_the_api_key_is_read_from_every_place_that_plugins_use(ask, headers, body):
    answer = ask(headers=headers, body=body)
    assert answer.status_code == 200
    told = answer.json()
    assert told["status"] == "started"
    assert told["avatar_participant_identity"] == "avatar-fiducial"


@pytest.mark.parametrize("path", [START, LAUNCH])
@pytest.mark.parametrize("headers", [{}, {"api-secret": "wrong"}])
def test_without_a_key_nothing_is_started(ask, gateway, path, headers):
    before = gateway.active()
    answer = ask(path, headers=headers)
    assert answer.status_code == 401
    assert "API key" in answer.json()["message"]
    assert set(gateway.active()) <= set(before)


def test_start_avatar_needs_a_key_with_the_mint_scope(ask, gateway):
    admin = make_key(gateway, f"admin-{uuid.uuid4().hex[:6]}", "--scopes", "admin")
    assert ask(headers={"api-secret": admin.key}).status_code == 403


@best_of(3)
def test_start_avatar_answers_at_once_and_the_avatar_joins_later(ask, gateway):
    began_s = time.monotonic()
    answer = ask()
    took_s = time.monotonic() - began_s
    session_id = answer.json()["session_id"]
    until(lambda: session_id in gateway.active())
    with figures():
        assert took_s < 1


def test_a_repeated_call_returns_the_same_session(ask):
    room = f"room-{uuid.uuid4().hex[:8]}"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, START, room) for _ in range(4)]
        ids = {each.result().json()["session_id"] for each in asked}
    again = ask(LAUNCH, room).json()["session_id"]
    assert ids == {again}


def test_the_call_of_another_agent_replaces_the_first_avatar(ask, gateway):
    room = f"room-{uuid.uuid4().hex[:8]}"
    first = ask(room=room, owner="agent-1").json()["session_id"]
    second = ask(room=room, owner="agent-2").json()["session_id"]
    assert first != second
    until(lambda: second in gateway.active())
    assert end_of(gateway, first) == "USER_DISCONNECTED"
    assert second in gateway.active()


def test_another_key_can_neither_replace_nor_stop_an_avatar(ask, gateway):
    room = f"room-{uuid.uuid4().hex[:8]}"
    first = ask(room=room).json()["session_id"]
    other = make_key(gateway, f"other-{uuid.uuid4().hex[:6]}", "--scopes", "mint")
    answer = ask(room=room, headers={"api-secret": other.key})
    assert answer.status_code == 409
    assert stop(gateway, first, **{"api-secret": other.key}).status_code == 404
    assert stop(gateway, first).json() == {"session_id": first, "status": "stopped"}


def test_stop_avatar_can_be_repeated(ask, gateway):
    session_id = ask().json()["session_id"]
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
@pytest.mark.parametrize("form", [None, {"avatar_image": b"not kept"}])
def test_launch_accepts_the_field_names_and_forms_of_its_clients(
    ask, livekit, names, form
):
    room = f"room-{uuid.uuid4().hex[:8]}"
    token = (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity("face")
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .to_jwt()
    )
    given = {"livekit_url": livekit.url, "livekit_token": token, "avatar_id": "ada"}
    body = dict.fromkeys(given) | {
        names.get(name, name): value for name, value in given.items()
    }
    body["room_name"] = room
    answer = ask(LAUNCH, body=body, form=form)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["room_name"], told["avatar_participant_identity"]) == (room, "face")


def test_an_uploaded_picture_starts_the_default_avatar_with_a_message(ask):
    answer = ask(LAUNCH, body={"avatar_id": None}, form={"avatar_image": b"png"})
    assert answer.status_code == 200
    assert "picture" in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "want", "says"),
    [
        ({"avatar_id": "nobody"}, 404, "nobody"),
        ({"livekit_token": "not a token"}, 422, "JWT"),
        ({"livekit_token": None}, 422, "livekit_token"),
        ({"livekit_url": "ftp://x"}, 422, "ws://"),
        ({"livekit_url": "ws://[::1"}, 422, "ws://"),
        ({"room_name": "elsewhere"}, 422, "for the room"),
        ({"quality": "huge"}, 422, "quality"),
    ],
)
@pytest.mark.parametrize("path", [START, LAUNCH])
def test_a_bad_request_is_refused_with_the_reason(ask, path, body, want, says):
    answer = ask(path, body=body)
    assert answer.status_code == want
    assert says in answer.json()["message"]


def test_an_expired_token_is_refused_before_livekit_sees_it(ask, livekit):
    token = (
        api.AccessToken(livekit.key, livekit.secret)
        .with_identity("face")
        .with_grants(api.VideoGrants(room_join=True, room="r"))
        .with_ttl(datetime.timedelta(seconds=-60))
        .to_jwt()
    )
    answer = ask(body={"livekit_token": token})
    assert answer.status_code == 422
    assert "expired" in answer.json()["message"]


def test_a_failed_join_frees_its_slot_and_records_the_reason(ask, gateway, livekit):
    token = (
        api.AccessToken(livekit.key, "another secret that is long enough to use")
        .with_identity("face")
        .with_grants(api.VideoGrants(room_join=True, room="r"))
        .to_jwt()
    )
    session_id = ask(body={"livekit_token": token}).json()["session_id"]
    assert end_of(gateway, session_id) == "SERVER_ERROR"
    assert session_id not in gateway.active()
