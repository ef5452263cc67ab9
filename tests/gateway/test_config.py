"""Settings from the environment."""

from fractions import Fraction

import pytest

from lite_gateway.config import Config
from lite_gateway.errors import ConfigError


def test_a_setting_that_does_not_exist_is_a_typo():
    with pytest.raises(ConfigError, match="LITE_MAX_SESIONS"):
        Config.from_env({"LITE_MAX_SESIONS": "3"})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("LITE_PORT", "http", "valid int"),
        ("LITE_PORT", "70000", "0 to 65535"),
        ("LITE_FPS", "500", "10 to 60"),
        ("LITE_FPS", "1/0", "valid"),
        ("LITE_DEVICE", "tpu", "auto, cpu, cuda"),
        ("LIVEKIT_URL", "localhost:7880", "ws://"),
    ],
)
def test_a_setting_that_is_wrong_names_itself(name, text, words):
    with pytest.raises(ConfigError, match=name) as refused:
        Config.from_env({name: text})
    assert words in str(refused.value)


def test_settings_come_from_the_environment_and_secrets_do_not_print():
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
