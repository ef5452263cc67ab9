"""
Errors of the service, grouped by who can correct them.

* GatewayError
    * ConfigError         operator: a setting is wrong, so the gateway does not start
    * Refused             client: an HTTP status, and a text that says what to do
    * RoomUnavailable     LiveKit could not be reached, or refused the token
    * RenderFailed        gateway: the engine could not render a frame
    * StoreUnavailable    operator: the database, or the key of its secrets, is missing
    * LiveKitUnavailable  operator: `dev` could not build or start a LiveKit server
    * ServerRefused       user of the client: the gateway refused, or did not answer
    * InvalidWav          user: a sound file cannot be read
    * StoreRejected       client or gateway: the database can never take the values
"""

from typing import Literal


class GatewayError(Exception):
    """Base class; the text is written for the person who can correct the error."""


class ConfigError(GatewayError):
    """
    Setting that cannot be used: "NAME: problem. Fix".

    ``problem`` says what is wrong without a final period, ``fix`` is a sentence that
    says what to do. Neither may contain a value that can be a secret.
    """

    def __init__(self, name: str, problem: str, fix: str) -> None:
        super().__init__(f"{name}: {problem}. {fix}")


class Refused(GatewayError):
    """HTTP request that the service cannot serve as it is."""

    def __init__(
        self, status: int, text: str, *, retry_s: float | None = None, code: str = ""
    ) -> None:
        super().__init__(text)
        self.status = status
        self.retry_s = retry_s  # seconds after which another attempt may succeed
        self.code = code  # of the reason, for programs


class RoomUnavailable(GatewayError):
    """LiveKit room that the gateway could not join."""


class RenderFailed(GatewayError):
    """Frame that the engine could not render."""


class StoreUnavailable(GatewayError):
    """Database that cannot be used now, or secrets that no key decrypts."""


class StoreRejected(GatewayError):
    """
    Transaction that fails each time that it is tried.

    ``reason`` is ``data`` (a value that no column can hold), ``conflict`` (rows that
    contradict others) or ``error`` (a fault of the gateway).
    """

    def __init__(self, reason: Literal["data", "conflict", "error"], text: str) -> None:
        super().__init__(text)
        self.reason = reason
