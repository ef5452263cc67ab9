"""Settings from the environment."""

from fractions import Fraction

import pytest

from lite_gateway.config import Config
from lite_gateway.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("LITE_MAX_SESIONS", r"Did you mean LITE_MAX_SESSIONS\?"),
        ("LITE_XYZZY", "--help"),
    ],
)
def test_unknown_setting_is_refused_with_the_nearest_name(name, fix):
    with pytest.raises(ConfigError, match=f"{name}: unknown setting. .*{fix}") as error:
        Config.from_env({name: "hush"})
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("env", "database"),
    [
        ({}, ""),
        ({"LITE_DATABASE": "a.db"}, "a.db"),
        ({"LITE_STATE": "a.db"}, "a.db"),
        ({"LITE_DATABASE": "a.db", "LITE_STATE": "a.db"}, "a.db"),
        ({"LITE_DATABASE": "", "LITE_STATE": "a.db"}, "a.db"),
        ({"LITE_DATABASE": "a.db", "LITE_STATE": ""}, "a.db"),
        ({"DATABASE_URL": "postgres://db/x"}, "postgres://db/x"),
        ({"DATABASE_URL": "mysql://db/x"}, ""),
        ({"DATABASE_URL": "postgres://db/x", "LITE_STATE": "a.db"}, "a.db"),
        ({"DATABASE_URL": "postgres://db/x", "LITE_DATABASE": "a.db"}, "a.db"),
    ],
)
def test_database_has_an_older_name_and_the_name_of_hosting_platforms(env, database):
    assert Config.from_env(env).database == database


def test_two_names_of_the_database_with_different_values_are_refused():
    env = {"LITE_DATABASE": "postgresql://lite:hush@db/a", "LITE_STATE": "b.db"}
    with pytest.raises(ConfigError, match=r"LITE_DATABASE: LITE_STATE has") as error:
        Config.from_env(env)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LITE_PORT", "http", "whole number"),
        ("LITE_PORT", "70000", "0 to 65535"),
        ("LITE_MAX_SESSIONS", "0", "auto, or a whole number of at least 1"),
        ("LITE_MAX_SESSIONS", "-1", "auto, or a whole number of at least 1"),
        ("LITE_MAX_SESSIONS", "many", "auto, or a whole number of at least 1"),
        ("LITE_FPS", "500", "10 to 60"),
        ("LITE_FPS", "1/0", "30000/1001"),
        ("LITE_DEVICE", "tpu", "auto, cpu or cuda"),
        ("LITE_DRAIN_S", "-1", "0 to 86400"),
        ("LITE_DRAIN_S", "nan", "0 to 86400"),
        ("LITE_DRAIN_S", "inf", "0 to 86400"),
        ("LIVEKIT_URL", "localhost:7880", "ws://"),
    ],
)
def test_invalid_value_names_its_setting_and_what_is_allowed(name, value, words):
    with pytest.raises(ConfigError, match=name) as error:
        Config.from_env({name: value})
    assert words in str(error.value)


def test_settings_come_from_the_environment_and_repr_hides_secrets():
    config = Config.from_env(
        {
            "LITE_FPS": "30000/1001",
            "LITE_API_KEYS": "a, b",
            "LIVEKIT_API_SECRET": "hush",
        }
    )
    assert config.fps == Fraction(30000, 1001)
    assert config.keys == ("a", "b")
    assert "hush" not in repr(config)
    assert "a, b" not in repr(config)


@pytest.mark.parametrize(
    ("env", "number", "text"),
    [
        ({}, 0, "auto"),
        ({"LITE_MAX_SESSIONS": "auto"}, 0, "auto"),
        ({"LITE_MAX_SESSIONS": "3"}, 3, "3"),
    ],
)
def test_sessions_are_limited_by_measurement_or_by_a_number(env, number, text):
    limit = Config.from_env(env).max_sessions
    assert limit == number
    assert f"{limit}" == text


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"LITE_STT_URL": "ws://127.0.0.1/v1"}, "http://"),
        ({"LITE_TTS_URL": "https://user:hush@host/v1"}, "without user"),
        ({"LITE_LLM_URL": "https://host/v1"}, "LITE_LLM_MODEL: it is not set"),
        ({"LITE_LLM_KEY": "hush"}, "Set LITE_LLM_URL"),
        ({"LITE_STT_KEY": "hush"}, "Set LITE_STT_URL"),
        ({"LITE_LLM_URL": "host", "LITE_LLM_MODEL": "m"}, "http://"),
        ({"LITE_REALTIME_URL": ""}, "http://"),
        ({"LITE_REALTIME_URL": "https://host:abc"}, "http://"),
        ({"LITE_REALTIME_TURNS": "none"}, "semantic_vad or server_vad"),
        ({"LITE_TTS_VOICE": ""}, "not empty"),
        ({"LITE_BARGE_IN_S": "0"}, "0.1 to 10"),
        ({"LITE_BARGE_IN_S": "nan"}, "0.1 to 10"),
        ({"LITE_TRANSCRIPTS": "yes"}, "on or off"),
    ],
)
def test_a_bad_setting_of_conversations_is_refused_with_a_remedy(env, words):
    with pytest.raises(ConfigError, match="LITE_") as error:
        Config.from_env(env)
    assert words in str(error.value)
    assert "hush" not in str(error.value)


def test_keys_of_services_are_not_in_repr():
    kinds = ("STT", "TTS", "LLM")
    urls = {f"LITE_{kind}_URL": "https://host/v1" for kind in kinds}
    keys = {f"LITE_{kind}_KEY": "hush" for kind in kinds}
    config = Config.from_env({**urls, **keys, "LITE_LLM_MODEL": "m"})
    assert (config.stt_key, config.tts_key, config.llm_key) == ("hush",) * 3
    assert "hush" not in repr(config)
