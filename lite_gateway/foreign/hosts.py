"""Hosts of URLs: how they may be written, and which addresses are public."""

import dataclasses
import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from typing import Self

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_MAX_URL = 2048  # characters
_MAX_NAME = 253
# Nothing but scheme, host, port and a plain path: other parsers read user names,
# backslashes, tabs and dots in several ways, so that the checked host would not be the
# one that is joined.
_URL = re.compile(
    r"(?P<scheme>wss?|https?)://(?P<host>\[[0-9a-f:.]+\]|[^\s/\\?#@:\[\]%]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[\w-][\w.-]*)*)/?",
    re.ASCII | re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.ASCII)

# Ranges that are routed publicly, or that `ipaddress` of some Python calls global, but
# that lead to machines of our own, or hide an address behind a gateway.
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # shared by the customers of a provider
        "168.63.129.16/32",  # Azure's host, as each virtual machine sees it
        "192.0.0.0/24",  # IETF protocol assignments; Oracle's cloud has hosts here
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",
    )
)
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_6TO4 = ipaddress.ip_network("2002::/16")


class NotAHost(ValueError):
    """URL or host that is not written as one."""


@dataclass(frozen=True, slots=True)
class HostPort:
    """Host of a URL in one spelling: an address, or a name in lower-case ASCII."""

    host: Address | str
    port: int

    @property
    def netloc_host(self) -> str:
        """Host as a URL has it."""
        return (
            f"[{self.host}]"
            if isinstance(self.host, ipaddress.IPv6Address)
            else str(self.host)
        )


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """URL of a server, read so that every reader finds the same host in it."""

    scheme: str
    target: HostPort
    path: str  # empty, or begins with a slash and ends without one

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Parse a ws, wss, http or https URL; `NotAHost` if it is none.

        The URL may have a port and a path, but no user, query or fragment.
        """
        match = _URL.fullmatch(url) if len(url) <= _MAX_URL else None
        if match is None:
            raise NotAHost
        scheme = match["scheme"].lower()
        port = int(match["port"] or PORTS[scheme])
        if not 0 < port < 65536:
            raise NotAHost
        return cls(scheme, HostPort(parse_host(match["host"]), port), match["path"])

    def __str__(self) -> str:
        """Return the URL in its shortest spelling."""
        port = self.target.port
        suffix = "" if port == PORTS[self.scheme] else f":{port}"
        return f"{self.scheme}://{self.target.netloc_host}{suffix}{self.path}"

    def at(self, address: Address) -> Self:
        """Return the URL with an address in place of its name."""
        return dataclasses.replace(self, target=HostPort(address, self.target.port))


def system_address(text: str) -> Address:
    """Return an address as the system writes it; `ValueError` if it is none."""
    address = ipaddress.ip_address(text.partition("%")[0])  # without a zone
    return getattr(address, "ipv4_mapped", None) or address


def parse_host(text: str) -> Address | str:
    """
    Return an address, or a name in lower-case ASCII; `NotAHost` if it is neither.

    An address may be spelt as browsers allow it: 127.1, 0x7f000001, 2130706433, with
    octal parts, and in full-width digits.
    """
    if text.startswith("["):
        return _v6(text)
    name = _ascii(text)
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _v4(labels)
    if len(name) > _MAX_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise NotAHost
    return name


def _v6(text: str) -> Address:
    try:
        address = ipaddress.IPv6Address(text.strip("[]"))
    except ValueError:
        raise NotAHost from None
    if address.scope_id is not None:
        raise NotAHost
    return address.ipv4_mapped or address


def _v4(labels: list[str]) -> Address:
    """Return the address of one to four numbers; the last one fills the rest."""
    if len(labels) > 4 or not all(map(_NUMBER.fullmatch, labels)):
        raise NotAHost
    *first, last = map(_number, labels)
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        raise NotAHost
    value = last
    for position, number in enumerate(first):
        value += number << 8 * (3 - position)
    return ipaddress.IPv4Address(value)


def _number(text: str) -> int:
    if len(text) > 16:
        raise NotAHost
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    try:
        return int(text, 8 if text.startswith("0") else 10)
    except ValueError:
        raise NotAHost from None


def _ascii(text: str) -> str:
    """Return a name in lower-case ASCII without the final dot, as resolvers see it."""
    name = unicodedata.normalize("NFKC", text).lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            raise NotAHost from None
    return name.removesuffix(".")


def is_public(address: Address) -> bool:
    """Return whether an address belongs to a machine on the public internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address in _6TO4:
            return is_public(ipaddress.IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
        if address not in _GLOBAL_V6:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in _REFUSED)
    )
