"""Settings: one frozen object, built in ``__main__`` and handed down."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from lite_gateway.errors import ConfigError, Refused
from lite_gateway.video_quality import parse_quality

PREFIX = "LITE_"
# LiveKit's own names, which operators have set already.
_LIVEKIT = ("livekit_url", "livekit_api_key", "livekit_api_secret")
DEV_KEY = "dev"
FPS = Fraction(25)


def setting(default: Any, text: str, *, secret: bool = False) -> Any:
    """A field with what ``--help`` says of it; a secret is never printed."""
    return field(default=default, repr=not secret, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    livekit_url: str = setting(
        "", "LiveKit server as this gateway reaches it, ws:// or wss://"
    )
    livekit_api_key: str = setting("", "its API key")
    livekit_api_secret: str = setting("", "its API secret", secret=True)
    livekit_public_url: str = setting("", "LiveKit as clients reach it, if different")
    host: str = setting("127.0.0.1", "address to listen on")
    port: int = setting(8080, "port of everything: REST, WebSocket, metrics, demo")
    public_url: str = setting(
        "", "this gateway as clients reach it, if a proxy hides it"
    )
    api_keys: str = setting(
        "", "keys that callers may use, with commas; or see `keys create`", secret=True
    )
    api_keys_file: str = setting(
        "", "file of such keys, a line each: KEY [NAME [SCOPES]]"
    )
    key_sessions: int = setting(
        0, "sessions at once of one key; 0: as many as there are places"
    )
    key_rate: int = setting(1200, "requests a minute of one key; 0: any number")
    token_secret: str = setting(
        "", "signs session tokens; one kept in the database if empty", secret=True
    )
    state: str = setting(
        "",
        "where configuration and history are kept: a file, or postgresql://...; "
        "DATABASE_URL does too; a file in the user's data folder if empty",
        secret=True,
    )
    state_key: str = setting(
        "",
        "Fernet keys that encrypt secrets, newest first, with commas; "
        "a file beside the state if empty",
        secret=True,
    )
    history_days: int = setting(90, "sessions are remembered so long; 0: for ever")
    cors_origins: str = setting("", "browser origins that may call, with commas")
    avatars: str = setting("", "folder of avatar packages; the shipped ones if empty")
    default_avatar: str = setting(
        "mira", "shown for avatar ids that only LiveAvatar has"
    )
    device: str = setting("auto", "where to render: auto, cpu or cuda")
    driver: str = setting("", "speech-to-face driver of your own, as module:factory")
    render_threads: int = setting(1, "CPU threads that one frame may use")
    fps: Fraction = setting(FPS, "frames a second")
    max_sessions: int = setting(8, "sessions at once; more are refused, never queued")
    max_session_s: float = setting(7200.0, "longest session")
    idle_timeout_s: float = setting(300.0, "a session without commands ends after this")
    user_gone_s: float = setting(
        60.0, "a session ends when all users have left its room for so long; 0: never"
    )
    missing_end_s: float = setting(10.0, "a turn without speak_end ends after this")
    max_buffered_s: float = setting(600.0, "audio one session may have waiting")
    agent_name: str = setting(
        "lite-avatar", "worker: the name that LiveKit's dispatches ask for"
    )
    drain_s: float = setting(
        600.0,
        "worker: told to stop, it waits so long for its jobs to end by themselves",
    )
    external_audio: str = setting(
        "none",
        "who besides its agent may speak through an avatar in a room by data stream: "
        "none, any, or identities with commas",
    )
    agent_gone_s: float = setting(
        30.0, "an avatar leaves when the agent that speaks through it is away so long"
    )
    stream_quality: str = setting(
        "high", "picture of avatars that agents speak through, or WIDTHxHEIGHT"
    )
    sink: str = setting(
        "livekit",
        "diagnostic: where pictures and sound go; null drops them unencoded, on time",
    )
    trace: str = setting(
        "", "diagnostic: append when each sound and frame was where, as JSON lines"
    )

    def __post_init__(self) -> None:
        self._check("port", 0 <= self.port <= 65535, "0 to 65535")
        self._check("fps", 10 <= self.fps <= 60, "10 to 60")
        self._check("max_sessions", self.max_sessions >= 1, "at least 1")
        self._check("render_threads", self.render_threads >= 1, "at least 1")
        self._check("device", self.device in ("auto", "cpu", "cuda"), "auto, cpu, cuda")
        self._check("sink", self.sink in ("livekit", "null"), "livekit, null")
        for name in ("max_session_s", "idle_timeout_s", "missing_end_s"):
            self._check(name, getattr(self, name) > 0, "more than 0")
        self._check("agent_name", bool(self.agent_name), "a name")
        self._check("drain_s", self.drain_s >= 0, "0 or more")
        self._check("stream_quality", _is_quality(self.stream_quality), "a quality")
        self._check("agent_gone_s", self.agent_gone_s >= 5, "at least 5")
        for name in ("key_sessions", "key_rate", "history_days", "user_gone_s"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        for name in ("livekit_url", "livekit_public_url"):
            scheme = urlsplit(getattr(self, name)).scheme
            known = ("ws", "wss", "http", "https")
            self._check(name, not getattr(self, name) or scheme in known, "a ws:// url")

    def _check(self, name: str, good: bool, want: str) -> None:
        if not good:
            raise ConfigError(env_name(name), getattr(self, name), want)

    @property
    def keys(self) -> tuple[str, ...]:
        return _split(self.api_keys)

    @property
    def origins(self) -> tuple[str, ...]:
        return _split(self.cors_origins)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read ``LITE_*`` and ``LIVEKIT_*``. A name we do not know is a typo."""
        known = {env_name(each.name): each for each in fields(cls)}
        for name in env:
            if name.startswith(PREFIX) and name not in known:
                raise ConfigError(name, env[name], "a setting that exists")
        if env.get("DATABASE_URL", "").startswith("postgres"):  # platforms call it so
            env = {env_name("state"): env["DATABASE_URL"], **env}
        values = {
            each.name: parse(name, env[name], type(each.default))
            for name, each in known.items()
            if name in env and each.default is not MISSING
        }
        return cls(**values)


def env_name(setting: str) -> str:
    """The environment's name of a setting."""
    prefix = "" if setting in _LIVEKIT else PREFIX
    return prefix + setting.upper()


def parse(name: str, text: str, kind: type[Any]) -> Any:
    """``text`` as ``kind``, or a `ConfigError` that names the setting."""
    try:
        return kind(text)
    except (ValueError, ZeroDivisionError):
        raise ConfigError(name, text, f"a valid {kind.__name__}") from None


def _is_quality(name: str) -> bool:
    try:
        return bool(parse_quality(name))
    except Refused:
        return False


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def shipped_avatars() -> Path:
    """The avatar packages of this repository."""
    return Path(__file__).resolve().parent.parent / "assets" / "avatars"
