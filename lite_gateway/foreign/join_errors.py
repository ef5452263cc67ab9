"""Reasons why a LiveKit room could not be joined, in words of our own."""

import re

_TOKEN = (
    "LiveKit refused the token; check the API key and secret that signed it, its room, "
    "its expiry, and that it may join and publish"
)
_UNREACHABLE = (
    "the LiveKit server could not be reached; check the URL and that the server is "
    "running"
)
# The first pattern that the library's text contains. The rest of that text may be a
# body of any server, so nobody is told it.
_REASONS = (
    (r"\bclient error: 40[13]\b|\b40[13] (?:unauthorized|forbidden)\b", _TOKEN),
    (
        r"\bclient error: 404\b",
        "there is no LiveKit server at that URL, or the room does not exist",
    ),
    (
        r"invalidcontenttype|wrong version number",
        "the server at that port does not speak TLS; use ws:// if it has none",
    ),
    (
        r"certificate",
        "the TLS certificate of that server is not valid for its name; check the URL "
        "and the certificate",
    ),
)
_PATTERNS = tuple((re.compile(pattern, re.I), reason) for pattern, reason in _REASONS)
# Where the library's own words end and the body of an answer begins.
_MAX_READ = 200


def join_problem(text: str) -> str:
    """
    Return why a room could not be joined.

    ``text`` is the error of LiveKit's SDK. The result is one of a few sentences.
    """
    for pattern, reason in _PATTERNS:
        if pattern.search(text[:_MAX_READ]):
            return reason
    return _UNREACHABLE
