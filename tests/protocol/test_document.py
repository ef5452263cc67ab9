"""PROTOCOL.md shows what the vectors hold, and names every message there is."""

import json
from pathlib import Path

from protocol.lite.codec import COMMANDS
from protocol.lite.messages import AckKind, EndReason, ErrorKind
from tests.protocol.test_vectors import TALKS

PAGE = (Path(__file__).parents[2] / "PROTOCOL.md").read_text()


def spoken(arrow: str, side: str) -> None:
    known = [
        step[side]
        for path in TALKS
        for step in json.loads(path.read_text())["steps"]
        if side in step
    ]
    shown = [line[2:] for line in PAGE.splitlines() if line.startswith(f"{arrow} ")]
    assert shown
    for line in shown:
        assert json.loads(line) in known


def test_what_clients_say_on_the_page_is_in_the_vectors():
    spoken("→", "client")


def test_what_the_server_says_on_the_page_is_in_the_vectors():
    spoken("←", "server")


def test_every_command_and_error_is_on_the_page():
    for name in (*COMMANDS, ErrorKind.INVALID_REQUEST, ErrorKind.STARVATION):
        assert name in PAGE
    assert all(kind.value.startswith("agent.audio_buffer_") for kind in AckKind)
    assert EndReason.IDLE_TIMEOUT in PAGE
