"""Secrets of this process: no text, log line or error repeats them."""

import io
import json
import logging
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lite_gateway.foreign import live_secrets as live_secrets_module
from lite_gateway.foreign.live_secrets import LiveSecrets, live_secrets
from lite_gateway.foreign.text import CleanLogFilter, foreign_text
from lite_gateway.telemetry.logs import log_handler

KEY = "Zx9-plain+key/with=signs"
# It has no shape that a pattern of `foreign_text` knows.
OTHER = "correct horse'battery\"staple\\ü"


@pytest.fixture(autouse=True)
def remembered():
    live_secrets.remember([KEY, OTHER])


@pytest.mark.parametrize("secret", [KEY, OTHER])
@pytest.mark.parametrize("spelt", [str, repr, json.dumps, lambda text: quote(text, "")])
def test_no_spelling_of_a_secret_is_repeated(secret, spelt):
    told = foreign_text(f"the key {spelt(secret)} is wrong", limit=1000)
    assert "[removed]" in told
    assert not any(part in told for part in ("Zx9", "horse", "battery", "staple"))


@given(st.integers(0, 20_000), st.text(st.sampled_from("ab "), max_size=30))
def test_no_beginning_of_a_secret_is_left_where_a_long_text_is_cut(position, after):
    text = "x" * position + KEY * 3 + after + "y" * 40_000
    told = foreign_text(text, limit=20_000)
    assert KEY[:4] not in told


def test_the_oldest_values_are_forgotten_first():
    secrets = LiveSecrets()
    secrets.remember([KEY, *(f"filler-{number}" for number in range(999))])
    secrets.remember([KEY, "one-more-value"])
    assert secrets.replaced(f"{KEY} filler-0 filler-1", "-") == "- filler-0 -"


def test_a_new_value_is_spelled_and_not_all_others_again(monkeypatch):
    secrets, spelled = LiveSecrets(), []
    spellings = live_secrets_module._spellings

    def counted(value: str) -> frozenset[str]:
        spelled.append(value)
        return spellings(value)

    secrets.remember(f"filler-{number}" for number in range(1000))
    monkeypatch.setattr(live_secrets_module, "_spellings", counted)
    secrets.remember([KEY, "filler-999"])
    assert spelled == [KEY]


def test_values_that_are_found_in_any_word_are_not_replaced():
    secrets = LiveSecrets()
    secrets.remember(["", "key"])
    assert secrets.replaced("a key", "-") == "a key"


@pytest.mark.parametrize("style", ["text", "json"])
def test_no_part_of_a_record_repeats_a_secret(style):
    stream = io.StringIO()
    logger = logging.Logger("livekit.agents")
    logger.addHandler(log_handler(style, stream))
    error = RuntimeError(f"outer {OTHER}")
    error.__cause__ = ValueError(f"inner {KEY}")
    extra = {"error": error, "body": KEY}
    logger.error("failed with %s", {"key": KEY}, exc_info=error, extra=extra)
    logged = stream.getvalue()
    assert "inner [removed]" in logged
    assert "outer [removed]" in logged
    assert "failed with {'key': '[removed]'}" in logged
    assert not any(part in logged for part in ("Zx9", "horse"))


def test_extras_are_cleaned_and_those_of_people_are_dropped():
    record = logging.makeLogRecord(
        {"msg": "x", "lk.pii.event": "my name", "body": {"key": KEY}, "attempt": 3}
    )
    assert CleanLogFilter().filter(record)
    values = vars(record)
    assert "lk.pii.event" not in values
    assert values["body"] == "{'key': '[removed]'}"
    assert values["attempt"] == 3
