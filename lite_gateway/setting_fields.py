"""Fields of the gateway's settings: their names, kinds, help texts and checks."""

from dataclasses import field
from fractions import Fraction
from typing import Any, Self

from lite_gateway.errors import ConfigError

PREFIX = "LITE_"
# LiveKit's own tools read these names too, so they have no prefix.
_LIVEKIT = ("livekit_url", "livekit_api_key", "livekit_api_secret")
# Fields whose option and variable have another name.
_PUBLIC_NAMES = {"output": "sink"}


class SessionLimit(int):
    """Most sessions at once; 0, which is written "auto", for the measured capacity."""

    def __new__(cls, text: str | int) -> Self:
        number = 0 if text == "auto" else int(text)
        if text != "auto" and number < 1:
            raise ValueError("not a number of sessions")
        return super().__new__(cls, number)

    def __str__(self) -> str:
        return str(int(self)) if self else "auto"


KINDS = {
    SessionLimit: "auto, or a whole number of at least 1",
    int: "a whole number",
    float: "a number",
    Fraction: "a number, such as 25 or 30000/1001",
}


def setting(
    default: Any, text: str, *, secret: bool = False, alone: str | None = None
) -> Any:
    """
    Return a field with its ``--help`` text; ``repr`` omits it if it is secret.

    ``alone`` is the value of its option without a value.
    """
    metadata = {"help": text, "alone": alone}
    return field(default=default, repr=not secret, metadata=metadata)


def public_name(field_name: str) -> str:
    """Return the name that users see for a field of `Config`."""
    return _PUBLIC_NAMES.get(field_name, field_name)


def env_name(field_name: str) -> str:
    """Return the environment variable of a field of `Config`."""
    prefix = "" if field_name in _LIVEKIT else PREFIX
    return prefix + public_name(field_name).upper()


def parse(name: str, text: str, kind: type[Any]) -> Any:
    """Convert ``text`` to ``kind``; `ConfigError` names the setting if it cannot."""
    try:
        return kind(text)
    except (ValueError, ZeroDivisionError):
        fix = f"Use {KINDS[kind]}."
        raise ConfigError(name, "the value is not valid", fix) from None


def check_setting(config: object, name: str, valid: bool, allowed: str) -> None:
    """Raise `ConfigError` for the field ``name`` of ``config`` unless it is valid."""
    if not valid:
        # A text may be a secret that was pasted into the wrong setting.
        value = getattr(config, name)
        shown = "the value" if isinstance(value, str) else str(value)
        problem = f"{shown} is not valid"
        raise ConfigError(env_name(name), problem, f"Use {allowed}.")
