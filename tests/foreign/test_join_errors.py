"""Reasons why a room could not be joined, from the texts of LiveKit's SDK 1.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.foreign.join_errors import join_problem

SIGNAL = "engine: signal failure: "
TRANSPORT = f"{SIGNAL}transport connection error: "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{SIGNAL}client error: 401 Unauthorized - invalid token: x", "the token"),
        (f"{SIGNAL}client error: 403 Forbidden - <html>", "the token"),
        (f"{SIGNAL}client error: 404 Not Found - ", "no LiveKit server at that URL"),
        (f"{SIGNAL}server error: 500 Internal Server Error - x", "not be reached"),
        (f"{TRANSPORT}IO error: Connection refused (os error 111)", "not be reached"),
        (
            f"{TRANSPORT}IO error: failed to lookup address information",
            "not be reached",
        ),
        (
            f"{TRANSPORT}IO error: received corrupt message of type InvalidContentType",
            "TLS",
        ),
        (
            f"{TRANSPORT}IO error: invalid peer certificate: UnknownIssuer",
            "certificate",
        ),
        (
            f"{TRANSPORT}WebSocket protocol error: httparse error: invalid HTTP",
            "not be reached",
        ),
        ("wait_pc_connection timed out", "not be reached"),
        ("", "not be reached"),
    ],
)
def test_each_error_of_the_sdk_has_a_reason(text, words):
    assert words in join_problem(text)


@given(st.text(), st.sampled_from(["401 Unauthorized", "403 Forbidden", "500 x"]))
def test_the_body_of_another_server_is_never_part_of_the_reason(body, status):
    reasons = {join_problem(f"{SIGNAL}client error: {status} - {body}") for _ in "x"}
    known = {
        join_problem(text)
        for text in (
            "",
            "client error: 401",
            "client error: 404",
            "certificate",
            "InvalidContentType",
        )
    }
    assert reasons <= known
