"""Listening socket of the gateway."""

import errno
import os
import socket

from lite_gateway.config import Config
from lite_gateway.errors import GatewayError
from lite_gateway.foreign.hosts import NotAHost, parse_host


def listening(config: Config) -> socket.socket:
    """Open the listening socket, before anything slow is started."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family)
    except OSError as error:
        # The error's own text repeats the address. A name that is not known is no
        # error of the system: its number is negative.
        code = error.errno or 0
        fix = "Choose another port with --port or LITE_PORT."
        if code <= 0 or code == errno.EADDRNOTAVAIL:
            reason = "it is no address of this machine"
            fix = "Choose another address with --host or LITE_HOST."
        else:
            reason = os.strerror(code)
        place = f"{bracketed(_shown(config.host))}:{config.port}"
        raise GatewayError(f"cannot listen on {place}: {reason}. {fix}") from None


def bracketed(host: str) -> str:
    """Return a host as it stands before the port of a URL."""
    return f"[{host}]" if ":" in host else host


def _shown(host: str) -> str:
    """Return a host; a text that is none may be a secret in the wrong setting."""
    try:
        return str(parse_host(bracketed(host)))
    except NotAHost:
        return "the address in LITE_HOST"
