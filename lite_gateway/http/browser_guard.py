"""
Guard of `dev` against web pages of other sites.

`dev` has a key that everybody knows and listens on loopback, where every page that a
developer opens can send requests, and where a page whose name resolves to loopback
("DNS rebinding") also reads the answers.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lite_gateway.http.connections import is_loopback
from lite_gateway.http.error_response import error_response

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class BrowserGuard:
    """
    ASGI middleware that refuses requests of other sites' pages with 403.

    ``hosts`` are names that the server has besides those of loopback, ``origins``
    those whose pages may call it.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]
    ) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts if host}
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope)
        if not problem:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            await error_response(403, problem)(scope, receive, send)

    def _problem(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = host_name(host)
        if not self._is_own(name):
            return (
                f"the Host header names {name[:80]!r}, which is not a name of this "
                "server; open it as localhost or 127.0.0.1"
            )
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS:
            return self._origin_problem(headers, host)
        return ""

    def _is_own(self, name: str) -> bool:
        return name in self._hosts or is_loopback(name) or name.endswith(".localhost")

    def _origin_problem(self, headers: Headers, host: str) -> str:
        origin = headers.get("origin")
        if origin is None:
            # Browsers name the origin of such requests; a program has none.
            foreign = headers.get("sec-fetch-site", "none") not in (
                "none",
                "same-origin",
            )
        else:
            foreign = origin not in self._origins and not is_same(origin, host)
        if not foreign:
            return ""
        return (
            f"a page of {(origin or 'another site')[:80]!r} sent this request; to "
            "allow that, start the server with --cors-origins"
        )


def host_name(host: str) -> str:
    """Return the name in a ``Host`` header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def is_same(origin: str, host: str) -> bool:
    """Tell whether ``origin`` is the origin of a server that is asked as ``host``."""
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:  # such as http://[
        return False
    return bool(host) and netloc.lower() == host.lower()


def is_from_own_page(headers: Headers) -> bool:
    """Tell whether a page of this server, or no page, sent a request."""
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "none")
    same = origin is None or is_same(origin, headers.get("host", ""))
    return same and site in ("none", "same-origin")
