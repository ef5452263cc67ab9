"""Reasons why a connection failed, in words of our own."""

import os
import socket
import ssl

_UNKNOWN = "unknown reason"


def connect_problem(error: BaseException) -> str | None:
    """
    Return why a connection failed; None for another error.

    ``error`` is one of a socket, or aiohttp's, which has that one as ``os_error``. The
    result has no address: callers may not learn where inner servers are.
    """
    cause = getattr(error, "os_error", error)
    match cause:
        case ssl.CertificateError():
            return "its TLS certificate is not valid"
        case ssl.SSLError():
            reason = getattr(cause, "reason", None) or _UNKNOWN
            return f"TLS failed ({reason.lower().replace('_', ' ')})"
        case socket.gaierror():
            return "its name is not known"
        case ConnectionRefusedError():
            return "the connection was refused"
        case OSError():
            reason = os.strerror(cause.errno) if cause.errno else _UNKNOWN
            return f"the connection failed ({reason})"
    return None
