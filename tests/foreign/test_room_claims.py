"""Tokens of callers: read before anything is started, and never repeated."""

import base64
import json
import math

import jwt
import pytest
from pydantic import ValidationError

from lite_gateway.api.livekit_requests import AvatarRequest
from lite_gateway.api.session_requests import TokenRequest
from lite_gateway.errors import Refused
from lite_gateway.foreign.room_claims import NotAToken, RoomClaims

NOW_S = 1_800_000_000.0
URL = "wss://livekit.example"
CLAIMS = {
    "sub": "avatar",
    "nbf": NOW_S,
    "exp": NOW_S + 600,
    "video": {"roomJoin": True, "room": "A"},
    "attributes": {"lk.publish_on_behalf": "agent"},
}


def signed(**changes: object) -> str:
    claims = {**CLAIMS, **changes}
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        "a secret that is as long as it must be",
    )


def raw(payload: str) -> str:
    parts = ('{"alg":"HS256"}', payload, "x")
    return ".".join(
        base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts
    )


def requested(token: str, **more: str) -> AvatarRequest:
    body = {"livekit_url": URL, "livekit_token": token, **more}
    return AvatarRequest.model_validate(body)


def launched(token: str, **more: str):
    return requested(token, **more).session_config("mira", "high", 60.0, NOW_S)


def minted(token: str, room: str = ""):
    livekit = {"url": URL, "token": token, "livekit_room": room}
    body = {"avatar_id": "mira", "livekit_config": livekit}
    request = TokenRequest.model_validate(body)
    return request.session_config("mira", 60.0, "", NOW_S)


def test_the_claims_of_a_good_token_make_the_room():
    for config in (launched(signed()), minted(signed()), minted(signed(), "A")):
        room = config.external_room
        assert (room.url, room.room, room.identity) == (URL, "A", "avatar")
        assert room.on_behalf_of == "agent"
        assert not room.named_by_livekit


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nbf": NOW_S + 3600}, "is not valid yet"),
        ({"nbf": NOW_S + 61}, "is not valid yet"),
        ({"exp": NOW_S - 1}, "has expired"),
        ({"sub": None}, "names no identity"),
        ({"video": {"roomJoin": True}}, "is for no room"),
        ({"video": {"room": "A"}}, "grant roomJoin"),
        ({"video": None}, "is for no room"),
        ({"video": {"roomJoin": True, "room": "A", "canPublish": False}}, "forbids"),
    ],
)
def test_a_token_that_livekit_would_refuse_is_refused_at_once(changes, words):
    token = signed(**changes)
    with pytest.raises(Refused, match=words) as refused:
        launched(token)
    assert refused.value.status == 422
    assert "livekit_config" not in str(refused.value)
    assert token.split(".")[1] not in str(refused.value)


def test_a_clock_that_is_a_little_late_is_tolerated_as_livekit_does():
    assert launched(signed(nbf=NOW_S + 59))


def test_a_session_may_be_made_before_its_token_is_valid_but_not_after():
    assert minted(signed(nbf=NOW_S + 3600))
    with pytest.raises(Refused, match="livekit_config's token has expired"):
        minted(signed(exp=NOW_S - 1))


@pytest.mark.parametrize("make", [minted, lambda t, room: launched(t, room_name=room)])
def test_a_token_for_another_room_is_refused_with_both_names(make):
    with pytest.raises(Refused, match="room 'A', but the body names the room 'B'"):
        make(signed(), "B")


def test_names_of_rooms_are_told_escaped_and_cut():
    with pytest.raises(Refused) as refused:
        minted(signed(), "B\n\x1b[2K" + "x" * 500)
    assert r"'B\n\x1b[2Kxxx" in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "token",
    [
        *("", "x", "a.b.c", "eyJ.eyJ.eyJ", "\ud800.x.y", "ü.ü.ü"),
        *(raw("[]"), raw("7"), raw("{"), raw("[" * 6000), raw('{"a":' * 6000)),
        raw(json.dumps({**CLAIMS, "sub": "\ud800"})),
        raw(json.dumps({**CLAIMS, "sub": "a\x00"})),
        raw(json.dumps({**CLAIMS, "sub": 7})),
        raw(json.dumps({**CLAIMS, "video": {"room": "\udfff", "roomJoin": True}})),
        raw(json.dumps({**CLAIMS, "video": {"room": ["A"], "roomJoin": True}})),
        raw(json.dumps({**CLAIMS, "exp": "soon"})),
        raw(json.dumps({**CLAIMS, "nbf": math.nan})),
        raw(json.dumps({**CLAIMS, "exp": 10**400})),
    ],
)
def test_what_is_no_token_is_refused(token):
    with pytest.raises(NotAToken):
        RoomClaims.read(token)
    for make in (launched, minted):
        with pytest.raises(Refused, match=r"is not a LiveKit access token \(a JWT\)"):
            make(token)


@pytest.mark.parametrize("url", ["ws://a/?q", "ftp://a", "ws://u@a", "ws://\ud800", ""])
def test_a_url_that_is_none_is_refused_before_its_token_is_read(url):
    for body in ({"url": url, "token": signed()}, {"livekit_url": url, "token": "x"}):
        with pytest.raises(ValidationError, match="must be a URL with ws, wss"):
            AvatarRequest.model_validate(body)
