"""The listening socket: what is wrong with its address, and what to do."""

import socket

import pytest

from lite_gateway.config import Config
from lite_gateway.errors import GatewayError
from lite_gateway.listening import bracketed, listening


def problem_of(host: str, port: int) -> str:
    with pytest.raises(GatewayError) as error:
        listening(Config(host=host, port=port))
    return str(error.value)


def test_a_port_in_use_is_named_with_another_one_as_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = problem_of("127.0.0.1", port)
    assert text.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert text.endswith("Choose another port with --port or LITE_PORT.")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("192.0.2.1", "192.0.2.1"),  # of documents
        ("nowhere.invalid", "nowhere.invalid"),
        ("2001:db8::1", "[2001:db8::1]"),
    ],
)
def test_an_address_of_another_machine_is_named_with_a_remedy(host, shown):
    reason = "it is no address of this machine. Choose another address with --host"
    assert problem_of(host, 8080).startswith(
        f"cannot listen on {shown}:8080: {reason} or LITE_HOST"
    )


def test_a_host_is_written_as_in_a_url():
    assert bracketed("::1") == "[::1]"
    assert bracketed("127.0.0.1") == "127.0.0.1"
    assert bracketed("localhost") == "localhost"
