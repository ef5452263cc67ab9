"""REST calls with one key, and the shared gateway's own commands."""

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import httpx

from bench.probe.stack import Gateway
from lite_gateway.__main__ import main
from tests.waiting import PATIENCE_S, until

# Of a gateway that is up sooner: nobody warms up for a portrait.
LEAN = {"LITE_DEFAULT_AVATAR": "fiducial"}


@dataclass(frozen=True)
class Calls:
    """``with_key(gateway)("GET", "/v1/contexts")``: the answer, whatever it is."""

    url: str
    key: str

    def __call__(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"X-API-KEY": self.key}
        return httpx.request(
            method, self.url + path, headers=headers, json=body, timeout=PATIENCE_S
        )

    def data(self, method: str, path: str, body: Any = None) -> Any:
        answer = self(method, path, body)
        assert answer.is_success, answer.text
        assert answer.json()["code"] == 1000
        assert isinstance(answer.json()["message"], str)
        return answer.json()["data"]


def with_key(gateway: Gateway, key: str | None = None) -> Calls:
    return Calls(gateway.url, gateway.key if key is None else key)


def ended(gateway: Gateway, session_id: str) -> dict[str, Any]:
    """What is told of a session, once it has an end: who stops it may be quicker."""
    call = with_key(gateway)

    def over() -> dict[str, Any] | None:
        item = call.data("GET", f"/v1/sessions/{session_id}")
        return item if item.get("end_reason") else None

    return until(over)


def printed(*arguments: str, **env: str) -> str:
    """What ``lite-gateway`` prints in that environment."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main(arguments, env)
    return output.getvalue().strip()


def command(gateway: Gateway, *arguments: str, **env: str) -> str:
    """The same beside a gateway that goes on, on its state."""
    return printed(*arguments, **{"LITE_DATABASE": f"{gateway.log_path}.db", **env})


def make_key(gateway: Gateway, name: str, *more: str, **env: str) -> Calls:
    """A new key of the database."""
    return with_key(gateway, command(gateway, "keys", "create", name, *more, **env))
