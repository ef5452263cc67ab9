"""
What a client can get wrong.

* ProtocolError           carries the text for the client's ``error`` event
    * BadMessage          the message could not be read: not JSON, a field is wrong
    * TooMuchAudio        one message holds more PCM than a message may

None of them ends a session: the message is dropped, the next one is read.
"""


class ProtocolError(Exception):
    """``event_id`` is the refused message's own, where it could be read."""

    def __init__(self, text: str, event_id: str | None = None) -> None:
        super().__init__(text)
        self.event_id = event_id


class BadMessage(ProtocolError):
    pass


class TooMuchAudio(ProtocolError):
    pass
