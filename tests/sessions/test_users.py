"""Limits that depend on the users in the room and on the client's connection."""

import asyncio

from lite_gateway.sessions.lite_input import CLIENT_GONE_S
from lite_gateway.sessions.session import Limits
from protocol.lite.messages import EndReason
from tests.sessions.fixtures import CALM, running_session
from tests.virtual import run


def test_users_who_return_in_time_keep_the_session():
    async def main():
        async with running_session(
            Limits(user_gone_s=60, idle_s=10_000), fps=CALM
        ) as t:
            t.session.on_users(0)  # a room that had no users yet is not deserted
            await asyncio.sleep(100)
            for count in (1, 2, 1, 0):
                t.session.on_users(count)
                await asyncio.sleep(59)
            t.session.on_users(1)
            await asyncio.sleep(70)
            assert t.end_info is None
            t.session.on_users(0)
            await asyncio.sleep(59)
            t.session.mark_active()
            assert t.end_info is None
            await asyncio.sleep(2)
            return t.end_info

    ending = run(main(), debug=False)
    assert ending.reason is EndReason.USER_DISCONNECTED
    assert "60 s ago" in ending.text


def test_without_the_limit_a_session_outlives_its_users():
    async def main():
        async with running_session(Limits(user_gone_s=None), fps=CALM) as t:
            t.session.on_users(1)
            t.session.on_users(0)
            await asyncio.sleep(250)
            return t.end_info

    assert run(main(), debug=False) is None


def test_an_input_is_not_connected_when_its_client_stays_away():
    async def main():
        async with running_session() as t:
            connected = [t.speech.connected]
            wire = t.connect()
            await asyncio.sleep(CLIENT_GONE_S + 5)
            connected.append(t.speech.connected)
            wire.disconnect()
            await asyncio.sleep(CLIENT_GONE_S - 1)
            connected.append(t.speech.connected)
            await asyncio.sleep(2)
            return [*connected, t.speech.connected]

    assert run(main()) == [True, True, True, False]
