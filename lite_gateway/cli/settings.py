"""Settings as command-line options, and checks that several commands share."""

import argparse
import dataclasses
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from lite_gateway.config import OLD_NAMES, Config, current_value
from lite_gateway.conversation.options import ConversationOptions
from lite_gateway.errors import ConfigError
from lite_gateway.setting_fields import env_name, parse, public_name

_OLD_DATABASE = OLD_NAMES["database"]


def add_settings(
    parser: argparse.ArgumentParser,
    without: tuple[str, ...],
    defaults: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """
    Add an option for every field of `Config`, except those in ``without``.

    ``defaults`` are the command's own, by field.
    """
    parser.set_defaults(own_defaults=defaults)
    conversation = parser.add_argument_group("conversations")
    of_conversations = {option.name for option in fields(ConversationOptions)}
    for option in fields(Config):
        if option.name in without:
            continue
        name = public_name(option.name)
        value = defaults.get(option.name, option.default)
        default = f" (default: {value})" if value != "" else ""
        group = conversation if option.name in of_conversations else parser
        alone = option.metadata["alone"]
        group.add_argument(
            _option(name),
            dest=option.name,
            metavar=name.rpartition("_")[2].upper(),
            help=f"{option.metadata['help']}{default} [{env_name(option.name)}]",
            **({} if alone is None else {"nargs": "?", "const": alone}),
        )
        if option.name == "database":
            _add_old_database_option(parser)


def add_database_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the gateway's database."""
    parser.add_argument(
        "--database",
        metavar="DATABASE",
        help="database of the gateway: a file or postgresql://... [LITE_DATABASE]",
    )
    _add_old_database_option(parser)


def _add_old_database_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        f"--{_OLD_DATABASE}",
        dest=_OLD_DATABASE,
        metavar="DATABASE",
        help="older name of --database [LITE_STATE]",
    )


def config_from(args: argparse.Namespace, env: dict[str, str]) -> Config:
    """Return the settings of the environment; the command line overrides them."""
    values = vars(args) | {"database": _database(args)}
    changes = {
        option.name: parse(
            _option(public_name(option.name)), text, type(option.default)
        )
        for option in fields(Config)
        if (text := values.get(option.name)) is not None
    }
    own_defaults: Mapping[str, str] = getattr(args, "own_defaults", {})
    defaults = {env_name(name): text for name, text in own_defaults.items()}
    return dataclasses.replace(Config.from_env({**defaults, **env}), **changes)


def _database(args: argparse.Namespace) -> str | None:
    old_name = _option(_OLD_DATABASE)
    old = getattr(args, _OLD_DATABASE, None)
    return current_value("--database", args.database, old_name, old)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def require_livekit(config: Config) -> None:
    """Raise `ConfigError` unless a LiveKit server is configured."""
    for name in ("livekit_url", "livekit_api_key", "livekit_api_secret"):
        if not getattr(config, name):
            fix = "Set it, or use `lite-gateway dev`, which starts a LiveKit server."
            raise ConfigError(env_name(name), "it is not set", fix)
