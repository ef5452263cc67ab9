"""Errors at start: no value of a setting is repeated, for it can be a secret."""

from dataclasses import fields

import pytest

from lite_gateway.__main__ import main
from lite_gateway.config import Config
from lite_gateway.errors import ConfigError
from lite_gateway.setting_fields import PREFIX, env_name

SECRET = "hush-s3cret/value+x"  # as base64 has it
URL = f"redis://user:{SECRET}@host/0"
SETTINGS = {option.name: env_name(option.name) for option in fields(Config)}
VALID = {
    "LIVEKIT_URL": "ws://127.0.0.1:9",
    "LIVEKIT_API_KEY": "key-of-livekit",
    "LIVEKIT_API_SECRET": "a LiveKit secret of at least 32 bytes",
    "LITE_PORT": "0",
}
MISSPELT = [
    *("LITE_TOKEN_SECRTE", "LITE_API_KEY", "LITE_APIKEYS", "LITE_KEYS", "LITE_SECRET"),
    *("LITE_DATABSE", "LITE_STATEKEY", "LITE_LIVEKIT_API_SECRET", "LITE_"),
]
# Settings whose value is used after it was read, where it fails.
USED_LATER = ("host", "api_keys_file", "database", "state_key", "driver", "trace")


def error_of(env: dict[str, str]) -> str:
    try:
        Config.from_env(env)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("value", [SECRET, URL, SECRET + "\n\x1b[2K", ""])
@pytest.mark.parametrize("name", [*SETTINGS.values(), "DATABASE_URL", "LITE_STATE"])
def test_no_error_of_a_setting_repeats_its_value(name, value):
    text = error_of({name: value})
    assert "hush" not in text
    assert not text or text.startswith(name)


@pytest.mark.parametrize("name", MISSPELT)
def test_an_unknown_setting_is_told_by_its_name_only(name):
    text = error_of({name: SECRET})
    assert text.startswith(f"{name}: unknown setting. ")
    assert "hush" not in text


@pytest.mark.parametrize(
    "other", [name for name in SETTINGS.values() if name.startswith(PREFIX)]
)
def test_a_misspelt_setting_suggests_a_name_and_no_value(other):
    text = error_of({f"{other}X": SECRET, "LITE_TOKEN_SECRET": SECRET})
    assert other in text
    assert "hush" not in text


@pytest.mark.parametrize("kind", ["{}", "postgresql://u:{}@127.0.0.1:9/db", "{}://x"])
@pytest.mark.parametrize("field", USED_LATER)
def test_a_start_that_fails_prints_no_value(field, kind, tmp_path, few_avatars, capfd):
    value = kind.format(SECRET)
    if field in ("database", "trace"):
        # A file can have any name, so one of a folder that cannot exist.
        value = kind.format("hush") if "://" in kind else f"/proc/{SECRET}"
    env = {
        **VALID,
        "LITE_DATABASE": str(tmp_path / "state.db"),
        "LITE_API_KEYS": "a key that is long enough to be one",
        "XDG_DATA_HOME": str(tmp_path),
        "LITE_AVATARS": str(few_avatars),
        SETTINGS[field]: value,
    }
    with pytest.raises(SystemExit) as ended:
        main(["serve"], env)
    output = f"{ended.value} {capfd.readouterr()}"
    assert ended.value.code
    if field == "database" and "://" not in kind:
        return  # the path of a file is told, so that the operator finds it
    assert "hush" not in output


@pytest.mark.parametrize(
    "arguments",
    [
        *(["serve", "--token-secrte", SECRET], ["serve", f"--token-secrte={SECRET}"]),
        *(["serve", SECRET], ["dev", "--livekit-port", SECRET]),
        *(["serve", f"--key={SECRET}"], ["serve", "--port", SECRET]),
        ["serve", "--livekit-url", URL],
    ],
)
def test_the_command_line_repeats_no_value(arguments, capfd):
    with pytest.raises(SystemExit) as ended:
        main(arguments, {})
    output = f"{ended.value} {capfd.readouterr()}"
    assert ended.value.code
    assert "hush" not in output
