"""Authentication of REST requests: API keys, scopes and session tokens."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from lite_gateway.auth.api_keys import Principal, Scope
from lite_gateway.errors import Refused
from lite_gateway.service import Service
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


def public_base_url(service: Service, request: Request) -> str:
    """Return this server's URL as clients reach it, without a slash at its end."""
    return (service.config.public_url or str(request.base_url)).rstrip("/")


async def require_key(key: KeyHeader, service: ServiceDep) -> Principal:
    """
    Return the principal of an API key.

    Raise `Refused` with 401 if the key is missing or unknown, with 429 if it makes
    more requests than its rate limit allows.
    """
    if key is None:
        raise Refused(401, "send your API key in the header X-API-KEY")
    principal = await service.api_keys.authenticate(key)
    if principal is None:
        raise Refused(
            401, "this API key is not known here or was revoked; see LITE_API_KEYS"
        )
    service.api_keys.check_rate(principal)
    return principal


async def require_scope(service: Service, key: str | None, scope: Scope) -> Principal:
    """Return the principal of an API key that has ``scope``; else raise `Refused`."""
    return _check_scope(await require_key(key, service), scope)


def _check_scope(principal: Principal, scope: Scope) -> Principal:
    if scope not in principal.scopes:
        raise Refused(
            403,
            f"the API key {principal.name!r} lacks the scope {scope.value!r}; create "
            f"a key with `lite-gateway keys create NAME --scopes {scope.value}`",
        )
    return principal


def _scope_dependency(scope: Scope) -> Callable[[Principal], Awaitable[Principal]]:
    async def check(principal: AnyPrincipal) -> Principal:
        return _check_scope(principal, scope)

    return check


AnyPrincipal = Annotated[Principal, Depends(require_key)]
MintPrincipal = Annotated[Principal, Depends(_scope_dependency(Scope.MINT))]
AdminPrincipal = Annotated[Principal, Depends(_scope_dependency(Scope.ADMIN))]


async def require_session(bearer: BearerToken, service: ServiceDep) -> str:
    """Return the session id of the Bearer token, or raise `Refused` with 401."""
    if bearer is None:
        raise Refused(
            401, "send the session token as Authorization: Bearer <session_token>"
        )
    return service.tokens.session_id(bearer.credentials)


async def resolve_session_id(
    service: Service, bearer: BearerToken, key: KeyHeader, session_id: str | None
) -> str:
    """
    Return the id of the session that a request is about.

    It comes from the session token if there is one, else from the body, which then
    needs an API key that may access the session.
    """
    if bearer is not None:
        return service.tokens.session_id(bearer.credentials)
    principal = await require_key(key, service)
    if not session_id:
        raise Refused(
            422, 'with an API key, name the session: {"session_id": "<uuid>"}'
        )
    record = service.sessions.get(session_id)
    if record is not None and not principal.can_access(record.owner.key_id):
        raise Refused(403, "another API key created this session")
    return session_id


async def get_session_row(
    service: Service, principal: Principal, session_id: str
) -> SessionRow:
    """Return a session of the history that ``principal`` may access, or raise 404."""
    row = await service.store.run(lambda db: db.get(SessionRow, session_id))
    if row is None or not principal.can_access(row.key_id):
        raise Refused(404, "no such session; create one with POST /v1/sessions/token")
    return row
