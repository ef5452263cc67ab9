"""REST calls of a client session: create, start and stop."""

from typing import Any

import aiohttp
import orjson

from lite_gateway.errors import GatewayError
from lite_gateway.foreign.text import foreign_text

_TIMEOUT_S = 30.0
_MAX_URL = 100  # characters of a wrong URL that are repeated
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
            cause = str(error) or f"no answer within {_TIMEOUT_S:g} s"
            text = f"the gateway did not answer: {cause}; check its URL, and that it"
            raise ServerRefused(f"{text} runs") from None
        try:
            content = orjson.loads(text)
        except orjson.JSONDecodeError:
            content = {"message": text[:200] or "no body"}
        if status >= 400:
            raise ServerRefused(f"v1/sessions/{path}: {status} {_message(content)}")
        return content["data"]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _message(content: Any) -> str:
    if isinstance(content, dict):
        content = content.get("message") or content.get("detail")
    return foreign_text(content, limit=_MAX_MESSAGE)
