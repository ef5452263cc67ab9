"""REST calls of a client session: create, start and stop."""

from typing import Any

import aiohttp
import orjson

from lite_gateway.errors import GatewayError
from lite_gateway.foreign.connect_errors import connect_problem
from lite_gateway.foreign.text import foreign_text

_TIMEOUT_S = 30.0
_MAX_URL = 100  # characters of a wrong URL that are repeated
_MAX_ANSWER = 200  # characters of an answer that is no gateway's
_MAX_MESSAGE = 1000  # characters of an error of the server


class ServerRefused(GatewayError):
    """The server answered with an error, or did not answer; the text says which."""


class Rest:
    """Client of the REST API below ``url``."""

    def __init__(self, http: aiohttp.ClientSession, url: str, api_key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._api_key = api_key

    async def create_token(self, body: dict[str, Any]) -> str:
        """Create a session and return its token."""
        key = {"X-API-KEY": self._api_key}
        token: str = (await self._post("token", key, body))["session_token"]
        return token

    async def start(self, token: str) -> dict[str, Any]:
        """Start the session; the response has the URLs and the token of the room."""
        response: dict[str, Any] = await self._post("start", _bearer(token))
        return response

    async def stop(self, token: str) -> None:
        """Stop the session."""
        await self._post("stop", _bearer(token))

    async def _post(
        self, path: str, headers: dict[str, str], body: dict[str, Any] | None = None
    ) -> Any:
        url = f"{self._url}/v1/sessions/{path}"
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            request = self._http.post(url, headers=headers, json=body, timeout=timeout)
            async with request as response:
                status, text = response.status, await response.text()
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            shown = foreign_text(self._url, limit=_MAX_URL)
            text = f"'{shown}' is not the URL of a gateway; use http://HOST:PORT"
            raise ServerRefused(text) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            text = f"the gateway did not answer: {_cause(error)}; check its URL, and"
            raise ServerRefused(f"{text} that it runs") from None
        content = _envelope(text)
        if content is None:
            shown = foreign_text(self._url, limit=_MAX_URL)
            answer = foreign_text(text.strip(), limit=_MAX_ANSWER) or "no body"
            text = f"{shown} does not answer as a gateway ({status}: {answer})"
            raise ServerRefused(f"{text}; check its URL")
        if status >= 400:
            message = foreign_text(content["message"], limit=_MAX_MESSAGE)
            raise ServerRefused(f"v1/sessions/{path}: {status} {message}")
        return content["data"]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _cause(error: aiohttp.ClientError | TimeoutError) -> str:
    """Return why there is no answer."""
    if isinstance(error, aiohttp.ClientConnectorError):
        problem = connect_problem(error) or type(error).__name__
        return f"{error.host}:{error.port}: {problem}"
    return str(error) or f"no answer within {_TIMEOUT_S:g} s"


def _envelope(text: str) -> dict[str, Any] | None:
    """Return the object of a response; None if no gateway has written it."""
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    is_envelope = isinstance(content, dict) and content.keys() >= {"data", "message"}
    return content if is_envelope else None
