"""
Log of the process: one handler for all libraries, with lines of text or of JSON.

Code logs ``log.info("session ended, session=%s", session)``. A named argument becomes
a field of a JSON line too. Ids of the task's context are added to each line.
"""

import datetime
import logging
import re
import sys
import threading
from types import TracebackType
from typing import TextIO

import orjson

from lite_gateway.errors import ConfigError
from lite_gateway.foreign.text import CleanLogFilter, foreign_text
from lite_gateway.telemetry.context import context_ids

log = logging.getLogger(__name__)

FORMATS = ("text", "json")
# Libraries that log more than an operator can use -> level, unless LOG_LEVEL is DEBUG.
_QUIET = {"alembic": logging.WARNING, "livekit": logging.WARNING}
_OWN = "lite_gateway"
_ARGUMENT = re.compile(r"(?:\b(\w+)=)?%(?:%|[^a-zA-Z%]*[a-zA-Z])")


def configure(level: str, style: str) -> None:
    """
    Log to stderr from ``level`` on, as ``style`` says: text or json.

    Raises `ConfigError` for values that do not exist.
    """
    levels = logging.getLevelNamesMapping()
    number = levels.get(level.upper())
    if number is None:
        names = ", ".join(name for name in levels if name not in ("NOTSET", "WARN"))
        raise ConfigError("LOG_LEVEL", "no such level", f"Use one of {names}.")
    if style not in FORMATS:
        raise ConfigError("LITE_LOG_FORMAT", "no such format", "Use text or json.")
    logging.basicConfig(level=number, handlers=[log_handler(style, sys.stderr)])
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(number if number <= logging.DEBUG else quiet)
    if style == "json":
        logging.captureWarnings(True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_thread


def log_handler(style: str, stream: TextIO) -> logging.Handler:
    """Return a handler that writes each record to ``stream``, without its secrets."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(_add_fields)  # before the text replaces the arguments
    handler.addFilter(CleanLogFilter())
    handler.setFormatter(_JsonFormatter() if style == "json" else _TextFormatter())
    return handler


def _log_uncaught(
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    log.critical("uncaught exception", exc_info=(kind, error, traceback))


def _log_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        log.critical("a thread failed", exc_info=args.exc_value)


def _add_fields(record: logging.LogRecord) -> bool:
    """Add the ids of the context, and the arguments that the text names, as fields."""
    fields: dict[str, object] = dict(context_ids())
    own = record.name.split(".")[0] == _OWN
    if own and isinstance(record.msg, str) and isinstance(record.args, tuple):
        found = _ARGUMENT.finditer(record.msg)
        names = [match[1] for match in found if match[0] != "%%"]
        for name, value in zip(names, record.args, strict=False):
            if name:
                number = isinstance(value, int | float)
                fields[name] = value if number else foreign_text(value)
    record.fields = fields
    return True


class _TextFormatter(logging.Formatter):
    """Formatter of lines for people; ids that the text does not have follow it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        text = super().formatMessage(record)
        ids = [
            f"{name}={id_}" for name, id_ in context_ids().items() if id_ not in text
        ]
        return f"{text} [{' '.join(ids)}]" if ids else text


class _JsonFormatter(logging.Formatter):
    """Formatter of one JSON object per line; all its texts stay on that line."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        own: dict[str, object] = {
            "ts": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            own["exception"] = record.exc_text
        if record.stack_info:
            own["stack"] = record.stack_info
        fields: dict[str, object] = getattr(record, "fields", {})
        return orjson.dumps(own | fields | own).decode()
