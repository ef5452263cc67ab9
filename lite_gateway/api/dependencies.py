"""Authentication of REST requests: API keys, scopes and session tokens."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.requests import HTTPConnection
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from lite_gateway.api.key_first import checked_first
from lite_gateway.auth.api_keys import Principal, Scope
from lite_gateway.config import DEV_KEY
from lite_gateway.errors import Refused
from lite_gateway.service import Service
from lite_gateway.store import history
from lite_gateway.store.engine import Store
from lite_gateway.store.models import SessionRow

_key_header = APIKeyHeader(name="X-API-KEY", auto_error=False)
_bearer = HTTPBearer(auto_error=False, description="The session token")

KeyHeader = Annotated[str | None, Depends(_key_header)]
BearerToken = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def get_service(request: Request) -> Service:
    """Return the service that the application was built with."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


async def get_store(service: ServiceDep) -> Store:
    """Return the database of the service."""
    return service.store


StoreDep = Annotated[Store, Depends(get_store)]


def address_of(connection: HTTPConnection) -> str:
    """Return the client's address, as a trusted proxy reports it."""
    return connection.client.host if connection.client else ""


def public_base_url(service: Service, request: Request) -> str:
    """Return this server's URL as clients reach it, without a slash at its end."""
    url = service.config.public_url or str(request.base_url)
    scheme, separator, rest = url.partition("://")
    # An operator or a proxy may name the scheme of the WebSocket.
    scheme = {"ws": "http", "wss": "https"}.get(scheme.lower(), scheme.lower())
    return f"{scheme}{separator}{rest}".rstrip("/")


async def authenticate(request: Request, key: str | None) -> Principal:
    """
    Return the principal of an API key.

    Raise `Refused` with 401 if the key is missing or unknown, with 429 if it makes
    more requests than its rate limit allows. A request asks twice, before and after
    its body is read: the second time gets the first one's result.
    """
    if key is None:
        raise Refused(401, "send your API key in the header X-API-KEY")
    known: tuple[str, Principal] | None = getattr(request.state, "principal", None)
    if known is not None and known[0] == key:
        return known[1]
    service = await get_service(request)
    _refuse_dev_key_of_pages(request, service, key)
    principal = await service.api_keys.authenticate(key, address_of(request))
    if principal is None:
        raise Refused(
            401, "this API key is not known here or was revoked; see LITE_API_KEYS"
        )
    service.api_keys.check_rate(principal)
    request.state.principal = (key, principal)
    return principal


def _refuse_dev_key_of_pages(request: Request, service: Service, key: str) -> None:
    """Refuse the key that everybody knows if a web page sends it."""
    origin = request.headers.get("origin")
    in_dev = bool(request.app.state.demo_key)
    if key == DEV_KEY and in_dev and origin and origin not in service.config.origins:
        raise Refused(
            401,
            f"the key {DEV_KEY!r} is for programs; a page of this server gets its key "
            "from /demo.json, others need --cors-origins",
        )


async def _check_key(request: Request) -> Principal:
    return await authenticate(request, await _key_header(request))


@checked_first(_check_key)
async def require_key(request: Request, key: KeyHeader) -> Principal:
    """Return the principal of the request's API key, or raise `Refused`."""
    return await authenticate(request, key)


def check_scope(principal: Principal, scope: Scope) -> Principal:
    """Return ``principal`` if it has ``scope``; else raise `Refused` with 403."""
    if scope not in principal.scopes:
        raise Refused(
            403,
            f"the API key {principal.name!r} lacks the scope {scope.value!r}; create "
            f"a key with `lite-gateway keys create NAME --scopes {scope.value}`",
        )
    return principal


def _scope_dependency(scope: Scope) -> Callable[[Principal], Awaitable[Principal]]:
    async def check_first(request: Request) -> None:
        check_scope(await _check_key(request), scope)

    @checked_first(check_first)
    async def check(principal: AnyPrincipal) -> Principal:
        return check_scope(principal, scope)

    return check


AnyPrincipal = Annotated[Principal, Depends(require_key)]
MintPrincipal = Annotated[Principal, Depends(_scope_dependency(Scope.MINT))]
AdminPrincipal = Annotated[Principal, Depends(_scope_dependency(Scope.ADMIN))]


async def _session_of_token(
    request: Request, bearer: HTTPAuthorizationCredentials
) -> str:
    known: tuple[str, str] | None = getattr(request.state, "session", None)
    if known is not None and known[0] == bearer.credentials:  # see `authenticate`
        return known[1]
    service = await get_service(request)
    try:
        session_id = service.tokens.session_id(bearer.credentials)
    except Refused:
        guesses, address = service.api_keys.guesses, address_of(request)
        guesses.check(address)
        guesses.failed(address)
        raise
    request.state.session = (bearer.credentials, session_id)
    return session_id


async def _check_token(request: Request) -> str:
    bearer = await _bearer(request)
    if bearer is None:
        raise Refused(
            401, "send the session token as Authorization: Bearer <session_token>"
        )
    return await _session_of_token(request, bearer)


@checked_first(_check_token)
async def require_session(request: Request, _: BearerToken) -> str:
    """Return the session id of the Bearer token, or raise `Refused` with 401."""
    return await _check_token(request)


async def _check_token_or_key(request: Request) -> None:
    if await _bearer(request) is not None:
        await _check_token(request)
    else:
        await _check_key(request)


@checked_first(_check_token_or_key)
class SessionCredentials:
    """Session token or API key of a request that is about one session."""

    def __init__(self, request: Request, bearer: BearerToken, key: KeyHeader) -> None:
        self._request = request
        self._bearer = bearer
        self._key = key

    async def session_id(self, body_id: str | None) -> str:
        """
        Return the id of the session that the request is about.

        It comes from the session token if there is one, else from the body, which then
        needs an API key that may access the session.
        """
        if self._bearer is not None:
            return await _session_of_token(self._request, self._bearer)
        principal = await authenticate(self._request, self._key)
        if not body_id:
            raise Refused(
                422, 'with an API key, name the session: {"session_id": "<uuid>"}'
            )
        service = await get_service(self._request)
        record = service.sessions.get(body_id)
        if record is not None and not principal.can_access(record.owner.key_id):
            raise Refused(403, "another API key created this session")
        return body_id


SessionCredentialsDep = Annotated[SessionCredentials, Depends()]


async def get_session_row(
    service: Service, principal: Principal, session_id: str
) -> SessionRow:
    """Return a session of the history that ``principal`` may access, or raise 404."""
    row = await service.store.read(lambda db: history.find(db, session_id))
    if row is None or not principal.can_access(row.key_id):
        raise Refused(404, "no such session; create one with POST /v1/sessions/token")
    return row
