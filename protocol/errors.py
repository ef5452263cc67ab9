"""
Errors that a client can cause.

* ProtocolError           carries the text for the client's ``error`` event
    * BadMessage          a message cannot be read: it is not JSON, or a field is wrong
    * TooMuchAudio        the audio of a message is over a limit

None of them ends a session: the server drops the message and reads the next one.
"""

MAX_QUOTED_CHARS = 40


class ProtocolError(Exception):
    """
    Base of all errors that a client can cause.

    ``event_id`` is the id of the refused message, or None if it cannot be read.
    """

    def __init__(self, text: str, event_id: str | None = None) -> None:
        super().__init__(text)
        self.event_id = event_id


class BadMessage(ProtocolError):
    """Message that cannot be read."""


class TooMuchAudio(ProtocolError):
    """Message whose audio is over the limit of a message or of the session's buffer."""


def quoted(text: str) -> str:
    """Return the start of a client's text, quoted for an error."""
    return repr(text[:MAX_QUOTED_CHARS])
