"""Weak secrets of a gateway that other machines can reach."""

import pytest

from lite_gateway.auth.api_keys import ApiKeys
from lite_gateway.cli.strength import (
    is_exposed,
    refuse_weak_keys,
    refuse_weak_secrets,
)
from lite_gateway.config import Config
from lite_gateway.errors import ConfigError
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.engine import Store

STRONG = {
    "host": "0.0.0.0",
    "livekit_api_key": "gateway",
    "livekit_api_secret": "a LiveKit secret of at least 32 bytes",
    "api_keys": "a key of 17 bytes, and another long key",
}


@pytest.mark.parametrize(
    ("settings", "exposed"),
    [
        ({"host": "127.0.0.1"}, False),
        ({"host": "127.0.0.2"}, False),
        ({"host": "::1"}, False),
        ({"host": "localhost"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "::"}, True),
        ({"host": "192.0.2.1"}, True),
        ({"host": "127.0.0.1", "public_url": "http://127.0.0.1:8080"}, False),
        ({"host": "127.0.0.1", "public_url": "https://avatars.example.com"}, True),
    ],
)
def test_a_gateway_behind_a_proxy_is_exposed_too(settings, exposed):
    assert is_exposed(Config(**settings)) is exposed


@pytest.mark.parametrize(
    ("weak", "setting"),
    [
        ({"api_keys": "a"}, "LITE_API_KEYS"),
        ({"api_keys": "a key of 17 bytes,fifteen letters"}, "LITE_API_KEYS"),
        ({"api_keys": "dev"}, "LITE_API_KEYS"),
        ({"token_secret": "abcd"}, "LITE_TOKEN_SECRET"),
        (
            {"livekit_api_key": "devkey", "livekit_api_secret": "secret"},
            "LIVEKIT_API_SECRET",
        ),
        (
            {"livekit_api_secret": "thirty-one letters are too few."},
            "LIVEKIT_API_SECRET",
        ),
    ],
)
def test_a_weak_secret_is_named_and_not_shown(weak, setting):
    with pytest.raises(ConfigError) as refused:
        refuse_weak_secrets(Config(**{**STRONG, **weak}))
    text = str(refused.value)
    assert text.startswith(f"{setting}: ")
    assert "fifteen letters" not in text
    assert "abcd" not in text
    assert "thirty-one" not in text
    refuse_weak_secrets(Config(**{**STRONG, **weak, "host": "127.0.0.1"}))


def test_strong_secrets_are_accepted():
    refuse_weak_secrets(Config(**STRONG, token_secret="x" * 32))


def test_a_short_key_in_the_file_is_refused(tmp_path):
    file = tmp_path / "keys"
    file.write_text("a-key-of-more-than-16-letters robot\nshort-key nurse\n")
    store = Store.open(str(tmp_path / "state.db"), KeyRing(path=tmp_path / "key"))
    config = Config(**STRONG, api_keys_file=str(file))
    api_keys = ApiKeys(config, store)
    store.close()
    with pytest.raises(ConfigError, match="LITE_API_KEYS_FILE: the key 'nurse'") as bad:
        refuse_weak_keys(config, api_keys)
    assert "short-key" not in str(bad.value)
