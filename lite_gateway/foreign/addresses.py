"""
Guard of the addresses that callers name.

URLs of callers reach public addresses only, and those that the operator allows.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from lite_gateway.errors import Refused
from lite_gateway.foreign.hosts import (
    Address,
    HostPort,
    NotAHost,
    ServerUrl,
    is_public,
    parse_host,
    system_address,
)
from lite_gateway.threads import pool

log = logging.getLogger(__name__)

LOOPBACK_HOSTS = ("127.0.0.0/8", "[::1]", "localhost")
RESOLVE_TIMEOUT_S = 3.0
_THREADS = 8
# One text for a private address, an unknown name and a name of a private address: a
# caller learns nothing about the gateway's network.
_NOT_ALLOWED = (
    "this host has no public address; the operator may allow it with LITE_ALLOWED_HOSTS"
)
NO_URL = (
    "must be a URL with ws, wss, http or https and a host, without user, path and query"
)


@dataclass(frozen=True, slots=True)
class UrlForm:
    """
    Form of the URLs in one kind of field.

    Where ``with_path`` is false, only hosts that the operator allows may have a path.
    """

    schemes: tuple[str, ...]
    with_path: bool
    text: str  # of the error, after the name of the field


LIVEKIT_FORM = UrlForm(("ws", "wss", "http", "https"), False, NO_URL)
HTTP_FORM = UrlForm(
    ("http", "https"),
    True,
    "must be a URL with http or https, a host and a plain path, without user and query",
)

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# Returns the addresses of a name; raises `OSError` or `UnicodeError` if it has none.
Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """Entry of LITE_ALLOWED_HOSTS: a name, *.name, an address or a network."""

    host: str | _Network  # a name that begins with a dot stands for all below it
    port: int | None = None  # None: each port

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse one entry, with ``:port`` or without; `NotAHost` if it is none."""
        host, port = text, None
        if text.count(":") == 1 or "]:" in text:
            host, _, digits = text.rpartition(":")
            if not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 65536):
                raise NotAHost
            port = int(digits)
        if host.startswith("*."):
            name = parse_host(host[2:])
            if not isinstance(name, str):
                raise NotAHost
            return cls("." + name, port)
        try:
            return cls(ipaddress.ip_network(host.strip("[]")), port)
        except ValueError:
            name = parse_host(host)
        return cls(name if isinstance(name, str) else ipaddress.ip_network(name), port)

    def matches(self, target: HostPort) -> bool:
        """Return whether the entry allows a host."""
        if self.port not in (None, target.port):
            return False
        match self.host, target.host:
            case str(name), str(host):
                return host.endswith(name) if name.startswith(".") else host == name
            case str(), _:
                return False
            case _, str():
                return False
            case network, address:
                return address in network
        return False


class AddressGuard:
    """
    Guard of the URLs that callers name.

    ``allowed_hosts`` are the entries of LITE_ALLOWED_HOSTS, ``own_urls`` the LiveKit
    servers of the gateway: their hosts are allowed at their ports.
    """

    def __init__(
        self,
        allowed_hosts: Iterable[str] = (),
        *,
        own_urls: Iterable[str] = (),
        resolve: Resolve | None = None,
        timeout_s: float = RESOLVE_TIMEOUT_S,
    ) -> None:
        self._allowed = [AllowedHost.parse(text) for text in allowed_hosts]
        self._allowed += filter(None, map(_own, own_urls))
        self._resolve = resolve or _addresses
        self._timeout_s = timeout_s
        # A name server of a caller may be slow. It delays other callers' names, but
        # nothing else that runs in threads.
        self._threads = pool(_THREADS, "resolve")

    def check_spelling(
        self, url: str, name: str = "livekit_url", form: UrlForm = LIVEKIT_FORM
    ) -> None:
        """
        Check what can be known without asking for the addresses of a name.

        Raise `Refused` as `check` does; ``name`` is the field that the text names.
        """
        parsed = self._parsed(url, name, form)
        if not isinstance(parsed.target.host, str):
            self._require([parsed.target], name)

    async def check(
        self, url: str, name: str = "livekit_url", form: UrlForm = LIVEKIT_FORM
    ) -> None:
        """Raise `Refused` unless all addresses of the URL's host may be reached."""
        await self.pinned(url, name, form)

    async def pinned(
        self, url: str, name: str = "livekit_url", form: UrlForm = LIVEKIT_FORM
    ) -> str:
        """
        Check a URL and return it as it is to be connected to.

        Without TLS the result has an address that was checked, because the name could
        have another one at the next look-up. With TLS it keeps the name: the
        certificate of the server must be for it, and no internal server has one.
        """
        parsed = self._parsed(url, name, form)
        target = parsed.target
        if not isinstance(target.host, str) or self._is_allowed(target):
            self._require([target], name)
            return str(parsed)
        addresses = await self._look_up(target, name)
        self._require([HostPort(each, target.port) for each in addresses], name)
        in_clear = parsed.scheme in ("ws", "http")
        return str(parsed.at(addresses[0]) if in_clear else parsed)

    async def addresses(
        self, host: str, port: int, name: str = "base_url"
    ) -> list[Address]:
        """
        Return the addresses of a host that may be connected to.

        ``host`` is a name or an address in any spelling, as a client is about to
        connect to it. All its addresses are checked, unless the operator allows the
        name. Raise `Refused` if one may not be reached, or there is none.
        """
        try:
            parsed = parse_host(f"[{host}]" if ":" in host else host)
        except NotAHost:
            raise Refused(422, f"{name}: the host cannot be read") from None
        target = HostPort(parsed, port)
        if not isinstance(parsed, str):
            self._require([target], name)
            return [parsed]
        addresses = await self._look_up(target, name)
        if not self._is_allowed(target):
            self._require([HostPort(each, port) for each in addresses], name)
        return addresses

    def close(self) -> None:
        """Forget the names that are being resolved."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _parsed(self, url: str, name: str, form: UrlForm) -> ServerUrl:
        try:
            parsed = ServerUrl.parse(url)
        except NotAHost:
            raise Refused(422, f"{name} {form.text}") from None
        may_have_path = form.with_path or self._is_allowed(parsed.target)
        if parsed.scheme not in form.schemes or (parsed.path and not may_have_path):
            raise Refused(422, f"{name} {form.text}")
        return parsed

    def _is_allowed(self, target: HostPort) -> bool:
        return any(entry.matches(target) for entry in self._allowed)

    def _require(self, targets: Sequence[HostPort], name: str) -> None:
        for target in targets:
            public = not isinstance(target.host, str) and is_public(target.host)
            if not public and not self._is_allowed(target):
                # The log is for the operator; the caller is not told which host it was.
                log.info("address refused, host=%s port=%d", target.host, target.port)
                raise Refused(422, f"{name}: {_NOT_ALLOWED}")

    async def _look_up(self, target: HostPort, name: str) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await loop.run_in_executor(
                    self._threads, self._resolve, str(target.host), target.port
                )
            addresses = [system_address(text) for text in found]
        except (OSError, ValueError, TimeoutError) as error:
            log.info("name not resolved, host=%s: %s", target.host, error)
            addresses = []
        if not addresses:
            raise Refused(422, f"{name}: {_NOT_ALLOWED}")
        return addresses


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _own(url: str) -> AllowedHost | None:
    """Return the host and port of a server of our own, None without one."""
    try:
        target = ServerUrl.parse(url).target
    except NotAHost:
        return None
    if isinstance(target.host, str):
        return AllowedHost(target.host, target.port)
    return AllowedHost(ipaddress.ip_network(target.host), target.port)
