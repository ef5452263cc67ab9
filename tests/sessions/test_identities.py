"""Room identities: they change hands after LiveKit has let the newcomer in."""

import asyncio

import pytest

from lite_gateway.errors import Refused, RoomUnavailable
from lite_gateway.sessions.record import SessionRecord
from lite_gateway.sessions.session_config import ExternalRoom, SessionOwner
from protocol.lite.messages import EndReason
from tests.sessions.rooms import World, config
from tests.virtual import run

OWN, OTHER = SessionOwner("own key"), SessionOwner("other key")


def in_world(scenario):
    async def main():
        async with asyncio.TaskGroup() as group:
            world = World(group)
            await scenario(world, group)
            world.plan.fails, world.plan.join_s = False, 0.0
            await world.registry.drain(60.0)

    run(main())


async def created(world: World, owner: SessionOwner) -> SessionRecord:
    return await world.registry.create(config("avatar", data_stream=False), owner)


async def abandoned(world: World, owner: SessionOwner) -> SessionRecord:
    """Start a session whose client is gone: its key may replace it."""
    record = await created(world, owner)
    await world.registry.start(record.id)
    world.in_room[record.id].connected = False
    return record


@pytest.mark.parametrize("forger", [OWN, OTHER])
def test_a_join_with_a_forged_token_ends_no_session(forger):
    """LiveKit refuses the token: the holder goes on."""

    async def scenario(world: World, _) -> None:
        holder = await abandoned(world, OWN)
        forged = await created(world, forger)
        world.plan.fails = True
        with pytest.raises((Refused, RoomUnavailable)):
            await world.registry.start(forged.id)
        assert holder.active
        assert list(world.in_room) == [holder.id]

    in_world(scenario)


def test_another_key_never_takes_an_identity():
    """Nor does it with a valid token: the holder's client may come back."""

    async def scenario(world: World, _) -> None:
        holder = await abandoned(world, OWN)
        newcomer = await created(world, OTHER)
        with pytest.raises(Refused) as refused:
            await world.registry.start(newcomer.id)
        assert refused.value.status == 409
        assert holder.id not in str(refused.value)
        assert holder.active

    in_world(scenario)


def test_the_key_of_an_abandoned_session_takes_its_identity():
    async def scenario(world: World, _) -> None:
        holder = await abandoned(world, OWN)
        newcomer = await created(world, OWN)
        await world.registry.start(newcomer.id)
        assert newcomer.active
        assert not holder.active
        assert list(world.in_room) == [newcomer.id]

    in_world(scenario)


@pytest.mark.parametrize("data_stream", [False, True])
def test_a_forged_join_of_another_key_delays_no_start(data_stream):
    """LiveKit takes 10 s to refuse the forged token; the right one is in at once."""

    async def scenario(world: World, group: asyncio.TaskGroup) -> None:
        settings = config("avatar", data_stream=data_stream)
        forged = await world.registry.create(settings, OTHER)
        world.plan.fails, world.plan.join_s = True, 10.0

        async def forge() -> None:
            with pytest.raises(RoomUnavailable):
                await world.registry.start(forged.id)

        forging = group.create_task(forge())
        await asyncio.sleep(1.0)
        world.plan.fails, world.plan.join_s = False, 0.1
        if data_stream:
            own = await world.registry.start_in_background(settings, OWN)
        else:
            own = await created(world, OWN)
            await world.registry.start(own.id)
        await asyncio.sleep(0.2)
        assert own.active
        await forging
        assert own.active

    in_world(scenario)


def test_two_agents_of_one_key_that_join_at_once_leave_one_avatar():
    """The second one waits for the first one's join, and replaces it then."""

    async def scenario(world: World, _) -> None:
        world.plan.join_s = 2.0
        first, second = [
            await world.registry.start_in_background(
                config("avatar", data_stream=True, agent=agent), OWN
            )
            for agent in ("agent-1", "agent-2")
        ]
        await asyncio.sleep(5.0)
        assert second.active
        assert list(world.in_room) == [second.id]
        assert world.recorder.ended[first.id] == 1

    in_world(scenario)


def test_a_join_that_was_given_up_disconnects_no_newcomer():
    """The session is stopped while it joins; LiveKit lets it in later."""

    async def scenario(world: World, group: asyncio.TaskGroup) -> None:
        first, second = await created(world, OWN), await created(world, OWN)
        world.plan.join_s = 5.0
        group.create_task(world.registry.start(first.id))
        await asyncio.sleep(1.0)
        await world.registry.stop(first.id, EndReason.USER_CLOSED)
        world.plan.join_s = 0.1
        await world.registry.start(second.id)  # waits for the other join to end
        await asyncio.sleep(20.0)
        assert second.active

    in_world(scenario)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("wss://Rooms.Example.com", True),
        ("wss://rooms.example.com:443/", True),
        ("https://rooms.example.com", True),
        ("wss://rooms.example.com:7881", False),
        ("wss://rooms.example.org", False),
    ],
)
def test_spellings_of_a_server_are_one_identity(url, same):
    def claim(url: str):
        return ExternalRoom(url, "room", "token", "avatar").identity_claim

    assert (claim(url) == claim("wss://rooms.example.com")) is same
