"""Language models on this machine: which of them `dev` offers."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bench.probe.stack import free_port
from lite_gateway.cli.serve import with_local_model
from lite_gateway.config import Config
from lite_gateway.devserver.local_model import LocalModel, find_local_model


@contextlib.contextmanager
def server(body: bytes, status: int = 200) -> Iterator[int]:
    """Serve ``body`` at ``/v1/models`` and yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/v1/models" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield http.server_port
        finally:
            http.shutdown()
            thread.join()


def models(*names: object) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": n} for n in names]}).encode()


def test_the_first_model_of_the_first_server_that_answers_is_found():
    with server(models("llama3.2", "qwen3")) as port:
        ports = [("Ollama", free_port()), ("LM Studio", port)]
        found = find_local_model(1, ports)
    assert found == LocalModel("LM Studio", f"http://127.0.0.1:{port}/v1", "llama3.2")


def test_without_a_server_nothing_is_found():
    assert find_local_model(1, [("Ollama", free_port())]) is None


def test_a_model_is_used_unless_the_settings_name_one():
    with server(models("llama3.2")) as port:
        ports = [("Ollama", port)]
        config = with_local_model(Config(), 1, ports)
        assert config.llm_url == f"http://127.0.0.1:{port}/v1"
        assert config.llm_model == "llama3.2"
        own = Config(llm_url="https://api.example.com/v1", llm_model="small")
        assert with_local_model(own, 1, ports) is own
    assert with_local_model(Config(), 1, ports) == Config()


def test_the_gateway_does_not_ask_itself():
    with server(models("llama3.2")) as port:
        assert find_local_model(port, [("llama.cpp", port)]) is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<html>", 200),
        (models(), 200),
        (models(7), 200),
        (models("a\nb"), 200),
        (models("x" * 201), 200),
        (b"[]", 200),
        (b'{"data": {"0": 1}}', 200),
        (models("llama3.2"), 401),
    ],
)
def test_a_server_with_another_answer_is_no_model(body, status):
    with server(body, status) as port:
        assert find_local_model(1, [("Ollama", port)]) is None
