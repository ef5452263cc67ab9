"""Check of secrets: those of a server that others can reach must not be guessable."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lite_gateway.config import DEV_KEY, Config
from lite_gateway.errors import ConfigError
from lite_gateway.http.connections import is_loopback
from lite_gateway.setting_fields import env_name

if TYPE_CHECKING:
    from lite_gateway.auth.api_keys import ApiKeys

MIN_KEY_LENGTH = 16
MIN_SECRET_BYTES = 32  # RFC 7518: of a key for HS256
DEV_LIVEKIT = ("devkey", "secret")  # that LiveKit's server has with --dev
_MAKE_SECRET = "Make one with `openssl rand -hex 32`."
_MAKE_KEY = "Make one with `lite-gateway keys create NAME` or `openssl rand -hex 16`."


def is_exposed(config: Config) -> bool:
    """Tell whether other machines can reach a gateway with these settings."""
    public_host = urlsplit(config.public_url).hostname
    behind_proxy = public_host is not None and not is_loopback(public_host)
    return behind_proxy or not is_loopback(config.host)


def refuse_weak_secrets(config: Config) -> None:
    """Raise `ConfigError` if a secret in the settings of an exposed gateway is weak."""
    if not is_exposed(config):
        return
    for number, key in enumerate(config.keys, 1):
        _check_key("LITE_API_KEYS", f"key {number}", key)
    if config.token_secret:
        _check_secret("token_secret", config.token_secret)
    if (config.livekit_api_key, config.livekit_api_secret) == DEV_LIVEKIT:
        raise ConfigError(
            env_name("livekit_api_secret"),
            "LiveKit's development key and secret let everybody into each room",
            "Give the LiveKit server a key and a secret of its own.",
        )
    _check_secret("livekit_api_secret", config.livekit_api_secret)


def refuse_weak_keys(config: Config, api_keys: "ApiKeys") -> None:
    """Raise `ConfigError` if a key in the file of an exposed gateway is weak."""
    if is_exposed(config):
        for key, principal in api_keys.of_file:
            _check_key("LITE_API_KEYS_FILE", f"the key {principal.name!r}", key)


def _check_key(name: str, which: str, key: str) -> None:
    if key == DEV_KEY:
        problem = f"the development key {DEV_KEY!r} is for this machine only"
        raise ConfigError(name, problem, f"Set a key of your own. {_MAKE_KEY}")
    if len(key) < MIN_KEY_LENGTH:
        problem = f"{which} has fewer than {MIN_KEY_LENGTH} characters, and other "
        problem += "machines can reach this gateway"
        raise ConfigError(name, problem, _MAKE_KEY)


def _check_secret(field: str, secret: str) -> None:
    if len(secret.encode()) < MIN_SECRET_BYTES:
        problem = f"it has fewer than {MIN_SECRET_BYTES} bytes, and other machines "
        problem += "can reach this gateway"
        raise ConfigError(env_name(field), problem, _MAKE_SECRET)
