"""
Registry under random scripts, in virtual time.

The rules create, start, stop, preempt and drain sessions whose joins succeed, fail or
take long. The invariants are those that operators rely on: slots are counted right, an
identity has one holder, every started session ends in the history once, and nothing
outlives a drain.
"""

import asyncio
import contextlib
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from lite_gateway.errors import Refused, RoomUnavailable
from lite_gateway.sessions import registry
from lite_gateway.sessions.session_config import (
    SessionOwner,
)
from protocol.lite.messages import EndReason
from tests.sessions.rooms import MAX_SESSIONS, World, config
from tests.virtual import VirtualLoop, run

MAX_OF_KEY = 2
KEYS = ("key-1", "key-2")
JOIN_S = (0.0, 0.1, 3.0)  # how long a join takes
LEAVE_S = (0.0, 0.5, registry.LEAVE_S + 1)


class RegistryMachine(RuleBasedStateMachine):
    """Rules advance virtual time; calls that wait run as tasks beside the rules."""

    sessions = Bundle("sessions")

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.drained = False
        self._stopping = asyncio.Event()
        self.loop.run_until_complete(self._start_world())

    async def _start_world(self) -> None:
        entered = asyncio.Event()

        async def live() -> None:
            async with asyncio.TaskGroup() as group:
                self.group = group
                self.world = World(group)
                entered.set()
                await self._stopping.wait()

        self._main = self.loop.create_task(live())
        await entered.wait()

    def beside(self, call) -> None:
        """Run a call that the registry may refuse, without waiting for it."""

        async def refusable() -> None:
            with contextlib.suppress(Refused, RoomUnavailable):
                await call

        self.group.create_task(refusable())
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    # Rules.

    @rule(
        join_s=st.sampled_from(JOIN_S),
        leave_s=st.sampled_from(LEAVE_S),
        fails=st.booleans(),
    )
    def change_the_network(self, join_s, leave_s, fails):
        plan = self.world.plan
        plan.join_s, plan.leave_s, plan.fails = join_s, leave_s, fails

    @rule(
        target=sessions,
        key=st.sampled_from(KEYS),
        identity=st.sampled_from((None, "avatar", "other")),
    )
    def create(self, key, identity):
        owner = SessionOwner(key, MAX_OF_KEY)
        call = self.world.registry.create(config(identity, data_stream=False), owner)
        return self.loop.run_until_complete(call).id

    @rule(
        target=sessions,
        key=st.sampled_from(KEYS),
        agent=st.sampled_from(("", "agent-1", "agent-2")),
    )
    def start_in_background(self, key, agent):
        call = self.world.registry.start_in_background(
            config("avatar", data_stream=True, agent=agent),
            SessionOwner(key, MAX_OF_KEY),
        )
        try:
            return self.loop.run_until_complete(call).id
        except Refused:
            return multiple()

    @rule(session=sessions)
    def start(self, session):
        self.beside(self.world.registry.start(session))

    @rule(session=consumes(sessions))
    def stop(self, session):
        self.beside(self.world.registry.stop(session, EndReason.USER_CLOSED))

    @rule(session=sessions)
    def end_by_itself(self, session):
        if live := self.world.in_room.get(session):
            live.end(EndReason.IDLE_TIMEOUT, "idle")

    @rule(session=sessions)
    def lose_the_client(self, session):
        if live := self.world.in_room.get(session):
            live.connected = False

    @rule(seconds=st.sampled_from((0.0, 0.05, 1.0, 10.0)))
    def wait(self, seconds):
        self.advance(seconds)

    @precondition(lambda self: not self.drained)
    @rule()
    def drain(self):
        self.drained = True
        self.loop.run_until_complete(self.world.registry.drain(60.0))
        assert not self.world.in_room
        assert not self.world.joining
        assert self.world.registry.slots_taken == 0

    # Invariants.

    @invariant()
    def slots_are_those_that_run_or_are_on_their_way(self):
        world = self.world
        running = [live for live in world.in_room.values() if not live.end_info]
        assert world.registry.slots_taken <= MAX_SESSIONS
        assert world.registry.slots_taken >= len(running)
        assert world.registry.slots_taken >= len(world.joining)

    @invariant()
    def an_identity_is_held_by_a_session_that_was_let_in(self):
        for record in self.world.registry._identities._holders.values():
            assert record.live is not None

    @invariant()
    def no_key_has_more_than_its_share(self):
        slots = Counter(r.owner.key_id for r in self.world.registry._slots)
        assert max(slots.values(), default=0) <= MAX_OF_KEY

    @invariant()
    def no_session_ends_twice(self):
        assert max(self.world.recorder.ended.values(), default=0) <= 1

    def teardown(self) -> None:
        """After a drain every started session has ended once, and nothing is left."""
        world = self.world
        self.loop.run_until_complete(world.registry.drain(600.0))
        self.advance(1.0)
        assert not world.in_room
        assert world.registry.slots_taken == 0
        assert not world.registry._identities._holders
        assert not world.registry._identities._joining
        assert not world.registry._unstarted._count or world.registry._records
        for session_id in world.recorder.started:
            assert world.recorder.ended[session_id] == 1, session_id
        self._stopping.set()
        self.loop.run_until_complete(self._main)
        self.loop.close()


