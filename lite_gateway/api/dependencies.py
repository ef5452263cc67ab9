"""Who is calling: an API key for the control plane, a session token for one session."""

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

Key = Annotated[str | None, Depends(_key_header)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


Serving = Annotated[Service, Depends(service)]


async def store(serving: Serving) -> Store:
    return serving.store


Stored = Annotated[Store, Depends(store)]


async def _caller(key: str | None, serving: Service) -> Principal:
    """Whose key that is, or 401; and 429 when it comes too often."""
    if key is None:
        raise Refused(401, "send your API key in the header X-API-KEY")
    caller = await serving.api_keys.authenticate(key)
    if caller is None:
        raise Refused(
            401, "this API key is not known here, or was revoked; see LITE_API_KEYS"
        )
    serving.api_keys.check_rate(caller)
    return caller


async def any_caller(key: Key, serving: Serving) -> Principal:
    return await _caller(key, serving)


async def keyed(serving: Service, key: str | None, scope: Scope) -> Principal:
    """Whose key that is, if it has that scope."""
    return _scoped(await _caller(key, serving), scope)


def _scoped(caller: Principal, scope: Scope) -> Principal:
    if scope not in caller.scopes:
        raise Refused(
            403,
            f"the API key {caller.name!r} has not the scope {scope.value!r}; "
            f"make one with `lite-gateway keys create NAME --scopes {scope.value}`",
        )
    return caller


def _with(scope: Scope) -> Callable[[Principal], Awaitable[Principal]]:
    async def check(caller: Annotated[Principal, Depends(any_caller)]) -> Principal:
        return _scoped(caller, scope)

    return check


Anyone = Annotated[Principal, Depends(any_caller)]
Minter = Annotated[Principal, Depends(_with(Scope.MINT))]
Admin = Annotated[Principal, Depends(_with(Scope.ADMIN))]


async def require_session(bearer: Bearer, serving: Serving) -> str:
    """The session whose token the caller sent as Bearer, or 401."""
    if bearer is None:
        raise Refused(
            401, "send the session token as Authorization: Bearer <session_token>"
        )
    return serving.tokens.session_id(bearer.credentials)


async def named_session(
    serving: Service, bearer: Bearer, key: Key, session_id: str | None
) -> str:
    """The session a call is about: of the token, or named beside an API key."""
    if bearer is not None:
        return serving.tokens.session_id(bearer.credentials)
    caller = await _caller(key, serving)
    if not session_id:
        raise Refused(
            422, 'with an API key, name the session: {"session_id": "<uuid>"}'
        )
    record = serving.sessions.get(session_id)
    if record is not None and not caller.can_access(record.owner.key_id):
        raise Refused(403, "another API key minted this session")
    return session_id


async def past_of(serving: Service, caller: Principal, session_id: str) -> SessionRow:
    """A session in the books, of this caller; else 404."""
    past = await serving.store.run(lambda db: db.get(SessionRow, session_id))
    if past is None or not caller.can_access(past.key_id):
        raise Refused(404, "no such session; mint one with POST /v1/sessions/token")
    return past
