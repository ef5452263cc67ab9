"""Clients that connect while their session ends, or after it."""

import asyncio

from protocol.lite.messages import EndReason
from tests.sessions.fixtures import running_session
from tests.virtual import run

CLOSING = ["session.state_updated", "session.stopped", "session.state_updated"]


def test_a_client_that_connects_after_the_end_gets_the_closing_events_once():
    async def main():
        async with running_session() as t:
            t.session.end(EndReason.USER_CLOSED, "over")
            await asyncio.sleep(1)
            client = t.connect()
            await asyncio.sleep(1)
            return client

    client = run(main())
    assert client.types() == ["session.state_updated", *CLOSING]
    assert client.closed == (1000, "USER_CLOSED: over")


def test_every_client_that_connects_after_the_end_gets_the_closing_events():
    async def main():
        async with running_session() as t:
            first = t.connect()
            await asyncio.sleep(1)
            t.session.end(EndReason.USER_CLOSED, "over")
            await asyncio.sleep(1)
            second = t.connect()
            await asyncio.sleep(1)
            return first, second

    for client in run(main()):
        assert client.types()[-3:] == CLOSING
        assert client.types().count("session.stopped") == 1
        assert client.closed is not None
