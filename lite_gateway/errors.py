"""
What can go wrong in the service, and whose fault it is.

* GatewayError
    * ConfigError         the operator's: we will not start
    * Refused             the caller's: an HTTP status and a text that says what to do
    * RoomUnavailable     LiveKit could not be reached, or did not take the token
    * RenderFailed        ours: the engine gave up on a frame
    * StoreUnavailable    the operator's: the database is away, or its key is
"""


class GatewayError(Exception):
    """The text is for the one whose fault it is."""


class ConfigError(GatewayError):
    def __init__(self, name: str, value: object, want: str) -> None:
        super().__init__(f"{name} is {value!r}; it must be {want}")
        self.name = name


class Refused(GatewayError):
    """An HTTP request that cannot be served as asked."""

    def __init__(self, status: int, text: str, *, retry_s: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_s = retry_s  # when asking again may help


class RoomUnavailable(GatewayError):
    pass


class RenderFailed(GatewayError):
    pass


class StoreUnavailable(GatewayError):
    pass
