"""Language model that already runs on this machine, for conversations of `dev`."""

import http.client
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from lite_gateway.foreign.text import foreign_text

HOST = "127.0.0.1"
# Servers with OpenAI's interface, and the ports at which they listen by default.
USUAL_PORTS = (("Ollama", 11434), ("llama.cpp", 8080), ("LM Studio", 1234))
TIMEOUT_S = 0.5
_MAX_ANSWER = 1 << 20  # bytes
_MAX_NAME = 200  # characters


@dataclass(frozen=True, slots=True)
class LocalModel:
    """First model of a server on this machine."""

    server: str
    base_url: str
    model: str


def find_local_model(
    own_port: int, ports: Iterable[tuple[str, int]] = USUAL_PORTS
) -> LocalModel | None:
    """
    Return the first model of the first server that answers, or None.

    ``own_port`` is left out: it is the gateway's. This takes half a second a port at
    most, so call it in a thread.
    """
    for server, port in ports:
        if port != own_port and (model := _first_model(port)):
            return LocalModel(server, f"http://{HOST}:{port}/v1", model)
    return None


def _first_model(port: int) -> str | None:
    """Return the first name of ``/v1/models``; None unless it is a list of models."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/v1/models")
        response = connection.getresponse()
        answer = response.read(_MAX_ANSWER)
        if response.status != 200:
            return None
        name = orjson.loads(answer)["data"][0]["id"]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None
    finally:
        connection.close()
    is_name = isinstance(name, str) and 0 < len(name) <= _MAX_NAME
    return name if is_name and name == foreign_text(name) else None
