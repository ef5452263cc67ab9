"""
Hints for the face in a message: emotion and phones.

A hint that cannot be used is answered with an error, and the rest of its message is
used, so that no speech is lost.
"""

from protocol.errors import quoted
from protocol.lite.messages import (
    EMOTIONS,
    MAX_MESSAGE_PHONES,
    Error,
    ErrorKind,
    Speak,
    StartListening,
)
from protocol.phones.phone_list import InvalidPhones, TimedPhone, read_phones


def known_emotion(
    message: Speak | StartListening,
) -> tuple[str | None, Error | None]:
    """Return the emotion of a message, or None and an error if its name is unknown."""
    if message.emotion is None or message.emotion in EMOTIONS:
        return message.emotion, None
    text = (
        f"unknown emotion {quoted(message.emotion)}; one of {', '.join(EMOTIONS)}: "
        "the message was taken without it"
    )
    return None, Error(ErrorKind.INVALID_REQUEST, text, message.event_id)


def known_phones(
    message: Speak, until_s: float
) -> tuple[tuple[TimedPhone, ...], Error | None]:
    """
    Return the phones of a message, or none and an error if they cannot be used.

    ``until_s`` is the end of the phones that the turn has already.
    """
    if message.phones is None:
        return (), None
    try:
        phones = read_phones(
            message.phones, max_phones=MAX_MESSAGE_PHONES, until_s=until_s
        )
    except InvalidPhones as error:
        text = f"{error}: the message was taken without its phones"
        return (), Error(ErrorKind.INVALID_REQUEST, text, message.event_id)
    return tuple(phones), None
