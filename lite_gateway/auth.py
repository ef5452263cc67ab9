"""Who is calling: an API key for the control plane, a session token for one session."""

import hmac
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from lite_gateway.errors import Refused
from lite_gateway.service import Service

_key_header = APIKeyHeader(name="X-API-KEY", auto_error=False)
_bearer = HTTPBearer(auto_error=False, description="The session token")

Key = Annotated[str | None, Depends(_key_header)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


Serving = Annotated[Service, Depends(service)]


def is_key(given: str, keys: tuple[str, ...]) -> bool:
    """Constant time in each key."""
    return any([hmac.compare_digest(given.encode(), key.encode()) for key in keys])  # noqa: C419 - no early stop


async def require_key(key: Key, serving: Serving) -> None:
    """401 unless the caller has one of our API keys."""
    _check_key(key, serving)


def _check_key(key: str | None, serving: Service) -> None:
    if key is None:
        raise Refused(401, "send your API key in the header X-API-KEY")
    if not is_key(key, serving.config.keys):
        raise Refused(401, "this API key is not known here; see LITE_API_KEYS")


async def require_session(bearer: Bearer, serving: Serving) -> str:
    """The session whose token the caller sent as Bearer, or 401."""
    if bearer is None:
        raise Refused(
            401, "send the session token as Authorization: Bearer <session_token>"
        )
    return serving.tokens.session_id(bearer.credentials)


def named_session(
    serving: Service, bearer: Bearer, key: Key, session_id: str | None
) -> str:
    """The session a call is about: of the token, or named beside an API key."""
    if bearer is not None:
        return serving.tokens.session_id(bearer.credentials)
    _check_key(key, serving)
    if not session_id:
        raise Refused(
            422, 'with an API key, name the session: {"session_id": "<uuid>"}'
        )
    return session_id
