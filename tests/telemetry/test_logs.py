"""Log lines as text and as JSON, and the ids that they carry."""

import asyncio
import contextlib
import contextvars
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lite_gateway.telemetry import logs
from lite_gateway.telemetry.context import (
    enter_session,
    request_id,
    traceparent,
    valid_traceparent,
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Lines(io.StringIO):
    """Stream that returns what was written as lines."""

    @property
    def all(self) -> list[str]:
        return self.getvalue().splitlines()

    @property
    def objects(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.all]


@contextlib.contextmanager
def logging_to(style: str) -> Iterator[tuple[logging.Logger, Lines]]:
    """Yield one of the gateway's loggers, and the lines that it writes."""
    lines = Lines()
    handler = logs.log_handler(style, lines)
    log = logging.getLogger("lite_gateway.test")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield log, lines
    finally:
        log.removeHandler(handler)
        log.propagate = True


def in_context(function, *, session="", request="", parent=""):
    """Call ``function`` in a context of its own that has these ids."""

    def call():
        enter_session(session)
        request_id.set(request)
        traceparent.set(parent)
        function()

    contextvars.Context().run(call)


def test_a_json_line_has_the_arguments_that_its_text_names():
    with logging_to("json") as (log, lines):
        log.warning(
            "100%% lost, session=%s turn=%d after %.1f s: %s", "s1", 3, 0.5, "x"
        )
    [line] = lines.objects
    assert line["message"] == "100% lost, session=s1 turn=3 after 0.5 s: x"
    assert (line["session"], line["turn"]) == ("s1", 3)
    assert (line["level"], line["logger"]) == ("WARNING", "lite_gateway.test")
    assert line["ts"].endswith("Z")
    assert set(line) == {"ts", "level", "logger", "message", "session", "turn"}


@pytest.mark.parametrize("name", ["message", "ts", "level", "logger"])
def test_a_named_argument_never_replaces_a_field_of_the_line(name):
    with logging_to("json") as (log, lines):
        template = f"{name}=%s"
        log.info(template, "forged")
    [line] = lines.objects
    assert line[name] != "forged"
    assert line["message"] == f"{name}=forged"


def test_json_lines_stay_lines_whatever_the_texts_contain():
    with logging_to("json") as (log, lines):
        log.info("title=%s", 'a\n{"level": "INFO"}\r\x1b[31m\x00\u2028\ud800')
        log.error("failed", exc_info=ValueError("two\nlines"))
    assert len(lines.getvalue().split("\n")) == 3  # the last one is empty
    forged, failed = lines.getvalue().split("\n")[:2]
    assert json.loads(forged)["title"].startswith('a\\n{"level"')
    assert "ValueError: two" in json.loads(failed)["exception"]


@pytest.mark.parametrize("style", ["json", "text"])
def test_secrets_are_in_no_line_and_no_field(style):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    with logging_to(style) as (log, lines):
        log.warning("refused, reason=%s", token)
        log.error("failed", exc_info=ValueError(token))
    assert lines.getvalue().count("[removed]") == (3 if style == "json" else 2)
    assert "eyJ" not in lines.getvalue()


@pytest.mark.parametrize("style", ["json", "text"])
def test_lines_carry_the_ids_of_their_context(style):
    with logging_to(style) as (log, lines):
        ids = {"session": "s1", "request": "r1", "parent": TRACEPARENT}
        in_context(lambda: log.info("working"), **ids)
        log.info("outside")
    inside, outside = lines.all
    trace = TRACEPARENT.split("-")[1]
    if style == "json":
        line = json.loads(inside)
        assert (line["session"], line["request"], line["trace"]) == ("s1", "r1", trace)
        assert "session" not in json.loads(outside)
    else:
        assert inside.endswith(f"working [session=s1 request=r1 trace={trace}]")
        assert outside.endswith(": outside")


def test_a_text_line_names_an_id_only_once():
    with logging_to("text") as (log, lines):
        in_context(lambda: log.info("ended, session=%s", "s1"), session="s1")
    assert lines.all[0].endswith(": ended, session=s1")


async def _ids_in_a_child_task() -> dict[str, str]:
    enter_session("s2")
    async with asyncio.TaskGroup() as group:

        async def child() -> dict[str, str]:
            return logs.context_ids()

        task = group.create_task(child())
    return task.result()


def test_tasks_of_a_session_inherit_its_id():
    assert asyncio.run(_ids_in_a_child_task()) == {"session": "s2"}


@pytest.mark.parametrize(
    "header",
    [
        *("", "00", TRACEPARENT.upper(), TRACEPARENT + "-x", "ff" + TRACEPARENT[2:]),
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)
def test_an_invalid_traceparent_is_ignored(header):
    assert valid_traceparent(TRACEPARENT) == TRACEPARENT
    assert valid_traceparent(header) == ""


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lite_gateway", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.mark.process
def test_the_command_logs_its_last_error_as_json_too():
    ran = run("serve", LITE_LOG_FORMAT="json")
    assert ran.returncode == 1
    [line] = [json.loads(line) for line in ran.stderr.splitlines()]
    assert line["level"] == "CRITICAL"
    assert line["message"].startswith("LIVEKIT_URL: it is not set")


def test_unknown_levels_and_formats_are_refused():
    with pytest.raises(logs.ConfigError, match="LOG_LEVEL: no such level"):
        logs.configure("LOUD", "text")
    with pytest.raises(logs.ConfigError, match="LITE_LOG_FORMAT: no such format"):
        logs.configure("INFO", "xml")


CONFIGURED = """
import logging, sys, threading, warnings
from lite_gateway.telemetry import logs
logs.configure(sys.argv[1], sys.argv[2])
logging.getLogger("livekit").info("rust")
logging.getLogger("uvicorn.error").error("web")
warnings.warn("old")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise RuntimeError("last")
"""


@pytest.mark.parametrize("level", ["info", "DEBUG"])
def test_one_handler_writes_the_records_of_all_libraries_and_the_last_error(level):
    command = [sys.executable, "-c", CONFIGURED, level, "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    expected = ["livekit"] if level == "DEBUG" else []
    expected += ["uvicorn.error", "py.warnings", *["lite_gateway.telemetry.logs"] * 2]
    assert [line["logger"] for line in lines] == expected
    assert "ZeroDivisionError" in lines[-2]["exception"]
    assert "RuntimeError: last" in lines[-1]["exception"]
