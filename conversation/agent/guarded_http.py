"""
HTTP clients that reach only the addresses that a conversation may use.

Each address is checked when a connection is made, and is the one that is connected to:
a name that moves inside later, or has one address inside, is refused. The certificate
must be for the name. There are no redirects, no proxies, and nothing is read from the
environment. An answer is bounded, and is not compressed: a service that sends without
an end must not fill the memory that all conversations share.
"""

import functools
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, cast

import aiohttp
import httpcore2
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult

from lite_gateway.errors import Refused
from lite_gateway.foreign.addresses import AddressGuard
from lite_gateway.foreign.hosts import Address

CONNECT_S = 5.0
READ_S = 10.0  # without a byte of an answer, at most
MAX_CONNECTIONS = 8  # of one service of one conversation
MAX_BODY = 8 << 20  # bytes of one answer: minutes of audio, thousands of words
_PAGES = ("text/html", "application/xhtml+xml")
KEEPALIVE_S = 120.0  # so that a turn after a pause needs no handshake


class NotAnAnswer(Exception):
    """Page in place of an answer: the plugins would read it as silence or as noise."""


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS settings of all clients; the first call takes tens of ms."""
    context: ssl.SSLContext = httpx2.create_ssl_context(trust_env=False)
    return context


def http_client(
    guard: AddressGuard | None,
    *,
    read_s: float = READ_S,
    tls: ssl.SSLContext | None = None,
) -> httpx2.AsyncClient:
    """
    Return the client for ``openai.AsyncClient(http_client=...)``.

    ``guard`` is None for a service of the operator, at any address. A request times out
    when no byte of its answer comes for ``read_s``, also if it asks for more time, and
    an answer of more than `MAX_BODY` bytes breaks off with `NotAnAnswer`. The client
    belongs to the caller, who closes it.
    """
    tls = tls or tls_context()
    limits = httpx2.Limits(
        max_connections=MAX_CONNECTIONS,
        max_keepalive_connections=MAX_CONNECTIONS,
        keepalive_expiry=KEEPALIVE_S,
    )
    transport = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)
    if guard is not None:
        # The transport has no argument for the part that connects; its pool has one.
        transport._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=cast(Any, GuardedBackend(guard)),
        )
    return httpx2.AsyncClient(
        transport=transport,
        trust_env=False,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(read_s, connect=CONNECT_S),
        event_hooks={"request": [_at_most(read_s)], "response": [_require_answer]},
    )


def _at_most(read_s: float) -> Callable[[httpx2.Request], Awaitable[None]]:
    """Return a hook that shortens time-outs: plugins of speech ask for 30 s."""
    limits = {"connect": CONNECT_S, "read": read_s, "write": read_s, "pool": read_s}

    async def shorten(request: httpx2.Request) -> None:
        asked = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {
            name: limit if asked.get(name) is None else min(limit, asked[name])
            for name, limit in limits.items()
        }

    return shorten


async def _require_answer(response: httpx2.Response) -> None:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if response.status_code < 300 and kind in _PAGES:
        raise NotAnAnswer(f"the service answers with a page of {kind}")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        # A thousand bytes may become a million.
        raise NotAnAnswer("the service compresses its answer, which was not asked for")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _BoundedBody(response.stream)


class _BoundedBody(httpx2.AsyncByteStream):
    """Body of an answer that breaks off after `MAX_BODY` bytes."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._body:
            size += len(data)
            if size > MAX_BODY:
                raise NotAnAnswer(f"the answer has more than {MAX_BODY} bytes")
            yield data

    async def aclose(self) -> None:
        await self._body.aclose()


class GuardedBackend:
    """Network of a connection pool, which connects to checked addresses."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109, the pool's own interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        """Connect to the first address of a host that answers."""
        try:
            addresses = await self._guard.addresses(host, port)
        except Refused as refused:
            raise httpcore2.ConnectError(str(refused)) from None
        # Each address has its share of the time: one may be a black hole.
        share_s = None if timeout is None else timeout / len(addresses)
        problem: Exception | None = None
        for address in addresses:
            try:
                return await self._backend.connect_tcp(
                    str(address), port, share_s, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
        assert problem is not None
        raise problem

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: no service is at a path."""
        raise httpcore2.ConnectError("no service is at a Unix socket")

    async def sleep(self, seconds: float) -> None:
        """Wait between two attempts of the pool."""
        await self._backend.sleep(seconds)


def realtime_http(
    guard: AddressGuard | None, *, tls: ssl.SSLContext | None = None
) -> aiohttp.ClientSession:
    """
    Return the session for ``RealtimeModel(http_session=...)``; the caller closes it.

    ``guard`` is None for a service of the operator, at any address.
    """
    resolver = None if guard is None else GuardedResolver(guard)
    connector = aiohttp.TCPConnector(
        ssl=tls or tls_context(), resolver=resolver, use_dns_cache=False
    )
    return aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_checks(guard),),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
    )


class GuardedResolver(AbstractResolver):
    """Resolver of names for aiohttp, which returns checked addresses."""

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name; raise `OSError` if one is not allowed."""
        try:
            addresses = await self._guard.addresses(host, port)
        except Refused as refused:
            raise OSError(str(refused)) from None
        return [_resolved(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Do nothing: the guard belongs to the conversation."""


def _resolved(host: str, port: int, address: Address) -> ResolveResult:
    is_v6 = isinstance(address, ipaddress.IPv6Address)
    return ResolveResult(
        hostname=host,
        host=str(address),
        port=port,
        family=socket.AF_INET6 if is_v6 else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )


def _checks(guard: AddressGuard | None) -> Callable[..., Any]:
    """Return the middleware of a session: it checks literals, and refuses redirects."""

    async def check(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        url = request.url
        # An address never reaches the resolver.
        if guard is not None and _is_literal(url.host or ""):
            try:
                await guard.addresses(url.host or "", url.port or 0)
            except Refused as refused:
                raise aiohttp.ClientConnectionError(str(refused)) from None
        response = await handler(request)
        if 300 <= response.status < 400:
            response.close()
            raise aiohttp.WSServerHandshakeError(
                response.request_info,
                response.history,
                status=response.status,
                message="the service redirects, which is not followed",
            )
        return response

    return check


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
