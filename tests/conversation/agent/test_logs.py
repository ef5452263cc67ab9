"""Log of the agent process: one line for each failure, none for what is normal."""

import asyncio
import io
import logging

import pytest

pytest.importorskip("livekit.plugins.openai", reason="needs lite-gateway[agent]")

from conversation.agent.logs import agent_log_handler
from conversation.agent.synthesis import SpeechGivenUp
from tests.conversation.full_mode import errors, talk


@pytest.fixture
def logged():
    """Log as the agent process writes it, from WARNING on."""
    stream = io.StringIO()
    handler, root = agent_log_handler(stream), logging.getLogger()
    handler.setLevel(logging.WARNING)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


@pytest.mark.process
def test_a_voice_that_fails_has_one_line_and_one_that_speaks_none(counterpart, logged):
    counterpart.script(speech=[{"when": {"contains": "never"}, "fault": "server"}])

    async def check(talk, gateway):
        gateway.command("speak_text", "One. Two.")
        gateway.command("speak_text", "This is never spoken.")
        gateway.command("speak_response", "Nor is this, never.")
        await gateway.until(lambda: len(errors(gateway)) == 2)
        gateway.command("speak_text", "Three.")
        await gateway.until(lambda: len(gateway.texts("avatar.transcription")) > 1)

    talk(check, counterpart)
    lines = logged.getvalue().splitlines()
    assert len(lines) == 2, lines
    for line in lines:
        assert line.startswith("WARNING conversation.agent.pipeline: text-to-speech")


def test_only_a_speech_that_was_given_up_is_told_by_no_task(logged):
    loop = asyncio.new_event_loop()
    for error in (SpeechGivenUp("the voice failed"), ValueError("odd")):
        lost = {"message": "Task exception was never retrieved", "exception": error}
        loop.default_exception_handler(lost)
        logging.getLogger("livekit.agents").error("Error in _tts_task", exc_info=error)
    loop.close()
    told = logged.getvalue()
    assert told.count("ValueError: odd") == 2
    assert "never retrieved" in told
    assert "Error in _tts_task" in told
    assert "SpeechGivenUp" not in told
