"""Log of the agent process, which the gateway reads from its stderr."""

import logging
from typing import TextIO

from conversation.agent.synthesis import SpeechGivenUp
from lite_gateway.telemetry.logs import log_handler

# Of livekit-agents, once a sentence: only OpenAI's own service sends such an id.
_NO_ID = "no request_id provided for TTS"


def agent_log_handler(stream: TextIO) -> logging.Handler:
    """Return a handler that writes records to ``stream``; the gateway adds the time."""
    handler = log_handler("text", stream)
    handler.addFilter(_is_new)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    return handler


def _is_new(record: logging.LogRecord) -> bool:
    """
    Return whether a record tells what no other one does.

    A failure of the voice has a line of its own. It ends its speech as an exception,
    which livekit-agents logs with a traceback in each of its tasks, and asyncio when
    nobody takes it.
    """
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    return not (isinstance(error, SpeechGivenUp) or str(record.msg).startswith(_NO_ID))