TestRegistry = RegistryMachine.TestCase
TestRegistry.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


def test_an_identity_passes_on_after_a_start_that_failed():
    """The holder's first start failed, its second one succeeded."""

    async def main():
        async with asyncio.TaskGroup() as group:
            world = World(group)
            owner = SessionOwner("key")
            first = await world.registry.create(
                config("avatar", data_stream=False), owner
            )
            world.plan.fails = True
            with pytest.raises(RoomUnavailable):
                await world.registry.start(first.id)
            world.plan.fails, world.plan.leave_s = False, 0.5
            await world.registry.start(first.id)
            world.in_room[first.id].connected = False
            second = await world.registry.create(
                config("avatar", data_stream=False), owner
            )
            await world.registry.start(second.id)
            assert list(world.in_room) == [second.id]
            await world.registry.drain(10.0)

    run(main())


def test_a_stop_frees_the_slot_at_once_while_the_room_does_not_answer():
    """LiveKit is silent: the room counts as left after `LEAVE_S`, the slot at once."""

    async def main():
        async with asyncio.TaskGroup() as group:
            world = World(group)
            record = await world.registry.create(
                config("avatar", data_stream=False), SessionOwner("key")
            )
            await world.registry.start(record.id)
            world.plan.leave_s = 3600.0
            await world.registry.stop(record.id, EndReason.USER_CLOSED)
            assert not world.registry.slots_taken
            assert world.recorder.ended[record.id] == 1
            assert not record.room_left.is_set()
            await asyncio.sleep(registry.LEAVE_S + 1)
            assert record.room_left.is_set()
            assert not world.registry._identities._holders

    run(main())


def test_a_stop_ends_a_join_that_hangs_and_frees_its_slot():
    async def main():
        async with asyncio.TaskGroup() as group:
            world = World(group)
            record = await world.registry.create(
                config(None, data_stream=False), SessionOwner("key")
            )
            world.plan.join_s = 3600.0
            start = group.create_task(world.registry.start(record.id))
            await asyncio.sleep(0.5)
            await world.registry.stop(record.id, EndReason.USER_CLOSED)
            await asyncio.sleep(0.5)
            assert start.result() is None
            assert not world.registry.slots_taken
            assert world.registry.get(record.id) is None
            assert world.recorder.ended[record.id] == 1

    run(main())


def test_a_drain_tells_a_start_that_it_ends_why():
    """Without the reason, the caller would be told that the session is not here."""

    async def main():
        async with asyncio.TaskGroup() as group:
            world = World(group)
            record = await world.registry.create(
                config(None, data_stream=False), SessionOwner("key")
            )
            world.plan.join_s = 3600.0

            async def start() -> Refused:
                with pytest.raises(Refused) as refused:
                    await world.registry.start(record.id)
                return refused.value

            starting = group.create_task(start())
            await asyncio.sleep(0.5)
            await world.registry.drain(5.0)
            error = await starting
            assert (error.status, "shutting down" in str(error)) == (503, True)

    run(main())


def test_a_failed_start_can_be_repeated_when_its_room_is_left():
    async def main():
        async with asyncio.TaskGroup() as group:
            world = World(group)
            record = await world.registry.create(
                config(None, data_stream=False), SessionOwner("key")
            )
            world.plan.fails, world.plan.leave_s = True, 3.0
            with pytest.raises(RoomUnavailable):
                await world.registry.start(record.id)
            assert not world.registry.slots_taken
            world.plan.fails = False
            await world.registry.start(record.id)
            assert list(world.in_room) == [record.id]
            await world.registry.drain(10.0)

    run(main())


def test_an_identity_is_free_when_its_session_has_ended():
    async def main():
        async with asyncio.TaskGroup() as group:
            world = World(group)
            owner = SessionOwner("key")
            for _ in range(2):
                record = await world.registry.create(
                    config("avatar", data_stream=False), owner
                )
                await world.registry.start(record.id)
                await world.registry.stop(record.id, EndReason.USER_CLOSED)
                await record.room_left.wait()
                assert not world.registry._identities._holders
            await world.registry.drain(10.0)

    run(main())


def test_a_session_whose_start_in_background_has_failed_is_not_started_again():
    """The second start waits for the first one, and finds that the session is over."""

    async def main():
        async with asyncio.TaskGroup() as group:
            world = World(group)
            world.plan.fails = True
            record = await world.registry.start_in_background(
                config("avatar", data_stream=True), SessionOwner("key")
            )
            assert await world.registry.start(record.id) is None
            assert not world.registry.slots_taken
            assert world.recorder.ended[record.id] == 1

    run(main())
