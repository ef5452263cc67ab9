"""The REST calls of a session: mint, start, stop."""

from typing import Any

import aiohttp
import orjson

_ASK_S = 30.0


class ServerRefused(Exception):
    """The server answered with an error, or not at all; the text says which."""


class Rest:
    """A server by the root of its url."""

    def __init__(self, http: aiohttp.ClientSession, url: str, api_key: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._api_key = api_key

    async def mint(self, body: dict[str, Any]) -> str:
        """A session token."""
        key = {"X-API-KEY": self._api_key}
        token: str = (await self._post("token", key, body))["session_token"]
        return token

    async def start(self, token: str) -> dict[str, Any]:
        began: dict[str, Any] = await self._post("start", _bearer(token))
        return began

    async def stop(self, token: str) -> None:
        await self._post("stop", _bearer(token))

    async def _post(
        self, path: str, headers: dict[str, str], body: dict[str, Any] | None = None
    ) -> Any:
        url = f"{self._url}/v1/sessions/{path}"
        timeout = aiohttp.ClientTimeout(total=_ASK_S)
        try:
            answering = self._http.post(
                url, headers=headers, json=body, timeout=timeout
            )
            async with answering as answer:
                status, text = answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as failed:
            raise ServerRefused(f"the gateway did not answer: {failed}") from None
        try:
            told = orjson.loads(text)
        except orjson.JSONDecodeError:
            told = {"message": text[:200] or "no body"}
        if status >= 400:
            raise ServerRefused(f"v1/sessions/{path}: {status} {_why(told)}")
        return told["data"]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _why(told: Any) -> Any:
    return told.get("message") or told.get("detail") if isinstance(told, dict) else told
