"""REST calls with one API key, and commands on the database of the shared gateway."""

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import httpx

from bench.probe.stack import Gateway, request
from lite_gateway.__main__ import main
from tests.waiting import until

# Settings of a gateway that starts sooner: it does not warm up with a portrait.
LEAN = {"LITE_DEFAULT_AVATAR": "fiducial"}


@dataclass(frozen=True)
class Calls:
    """Client with one key: ``with_key(gateway)("GET", "/v1/contexts")``."""

    url: str
    key: str

    def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"X-API-KEY": self.key}
        return request(method, self.url + path, headers=headers, json=body)

    def data(self, method: str, path: str, body: Any = None) -> Any:
        """Return the ``data`` of a response, which must be a success."""
        response = self(method, path, body)
        assert response.is_success, response.text
        assert response.json()["code"] == 1000
        assert isinstance(response.json()["message"], str)
        return response.json()["data"]


def with_key(gateway: Gateway, key: str | None = None) -> Calls:
    return Calls(gateway.url, gateway.key if key is None else key)


def ended(gateway: Gateway, session_id: str) -> dict[str, Any]:
    """Wait until the history has the session's end, and return the session."""
    call = with_key(gateway)

    def ended_session() -> dict[str, Any] | None:
        item = call.data("GET", f"/v1/sessions/{session_id}")
        return item if item.get("end_reason") else None

    return until(ended_session)


def printed(*arguments: str, **env: str) -> str:
    """Run a ``lite-gateway`` command and return its output."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main(arguments, env)
    return output.getvalue().strip()


def command(gateway: Gateway, *arguments: str, **env: str) -> str:
    """Run a command on the database of a running gateway and return its output."""
    return printed(*arguments, **{"LITE_DATABASE": f"{gateway.log_path}.db", **env})


def make_key(gateway: Gateway, name: str, *more: str, **env: str) -> Calls:
    """Create a key in the database of a gateway."""
    return with_key(gateway, command(gateway, "keys", "create", name, *more, **env))
