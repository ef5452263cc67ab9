"""Settings of the gateway: one frozen object, built in ``__main__``, passed down."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from lite_gateway.conversation.options import ConversationOptions
from lite_gateway.errors import ConfigError, Refused
from lite_gateway.foreign.addresses import AllowedHost
from lite_gateway.foreign.hosts import NotAHost
from lite_gateway.resources import data_path
from lite_gateway.setting_fields import (
    KINDS,
    PREFIX,
    SessionLimit,
    check_setting,
    env_name,
    parse,
    setting,
)
from lite_gateway.telemetry.logs import FORMATS
from lite_gateway.video_quality import parse_quality

# Older names that still work as options and variables.
OLD_NAMES = {"database": "state"}
DEV_KEY = "dev"
FPS = Fraction(25)
MAX_DRAIN_S = 86_400.0
DEVICES = ("auto", "cpu", "cuda")
_NOT_NEGATIVE = (
    *("key_sessions", "key_rate", "history_days", "user_gone_s"),
    *("address_connections", "max_created_avatars"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(ConversationOptions):
    """Settings of one gateway process. Units are in the names: ``_s`` is seconds."""

    livekit_url: str = setting(
        "", "LiveKit server as this gateway reaches it, ws:// or wss://"
    )
    livekit_api_key: str = setting("", "API key of the LiveKit server")
    livekit_api_secret: str = setting(
        "", "API secret of the LiveKit server", secret=True
    )
    livekit_public_url: str = setting(
        "", "LiveKit server as clients reach it, if that differs"
    )
    host: str = setting("127.0.0.1", "address to listen on")
    port: int = setting(8080, "port for REST, WebSocket, metrics and demo page")
    public_url: str = setting(
        "", "URL of this gateway as clients reach it, if it is behind a proxy"
    )
    api_keys: str = setting(
        "", "API keys, separated by commas; see also `keys create`", secret=True
    )
    api_keys_file: str = setting(
        "", "file with one API key per line: KEY [NAME [SCOPES]]"
    )
    key_sessions: int = setting(
        0, "sessions that one API key may have at once; 0: no limit of its own"
    )
    key_rate: int = setting(
        1200, "requests per minute that one API key may make; 0: no limit"
    )
    address_connections: int = setting(
        200,
        "connections that one address may have open at once, except loopback and "
        "trusted proxies; 0: no limit of its own",
    )
    token_secret: str = setting(
        "",
        "secret that signs session tokens; if empty, one is created and kept in the "
        "database",
        secret=True,
    )
    database: str = setting(
        "",
        "database of configuration and history: a file or postgresql://...; if empty, "
        "DATABASE_URL, else a file in the user's data folder",
        secret=True,
    )
    state_key: str = setting(
        "",
        "Fernet keys that encrypt stored secrets, newest first, separated by commas; "
        "if empty, a key file beside the database",
        secret=True,
    )
    history_days: int = setting(90, "days to keep the session history; 0: for ever")
    cors_origins: str = setting(
        "", "browser origins that may call the API, separated by commas"
    )
    allowed_hosts: str = setting(
        "",
        "hosts without a public address that callers' livekit_url may name, separated "
        "by commas: names, *.example.com, addresses, networks, each also with :PORT",
    )
    avatars: str = setting(
        "", "folder of avatar packages; if empty, the shipped packages"
    )
    allow_create: str = setting(
        "off",
        "avatars from photos, by POST /v1/avatars and the page /create: on or off",
        alone="on",
    )
    created_avatars: str = setting(
        "",
        "folder of the avatars that people make and keep; if empty, created-avatars "
        "beside the database",
    )
    max_created_avatars: int = setting(
        100,
        "avatars that people may keep, of some 5 MB each; 0: no limit",
    )
    default_avatar: str = setting(
        "mira", "avatar to show for ids that only exist at LiveAvatar"
    )
    device: str = setting("auto", "device to render on: auto, cpu or cuda")
    driver: str = setting("", "speech-to-face driver of your own, as module:factory")
    render_threads: int = setting(1, "CPU threads of torch, where it renders a frame")
    fps: Fraction = setting(FPS, "video frames per second")
    max_sessions: int = setting(
        SessionLimit("auto"),
        "sessions at once; more are refused and not queued. auto: as many as this "
        "machine was measured to carry",
    )
    max_session_s: float = setting(7200.0, "maximum length of a session, in seconds")
    idle_timeout_s: float = setting(
        300.0, "seconds without commands after which a session ends"
    )
    user_gone_s: float = setting(
        60.0,
        "seconds after which a session ends when all users have left its room; "
        "0: never",
    )
    missing_end_s: float = setting(
        10.0, "seconds without audio after which a turn ends without speak_end"
    )
    max_buffered_s: float = setting(
        600.0, "seconds of audio that one session may have buffered"
    )
    agent_name: str = setting(
        "lite-avatar", "worker: agent name to register; a dispatch names it"
    )
    drain_s: float = setting(
        30.0,
        "seconds after SIGTERM in which sessions may finish what they speak; a worker "
        "waits so long for its jobs",
    )
    external_audio: str = setting(
        "none",
        "participants that may speak through an avatar by data stream, besides its "
        "agent: none, any, or identities separated by commas",
    )
    agent_gone_s: float = setting(
        30.0, "seconds after which an avatar leaves when its agent has left the room"
    )
    stream_quality: str = setting(
        "high",
        "video quality of avatars that agents speak through: a name or WIDTHxHEIGHT",
    )
    output: str = setting(
        "livekit",
        "for diagnosis: output of audio and video; null drops them on time, unencoded",
    )
    log_format: str = setting("text", "format of the log on stderr: text or json")
    trace: str = setting(
        "",
        "for diagnosis: append one JSON line with timestamps per audio and video event "
        "to this file",
    )

    def __post_init__(self) -> None:
        self.check_conversation()
        check = partial(check_setting, self)
        check("port", 0 <= self.port <= 65535, "0 to 65535")
        check("fps", 10 <= self.fps <= 60, "10 to 60")
        check("max_sessions", self.max_sessions >= 0, KINDS[SessionLimit])
        check("render_threads", self.render_threads >= 1, "at least 1")
        check("device", self.device in DEVICES, "auto, cpu or cuda")
        check("output", self.output in ("livekit", "null"), "livekit or null")
        check("log_format", self.log_format in FORMATS, "text or json")
        check("allow_create", self.allow_create in ("on", "off"), "on or off")
        for name in ("max_session_s", "idle_timeout_s", "missing_end_s"):
            check(name, getattr(self, name) > 0, "more than 0")
        check("agent_name", bool(self.agent_name), "a name that is not empty")
        check(
            "stream_quality",
            _is_quality(self.stream_quality),
            "very_high, high, medium, low or WIDTHxHEIGHT",
        )
        check("agent_gone_s", self.agent_gone_s >= 5, "at least 5")
        # Not for ever: a process that hangs is ended after the drain.
        check("drain_s", 0 <= self.drain_s <= MAX_DRAIN_S, f"0 to {MAX_DRAIN_S:.0f}")
        for name in _NOT_NEGATIVE:
            check(name, getattr(self, name) >= 0, "0 or more")
        check(
            "allowed_hosts",
            all(map(_is_allowed_host, self.allowed)),
            "names, *.example.com, addresses or networks, separated by commas",
        )
        if self.public_url and not _is_public_url(self.public_url):
            raise ConfigError(
                env_name("public_url"),
                "it is not a URL of a server",
                "Use https://NAME, or another URL that begins with http://, https://, "
                "ws:// or wss://.",
            )
        for name in ("livekit_url", "livekit_public_url"):
            scheme = urlsplit(getattr(self, name)).scheme
            known = ("ws", "wss", "http", "https")
            check(
                name,
                not getattr(self, name) or scheme in known,
                "a URL that begins with ws:// or wss://",
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """API keys of the setting ``api_keys``."""
        return _split(self.api_keys)

    @property
    def allowed(self) -> tuple[str, ...]:
        """Hosts of the setting ``allowed_hosts``."""
        return _split(self.allowed_hosts)

    @property
    def origins(self) -> tuple[str, ...]:
        """Browser origins of the setting ``cors_origins``."""
        return _split(self.cors_origins)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """
        Read ``LITE_*``, ``LIVEKIT_*`` and ``DATABASE_URL``.

        An unknown ``LITE_*`` name is a `ConfigError`, because it is probably a typo.
        """
        env = _with_current_names(env)
        known = {env_name(option.name): option for option in fields(cls)}
        for name in env:
            if name.startswith(PREFIX) and name not in known:
                raise ConfigError(name, "unknown setting", _suggestion(name, known))
        # Hosting platforms set DATABASE_URL to the address of their PostgreSQL.
        if env.get("DATABASE_URL", "").startswith("postgres"):
            env = {env_name("database"): env["DATABASE_URL"], **env}
        values = {
            option.name: parse(name, env[name], type(option.default))
            for name, option in known.items()
            if name in env
        }
        return cls(**values)


def current_value(
    name: str, value: str | None, old_name: str, old_value: str | None
) -> str | None:
    """
    Return the value of a setting that has two names.

    `ConfigError` if both names have a value and the values differ.
    """
    if value and old_value and value != old_value:
        raise ConfigError(
            name,
            f"{old_name} has a different value",
            f"Set one of them; {old_name} is the older name.",
        )
    return value if value or old_value is None else old_value


def _with_current_names(env: Mapping[str, str]) -> dict[str, str]:
    """Return ``env`` with older names of variables replaced by the current ones."""
    result = dict(env)
    for field_name, old in OLD_NAMES.items():
        name, old_name = env_name(field_name), PREFIX + old.upper()
        old_value = result.pop(old_name, None)
        value = current_value(name, result.get(name), old_name, old_value)
        if value is not None:
            result[name] = value
    return result


def _suggestion(name: str, known: Mapping[str, object]) -> str:
    if nearest := difflib.get_close_matches(name, known, n=1):
        return f"Did you mean {nearest[0]}?"
    return "`lite-gateway serve --help` lists all settings."


def _is_quality(name: str) -> bool:
    try:
        return bool(parse_quality(name))
    except Refused:
        return False


def _is_allowed_host(text: str) -> bool:
    try:
        return bool(AllowedHost.parse(text))
    except NotAHost:
        return False


def _is_public_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and parts.scheme in ("http", "https", "ws", "wss")


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def shipped_avatars() -> Path:
    """Return the folder of avatar packages that the project ships."""
    return data_path("assets/avatars")
