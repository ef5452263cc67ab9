"""Bound of the backgrounds that running sessions show, and what viewers are told."""

import asyncio
import dataclasses
from pathlib import Path

import jwt
import pytest

from lite_gateway.errors import Refused
from lite_gateway.rooms.server_api import LiveKitServerApi
from lite_gateway.sessions import backgrounds
from lite_gateway.sessions.opener import (
    AI_GENERATED_ATTRIBUTE,
    KEY_COLOUR_ATTRIBUTE,
    room_attributes,
)
from lite_gateway.sessions.session_config import SessionOwner
from protocol.lite.messages import EndReason
from renderer.avatar import Avatar, Likeness
from renderer.package import Package
from tests.sessions.rooms import World, config
from tests.virtual import run

OWNER = SessionOwner("key-1")


MIRA = Avatar(
    "mira", "Mira", "portrait", "CC0-1.0", "studio", Package.at(Path("mira"))
)  # fmt: skip


def with_background(background, avatar="mira"):
    plain = config(None, data_stream=False)
    return dataclasses.replace(plain, avatar=avatar, background=background)


COLOURS = [f"#0000{n:02x}" for n in range(backgrounds.MAX_BACKGROUNDS)]


def test_one_more_background_is_refused_and_every_known_one_is_not():
    full = [with_background(colour) for colour in COLOURS]

    assert backgrounds.refusal(full[:-1], with_background("#ffffff")) is None
    for known in (COLOURS[0], ""):
        assert backgrounds.refusal(full, with_background(known)) is None
    for other in (with_background("#ffffff"), with_background(COLOURS[0], "theo")):
        assert "12 is the maximum" in backgrounds.refusal(full, other)


def test_a_start_with_one_background_too_many_is_refused_until_one_is_free():
    async def main():
        async with asyncio.TaskGroup() as group:
            world = World(group, max_sessions=99)
            registry = world.registry
            started = []
            for colour in COLOURS:
                record = await registry.create(with_background(colour), OWNER)
                await registry.start(record.id)
                started.append(record)
            late = await registry.create(with_background("#ffffff"), OWNER)
            with pytest.raises(Refused, match="different backgrounds") as refused:
                await registry.start(late.id)
            assert refused.value.status == 429
            assert refused.value.retry_s
            assert world.metrics.registry.get_sample_value("lite_backgrounds") == 12
            await registry.stop(started[3].id, EndReason.USER_CLOSED)
            assert await registry.start(late.id)
            await registry.drain(1.0)

    run(main())


def test_viewers_are_told_the_key_colour_of_a_transparent_background_only():
    api = LiveKitServerApi(
        "ws://127.0.0.1:1", "key", "a secret of over 32 characters .."
    )
    for background, expected in (
        ("transparent", {KEY_COLOUR_ATTRIBUTE: "#00ff00"}),
        ("#00ff00", None),
        ("", None),
    ):
        attributes = room_attributes(with_background(background), MIRA)
        token = api.sign_token("room", "heygen", 60.0, attributes=attributes)
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims.get("attributes") == expected


def test_viewers_are_told_that_the_face_of_a_real_person_is_made():
    likeness = Likeness("photo", "I consent.", "Anna", "2026-11-29")
    anna = dataclasses.replace(MIRA, likeness=likeness)
    plain, keyed = with_background(""), with_background("transparent")
    assert room_attributes(plain, anna) == {AI_GENERATED_ATTRIBUTE: "true"}
    assert AI_GENERATED_ATTRIBUTE in room_attributes(keyed, anna)
    assert AI_GENERATED_ATTRIBUTE not in room_attributes(keyed, MIRA)
