"""Speech of a person who does not wait until a conversation has started."""

import asyncio

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from conversation.agent.realtime import realtime_engine
from tests.conversation.talks import RealtimeTalk

pytestmark = pytest.mark.process


def test_what_is_said_while_the_models_start_is_heard_and_answered(counterpart):
    def slow_engine(*args):
        engine = realtime_engine(*args)
        start = engine.session.start

        async def start_late(*args, **options):
            talk.person.say("What do you hear?")
            await talk.person.until_silent()
            await start(*args, **options)

        engine.session.start = start_late
        return engine

    talk = RealtimeTalk(counterpart.url, slow_engine)

    async def main():
        async with talk.running():
            gateway = talk.gateway
            await gateway.until(lambda: gateway.texts("avatar.transcription"))
            assert gateway.texts("user.transcription") == ["Hello there."]

    asyncio.run(main())
