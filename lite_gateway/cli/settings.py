"""Settings as command-line options, and checks of them."""

import argparse
import dataclasses
from dataclasses import fields

from lite_gateway.config import DEV_KEY, Config, env_name, parse
from lite_gateway.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_settings(parser: argparse.ArgumentParser, without: tuple[str, ...]) -> None:
    for each in fields(Config):
        if each.name in without:
            continue
        default = f" (default: {each.default})" if each.default != "" else ""
        parser.add_argument(
            f"--{each.name.replace('_', '-')}",
            metavar=each.name.rpartition("_")[2].upper(),
            help=f"{each.metadata['help']}{default} [{env_name(each.name)}]",
        )


def given_config(given: argparse.Namespace, env: dict[str, str]) -> Config:
    """The environment, with the command line over it."""
    config = Config.from_env(env)
    said = {
        each.name: parse(f"--{each.name}", text, type(each.default))
        for each in fields(Config)
        if (text := getattr(given, each.name, None)) is not None
    }
    return dataclasses.replace(config, **said)


def need_livekit(config: Config) -> None:
    for name in ("livekit_url", "livekit_api_key", "livekit_api_secret"):
        if not getattr(config, name):
            raise ConfigError(env_name(name), "", "set (see lite-gateway serve --help)")


def refuse_dev_key(config: Config, used: bool) -> None:
    if used and config.host not in LOOPBACK:
        raise ConfigError(
            "LITE_API_KEYS", DEV_KEY, f"a key of your own to listen on {config.host}"
        )
