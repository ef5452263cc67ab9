"""
Texts of others, made fit to be told, logged and stored.

Each error text of a library, and each name or message of another server, goes through
`foreign_text`. `CleanLogFilter` does the same for all records of a log handler, for
libraries that log themselves.
"""

import logging
import re
from collections.abc import Iterable

from lite_gateway.foreign.live_secrets import MIN_SECRET, live_secrets

REMOVED = "[removed]"
MAX_LOG_CHARACTERS = 4000
_MAX_TRACEBACK_LINES = 200
_MAX_LINE_CHARACTERS = 500
_INDENT = "    "
# Fields of a record in which livekit-agents repeats what people and models have said.
_PERSONAL = "lk.pii."
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({})))
# Only the beginning of a text is read: another server may send megabytes.
_MAX_READ = 16 << 10
_SECRET_PATTERNS = (
    # A JSON Web Token, also one that is cut: its header is the base64 of '{"'.
    (re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}", re.ASCII), REMOVED),
    (re.compile(r"lg_[a-zA-Z0-9]+_[\w-]{8,}", re.ASCII), REMOVED),  # our API keys
    (re.compile(r"\bsk-[\w-]{12,}", re.ASCII), REMOVED),  # keys of LLM services
    (re.compile(r"bearer\s+[\w.~+/=-]{20,}", re.ASCII | re.I), REMOVED),
    # User and password of a URL, and the secret at the end of a ws_url.
    (re.compile(r"://[^\s\"'<>]{0,256}@"), f"://{REMOVED}@"),
    (re.compile(r"(/v1/ws/[\w-]{1,64}/)[\w-]+", re.ASCII), rf"\1{REMOVED}"),
    (
        re.compile(
            r"((?:token|api[_-]?key|secret|password)(?:=|[\"']\s?:\s?[\"']))"
            r"[^\s&\"']+",
            re.I,
        ),
        rf"\1{REMOVED}",
    ),
)


def foreign_text(text: object, *, secrets: Iterable[str] = (), limit: int = 300) -> str:
    """
    Return the text of another party as one line of at most ``limit`` characters.

    Control characters, line and direction marks, and halves of surrogate pairs are
    written as escapes, such as ``\\n``. Tokens, API keys, passwords in URLs, and the
    given and the live ``secrets`` are replaced by "[removed]". The result can always be
    encoded as UTF-8.
    """
    result = _as_str(text)
    for secret in secrets:
        if len(secret) >= MIN_SECRET:
            result = result.replace(secret, REMOVED)
    was_cut = len(result) > _MAX_READ
    result = _without_live_secrets(result)
    result = _escaped(result[:_MAX_READ])
    for pattern, replacement in _SECRET_PATTERNS:
        result = pattern.sub(replacement, result)
    if was_cut or len(result) > limit:
        result = result[: limit - 1] + "…"
    return result


def _without_live_secrets(text: str) -> str:
    margin = live_secrets.longest
    beginning = live_secrets.replaced(text[: _MAX_READ + margin], REMOVED)
    # The end of a text that was cut may be the beginning of a secret.
    return (
        beginning if len(text) <= _MAX_READ + margin else beginning[: -margin or None]
    )


def _as_str(text: object) -> str:
    if isinstance(text, bytes | bytearray):
        return text.decode("utf-8", "replace")
    try:
        return str(text)
    except Exception:  # boundary: the object is foreign too
        return type(text).__name__


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


class CleanLogFilter(logging.Filter):
    """
    Filter of a log handler: records are one line, and contain no secret.

    Nobody can forge a line: line breaks of a message are escaped, and the lines of a
    traceback are indented.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record in place; it is always logged."""
        try:
            message = record.getMessage()
        except Exception:  # boundary: arguments that do not fit the message
            message = _as_str(record.msg)
        record.msg = foreign_text(message, limit=MAX_LOG_CHARACTERS)
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = _clean_lines(record.exc_text)
        if record.stack_info:
            record.stack_info = _clean_lines(record.stack_info)
        _clean_extras(record)
        return True


def _clean_extras(record: logging.LogRecord) -> None:
    """Clean the fields that a library gave to a record, for handlers that show them."""
    for name in record.__dict__.keys() - _OWN_FIELDS:
        value = record.__dict__[name]
        if name.startswith(_PERSONAL):
            del record.__dict__[name]
        elif name != "fields" and not isinstance(value, int | float | None):
            record.__dict__[name] = foreign_text(value, limit=MAX_LOG_CHARACTERS)


def _clean_lines(text: str) -> str:
    # Two handlers may share a record: lines that are indented already stay so.
    lines = text.split("\n")[-_MAX_TRACEBACK_LINES:]
    cleaned = (foreign_text(line, limit=_MAX_LINE_CHARACTERS) for line in lines)
    return "\n".join(_INDENT + line.removeprefix(_INDENT) for line in cleaned)
