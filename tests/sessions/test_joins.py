"""Starts that come at the same time: joins are bounded, and so are waiting sessions."""

import asyncio

import pytest

from lite_gateway.errors import Refused
from lite_gateway.metrics import Metrics
from lite_gateway.sessions import joins
from lite_gateway.sessions.joins import JoinLimiter
from lite_gateway.sessions.record import SessionRecord
from lite_gateway.sessions.session_config import SessionOwner
from lite_gateway.sessions.unstarted import UnstartedSessions
from tests.sessions.rooms import config
from tests.virtual import run

AT_ONCE = 4


class Storm:
    """Joins of one limiter, counted."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.limiter = JoinLimiter(self.metrics, at_once=AT_ONCE)
        self.joining = self.max_joining = self.joined = 0
        self.refused: list[Refused] = []

    async def join(self, takes_s: float) -> None:
        try:
            async with self.limiter.turn(joins.MAX_WAIT_S):
                self.joining += 1
                self.max_joining = max(self.max_joining, self.joining)
                await asyncio.sleep(takes_s)
                self.joining -= 1
                self.joined += 1
        except Refused as refused:
            self.refused.append(refused)

    async def run(self, count: int, takes_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self.join(takes_s))


def test_forty_joins_go_a_few_at_a_time_and_the_rest_is_told_why():
    async def main() -> None:
        storm = Storm()
        await storm.run(40, takes_s=1.0)
        assert storm.max_joining == AT_ONCE
        assert storm.joined >= AT_ONCE * (joins.MAX_WAIT_S - 1)
        assert storm.joined + len(storm.refused) == 40
        for refused in storm.refused:
            assert refused.status == 503
            assert refused.retry_s
            assert "joining their rooms" in str(refused)
        count = storm.metrics.registry.get_sample_value("lite_joins_refused_total")
        assert count == len(storm.refused) > 0
        await storm.run(AT_ONCE, takes_s=1.0)  # all turns are free again
        assert storm.joined + len(storm.refused) == 40 + AT_ONCE

    run(main())


def test_joins_on_a_slow_server_keep_their_turns_for_a_moment_only():
    async def main() -> None:
        storm = Storm()
        async with asyncio.TaskGroup() as group:
            slow = [group.create_task(storm.join(60.0)) for _ in range(AT_ONCE)]
            await asyncio.sleep(0.1)
            await storm.join(0.5)
            assert storm.joined == 1
            for task in slow:
                task.cancel()
        assert not storm.refused
        await storm.run(AT_ONCE, takes_s=0.5)
        assert storm.max_joining <= 2 * AT_ONCE

    run(main())


def waiting(
    sessions: UnstartedSessions, key_id: str, number: int, page: str | None = None
) -> SessionRecord:
    owner = SessionOwner(key_id, embed_id=page)
    settings = config(None, data_stream=False)
    record = SessionRecord(f"{key_id} {number}", settings, owner)
    sessions.add(record)
    return record


def test_a_key_that_creates_too_many_sessions_loses_its_own_oldest():
    sessions = UnstartedSessions(max_of_key=3, max_in_all=100)
    victim = waiting(sessions, "other key", 0)
    first, *_ = [waiting(sessions, "flood", number) for number in range(3)]
    assert sessions.make_room("other key") is None
    assert sessions.make_room("flood") is first
    sessions.add(first)
    for _ in range(10):
        dropped = sessions.make_room("flood")
        assert dropped not in (None, victim)
        sessions.add(dropped)


def test_visitors_of_a_page_do_not_push_out_the_sessions_of_its_key():
    sessions = UnstartedSessions(max_of_key=3, max_in_all=100)
    waiting(sessions, "key", 0)  # the oldest
    visits = [waiting(sessions, "key", number, "page") for number in (1, 2)]
    for number in range(3, 13):
        assert sessions.make_room("key") is visits.pop(0)
        visits.append(waiting(sessions, "key", number, "page"))


def test_a_full_server_drops_no_session_of_another_key():
    sessions = UnstartedSessions(max_of_key=100, max_in_all=3)
    records = [waiting(sessions, "flood", number) for number in range(3)]
    with pytest.raises(Refused) as refused:
        sessions.make_room("other key")
    assert refused.value.status == 429
    assert sessions.make_room("flood") is records[0]
    assert sessions.make_room("other key") is None


def test_a_session_that_starts_is_not_dropped():
    async def main() -> None:
        sessions = UnstartedSessions(max_of_key=2, max_in_all=100)
        starting, idle = [waiting(sessions, "key", number) for number in range(2)]
        async with starting.start_lock:
            assert sessions.make_room("key") is idle

    run(main())
