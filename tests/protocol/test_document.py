"""Tests that PROTOCOL.md agrees with the vectors and names every message."""

import json
from pathlib import Path

from lite_gateway.conversation.latency import STAGES
from protocol.full.messages import NOT_OFFERED, CommandKind, EventKind
from protocol.link.messages import ERROR_CODES
from protocol.lite.codec import COMMANDS
from protocol.lite.messages import AckKind, EndReason, ErrorKind, WarningKind
from tests.protocol.full.test_channel_vectors import CONVERSATIONS as CHANNEL
from tests.protocol.test_vectors import CONVERSATIONS

PAGE = (Path(__file__).parents[2] / "PROTOCOL.md").read_text()


def check_page_lines(arrow: str, side: str) -> None:
    in_vectors = [
        step[side]
        for path in (*CONVERSATIONS, *CHANNEL)
        for step in json.loads(path.read_text())["steps"]
        if side in step
    ]
    on_page = [line[2:] for line in PAGE.splitlines() if line.startswith(f"{arrow} ")]
    assert on_page
    for line in on_page:
        assert json.loads(line) in in_vectors


def test_client_messages_on_the_page_are_in_the_vectors():
    check_page_lines("→", "client")


def test_server_events_on_the_page_are_in_the_vectors():
    check_page_lines("←", "server")


def test_every_command_error_and_warning_is_on_the_page():
    errors = ErrorKind.INVALID_REQUEST, ErrorKind.STARVATION
    for name in (*COMMANDS, *errors, *WarningKind):
        assert f"`{name}`" in PAGE
    assert all(kind.value.startswith("agent.audio_buffer_") for kind in AckKind)
    assert EndReason.IDLE_TIMEOUT in PAGE


def test_every_command_event_and_error_of_the_data_channel_is_on_the_page():
    section = PAGE.partition("## FULL mode and connectors")[2]
    section = section.partition("\n## ")[0]
    names = (*CommandKind, *EventKind, *NOT_OFFERED, *ERROR_CODES, *STAGES)
    for name in names:
        assert f"`{name}`" in section
