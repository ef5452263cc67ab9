"""Connections that are open at once, and how many may be."""

import ipaddress
import resource
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lite_gateway.foreign.hosts import Address, system_address

# Files that the gateway opens itself: sockets to LiveKit, the database, packages.
_OWN_FILES = 256
MAX_CONNECTIONS = 16_384  # about 20 KiB of memory each
# The kernel's queue of connections that are not accepted yet. All of it may be accepted
# in one step, before the first refused one is closed: the reserve must be larger.
BACKLOG = 128
_MAX_TEXT = 64  # characters of what is no address
_IPV6_SITE_BITS = 64  # one site gets at least that many addresses


def raise_file_limit() -> int:
    """Raise the limit of open files as far as the system allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = MAX_CONNECTIONS * 2
    raised = enough if hard == resource.RLIM_INFINITY else min(hard, enough)
    if soft != resource.RLIM_INFINITY and soft < raised:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    return enough if soft == resource.RLIM_INFINITY else soft


def connection_limit(files: int) -> int:
    """Return how many connections to accept if ``files`` may be open."""
    reserve = min(_OWN_FILES + files // 8, files // 2)
    return max(1, min(files - reserve, MAX_CONNECTIONS))


class TrustedProxies:
    """Addresses of proxies, as uvicorn takes them in ``forwarded_allow_ips``."""

    def __init__(self, addresses: str | Iterable[str]) -> None:
        texts = addresses.split(",") if isinstance(addresses, str) else addresses
        names = {text.strip() for text in texts}
        self._all = "*" in names
        self._networks = [
            network for name in names if (network := _network(name)) is not None
        ]

    def __contains__(self, address: str) -> bool:
        if self._all:
            return True
        ip = _address(address)
        return ip is not None and any(ip in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _address(text: str) -> Address | None:
    try:
        return system_address(text)
    except ValueError:
        return None


def source_of(address: str) -> str:
    """Return what limits per address count: an IPv4 address or an IPv6 network."""
    ip = _address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((ip, _IPV6_SITE_BITS), strict=False))
    # A proxy may report anything, and as much of it as a header can hold.
    return address[:_MAX_TEXT] if ip is None else str(ip)


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach ``address``, an address or a name."""
    if address == "localhost":
        return True
    ip = _address(address)
    return ip is not None and ip.is_loopback


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of one server. ``per_address`` 0: no limit of its own."""

    total: int
    per_address: int
    proxies: TrustedProxies


class Connections:
    """
    Count of the open connections.

    Loopback and trusted proxies may have any number: many clients come from there.
    """

    def __init__(
        self, limits: ConnectionLimits, count: Callable[[str], None] = lambda _: None
    ) -> None:
        """``count`` is called with the reason for each connection that is refused."""
        self._limits = limits
        self.count_refused = count
        self._sources: dict[object, str] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._sources)

    def open(self, connection: object, address: str) -> str:
        """Count a connection; return why it must be refused, empty if it may stay."""
        source = source_of(address)
        self._sources[connection] = source
        self._counts[source] += 1
        if len(self._sources) > self._limits.total:
            self.count_refused("server_full")
            return f"all {self._limits.total} connections of this server are in use"
        limit = self._limits.per_address
        if not limit or self._counts[source] <= limit or self._is_shared(address):
            return ""
        self.count_refused("address_full")
        return f"your address has {limit} connections open; close some"

    def _is_shared(self, address: str) -> bool:
        return is_loopback(address) or address in self._limits.proxies

    def close(self, connection: object) -> None:
        """Forget a connection; one that is not counted is no error."""
        source = self._sources.pop(connection, None)
        if source is None:
            return
        self._counts[source] -= 1
        if not self._counts[source]:
            del self._counts[source]
