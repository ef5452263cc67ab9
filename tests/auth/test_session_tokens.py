"""Session tokens: signature and expiry."""

import datetime

import pytest

from lite_gateway.auth.session_tokens import SessionTokens
from lite_gateway.errors import Refused

NOW_S = datetime.datetime.now(datetime.UTC).timestamp()
SECRET = "a token secret of at least 32 bytes"


def test_an_expired_session_token_is_refused():
    tokens = SessionTokens(SECRET, 3600.0)
    assert tokens.session_id(tokens.sign("s1", "LITE", NOW_S)) == "s1"
    with pytest.raises(Refused, match="expired; create a new session") as refused:
        tokens.session_id(tokens.sign("s1", "LITE", NOW_S - 7200))
    assert refused.value.status == 401


def test_a_session_token_of_another_server_is_refused():
    other = SessionTokens("another secret of at least 32 bytes", 3600.0)
    token = other.sign("s1", "LITE", NOW_S)
    with pytest.raises(Refused, match="not one of this server"):
        SessionTokens(SECRET, 3600.0).session_id(token)
