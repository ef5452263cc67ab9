"""Settings of avatars that people make: the switch, and the folder."""

import argparse
from pathlib import Path

import pytest

from lite_gateway.cli.folders import with_created_avatars
from lite_gateway.cli.settings import add_settings, config_from
from lite_gateway.config import Config
from lite_gateway.errors import ConfigError

ENV = {"HOME": "/home/ana"}
DATA = Path("/home/ana/.local/share/lite-gateway")


def config(*arguments: str, **env: str) -> Config:
    parser = argparse.ArgumentParser()
    add_settings(parser, ())
    return config_from(parser.parse_args(arguments), env)


@pytest.mark.parametrize(
    ("arguments", "env", "value"),
    [
        ([], {}, "off"),
        (["--allow-create"], {}, "on"),
        (["--allow-create", "--port", "8081"], {}, "on"),
        (["--allow-create", "off"], {"LITE_ALLOW_CREATE": "on"}, "off"),
        ([], {"LITE_ALLOW_CREATE": "on"}, "on"),
    ],
)
def test_the_switch_needs_no_value(arguments, env, value):
    assert config(*arguments, **env).allow_create == value


def test_the_switch_is_on_or_off():
    with pytest.raises(ConfigError, match=r"LITE_ALLOW_CREATE: .*Use on or off"):
        config(LITE_ALLOW_CREATE="yes")


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        ({}, DATA / "created-avatars"),
        ({"database": "postgresql://db/x"}, DATA / "created-avatars"),
        ({"database": "/srv/lite/x.db"}, Path("/srv/lite/created-avatars")),
        ({"created_avatars": "/srv/made", "database": "/x.db"}, Path("/srv/made")),
    ],
)
def test_the_folder_is_beside_the_database(settings, folder):
    found = with_created_avatars(Config(**settings), ENV)
    assert Path(found.created_avatars) == folder
