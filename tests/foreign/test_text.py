"""Texts of others: one line, short, without secrets."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.dispatch.job import JobMetadata
from lite_gateway.errors import Refused
from lite_gateway.foreign.text import CleanLogFilter, foreign_text
from lite_gateway.http.error_response import error_response
from lite_gateway.sessions.session import MAX_END_TEXT, EndInfo
from protocol.lite.messages import EndReason

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
KEY = "lg_0123456789ab_Zm9vYmFyYmF6LXF1dXg"
FORGED = "2026-11-28 10:00:00 INFO lite_gateway: session started"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("room not found", "room not found"),
        ("Grüße, 世界", "Grüße, 世界"),
        ("a\nb\r\n\tc", r"a\nb\r\n\tc"),
        ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("a\ud800b", r"a\ud800b"),
        (b"\xff\xfeab", "\N{REPLACEMENT CHARACTER}" * 2 + "ab"),
        (f"invalid token: {JWT}, not valid yet", "invalid token: [removed], not valid"),
        (
            f"GET /rtc?access_token={JWT}&sdk=rust",
            "GET /rtc?access_token=[removed]&sdk",
        ),
        (f"cut: {JWT[:30]}", "cut: [removed]"),
        (f"key {KEY}.", "key [removed]."),
        ("key sk-abcdef0123456789xyz", "key [removed]"),
        (f"Authorization: Bearer {'Zm9v' * 8}", "Authorization: [removed]"),
        ("at redis://u:pa55@h/0", "at redis://[removed]@h/0"),
        ("postgresql://u:p@ss/w@h/db", "postgresql://[removed]@h/db"),
        ("wss://h/v1/ws/0-1/s3cret-x", "wss://h/v1/ws/0-1/[removed]"),
        ('{"api_key": "abcdef"}', '{"api_key": "[removed]"}'),
        (None, "None"),
    ],
)
def test_a_foreign_text_becomes_one_line_without_secrets(text, told):
    assert foreign_text(text).startswith(told)


def test_named_secrets_are_removed():
    assert foreign_text("it is hunter22", secrets=["hunter22", ""]) == "it is [removed]"


def test_a_text_of_megabytes_is_cut():
    told = foreign_text("x" * 2_000_000)
    assert len(told) == 300
    assert told.endswith("x…")


def test_an_object_that_has_no_text_is_told_by_its_type():
    class Odd(Exception):
        def __str__(self):
            raise ValueError

    assert foreign_text(Odd()) == "Odd"


PIECES = st.sampled_from(
    [JWT, KEY, "\n", "\r", "\x1b[2K", "\x00", "\u2028", "\ud83d", "eyJ", ".", "://a:b@"]
)


@given(
    st.lists(st.one_of(st.text(max_size=8), PIECES), max_size=80), st.integers(1, 400)
)
def test_no_text_gets_through_unclean(pieces, limit):
    told = foreign_text("".join(pieces), limit=limit)
    assert len(told) <= limit
    assert told.isprintable()
    told.encode()
    assert JWT[:16] not in told
    assert KEY not in told
    assert foreign_text(told, limit=limit) == told


def logged(log) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.Logger("of this test")
    logger.addHandler(handler)
    handler.addFilter(CleanLogFilter())
    log(logger)
    return stream.getvalue()


def test_a_library_that_logs_tokens_and_lines_is_cleaned():
    text = logged(lambda log: log.warning("answer: %s", f"{JWT}\n{FORGED}\x1b[0m"))
    assert text == rf"WARNING answer: [removed]\n{FORGED}\x1b[0m" + "\n"


def test_a_traceback_cannot_forge_a_line_and_has_no_token():
    def fail(log):
        try:
            int(f"{JWT}\n{FORGED}")
        except ValueError as error:
            error.add_note(FORGED)
            log.exception("failed")

    first, *lines = logged(fail).splitlines()
    assert first == "ERROR failed"
    assert all(line.startswith("    ") for line in lines)
    assert "ValueError: invalid literal" in "\n".join(lines)
    assert JWT not in "\n".join(lines)


def test_a_record_of_two_handlers_is_cleaned_once():
    record = logging.makeLogRecord({"msg": "%s\n", "args": ("a",), "exc_text": "a\nb"})
    CleanLogFilter().filter(record)
    first = (record.getMessage(), record.exc_text)
    CleanLogFilter().filter(record)
    assert (record.getMessage(), record.exc_text) == first == (r"a\n", "    a\n    b")


def test_arguments_that_do_not_fit_are_still_logged():
    record = logging.makeLogRecord({"msg": "%d is wrong", "args": ("a",)})
    CleanLogFilter().filter(record)
    assert record.getMessage() == "%d is wrong"


def test_an_end_of_a_session_is_told_and_kept_clean():
    end = EndInfo(EndReason.SERVER_ERROR, f"answer: {JWT}\n{FORGED}\x00" + "x" * 9000)
    assert end.text.startswith(rf"answer: [removed]\n{FORGED}\x00xxx")
    assert len(end.text) == MAX_END_TEXT


def test_an_error_response_is_one_line_without_a_token():
    body = json.loads(error_response(422, f"body.\ud800\n{JWT}: odd").body)
    assert body["message"] == r"body.\ud800\n[removed]: odd"


def test_metadata_of_a_job_is_not_repeated_whole():
    with pytest.raises(Refused) as refused:
        JobMetadata.parse(json.dumps({f"{JWT}\n" + "x" * 9000: 1}))
    assert JWT not in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) == 300
