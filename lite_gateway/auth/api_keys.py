"""API keys from the environment, a file and the database: check and rate limit."""

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lite_gateway.auth.guesses import Guesses
from lite_gateway.config import Config
from lite_gateway.errors import ConfigError, Refused
from lite_gateway.store import keys
from lite_gateway.store.engine import Store
from lite_gateway.store.models import ApiKeyRow
from lite_gateway.token_bucket import TokenBucket

_MINUTE_S = 60.0
_MAX_SEEN = 1024
_MAX_ID_LENGTH = 36  # of the column `key_id`


class Scope(StrEnum):
    """Permission of an API key."""

    MINT = "mint"  # create and control sessions of its own
    ADMIN = "admin"  # configuration, secrets, and the sessions of every key


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """API key that a request was made with: its scopes and limits."""

    id: str
    name: str
    scopes: frozenset[Scope]
    max_sessions: int  # at the same time; 0: limited by the server's slots only
    rate_per_minute: int  # requests; 0: unlimited

    def can_access(self, key_id: str) -> bool:
        """Tell whether this principal may use what the key ``key_id`` created."""
        return Scope.ADMIN in self.scopes or key_id == self.id


class ApiKeys:
    """
    All API keys that this gateway accepts.

    A key is compared in constant time with every key of the environment and the file.
    Keys of the database are looked up at each request, so that a revoked one stops
    working at once.
    """

    def __init__(
        self, config: Config, store: Store, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._store = store
        self._now = now
        self._of_file = self._from_file()
        self._configured = self._from_environment() + self._of_file
        self._buckets: dict[str, TokenBucket] = {}
        self.guesses = Guesses(now)
        # Digests of the database's keys that were right, the latest last.
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def _from_environment(self) -> list[tuple[str, Principal]]:
        return [
            (key, self._principal(f"environment:{n}", f"environment {n}", ALL_SCOPES))
            for n, key in enumerate(self._config.keys, 1)
        ]

    def _from_file(self) -> list[tuple[str, Principal]]:
        if not self._config.api_keys_file:
            return []
        path = Path(self._config.api_keys_file)
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            # Neither the path, which may be a key by mistake, nor a line of the file.
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ConfigError(
                "LITE_API_KEYS_FILE",
                f"the file cannot be read ({reason})",
                "Name a text file that the gateway may read.",
            ) from None
        return [
            self._parse_line(number, line.split())
            for number, line in enumerate(lines, 1)
            if line.strip() and not line.lstrip().startswith("#")
        ]

    def _parse_line(self, number: int, words: list[str]) -> tuple[str, Principal]:
        place = f"LITE_API_KEYS_FILE, line {number}"
        if len(words) > 3:
            fix = "Write one key per line: KEY [NAME [SCOPES]]."
            raise ConfigError(place, "the line has more than three words", fix)
        defaults = ("", f"line{number}", "mint,admin")
        key, name, scope_list = (*words, *defaults[len(words) :])
        scopes = parse_scopes(scope_list, place)
        return key, self._principal(f"file:{name}"[:_MAX_ID_LENGTH], name, scopes)

    def _principal(
        self,
        key_id: str,
        name: str,
        scopes: frozenset[Scope],
        max_sessions: int | None = None,
        rate_per_minute: int | None = None,
    ) -> Principal:
        """Build a principal; None stands for the configured default of a limit."""
        if max_sessions is None:
            max_sessions = self._config.key_sessions
        if rate_per_minute is None:
            rate_per_minute = self._config.key_rate
        return Principal(key_id, name, scopes, max_sessions, rate_per_minute)

    @property
    def of_file(self) -> list[tuple[str, Principal]]:
        """Keys of the file, with what they may do."""
        return self._of_file

    @property
    def has_keys(self) -> bool:
        """True if at least one API key exists."""
        return bool(self._configured) or self._store.run_sync(keys.any_active)

    async def authenticate(self, key: str, address: str = "") -> Principal | None:
        """
        Return the principal of ``key``, None if it is unknown or revoked.

        A wrong key counts as a guess of ``address``. Raise `Refused` with 429 if that
        address made too many, unless the key has been seen to be right.
        """
        sent = key.encode("utf-8", "surrogateescape")
        result = None
        # Compare with all keys: an early end would reveal by its time which one fits.
        for configured, principal in self._configured:
            if hmac.compare_digest(sent, configured.encode()):
                result = principal
        if result is not None:
            return result
        digest = hashlib.sha256(sent).digest()
        was_right = digest in self._seen
        if not was_right:
            self.guesses.check(address)
        row = None
        if keys.is_wellformed(key):
            # A guess must not delay the keys that are right.
            read = self._store.read if was_right else self._store.read_public
            row = await read(lambda db: keys.find(db, key))
        self._seen.pop(digest, None)
        if row is None:
            self.guesses.failed(address)
            return None
        self._seen[digest] = None
        if len(self._seen) > _MAX_SEEN:
            self._seen.popitem(last=False)
        return self._from_row(row)

    async def get(self, key_id: str) -> Principal | None:
        """Return the principal with that id, None if it is unknown or revoked."""
        for _, principal in self._configured:
            if principal.id == key_id:
                return principal
        row = await self._store.read(lambda db: db.get(ApiKeyRow, key_id))
        return None if row is None or row.revoked_at else self._from_row(row)

    def _from_row(self, row: ApiKeyRow) -> Principal:
        scopes = frozenset(map(Scope, row.scopes.split(",")))
        return self._principal(row.id, row.name, scopes, row.sessions, row.rate)

    def check_rate(self, principal: Principal) -> None:
        """Count a request, or raise `Refused` with 429 if the rate limit is reached."""
        rate = principal.rate_per_minute
        if not rate:
            return
        bucket = self._buckets.get(principal.id)
        if bucket is None:
            bucket = self._buckets[principal.id] = TokenBucket(
                rate, rate / _MINUTE_S, self._now()
            )
        wait_s = bucket.acquire(self._now())
        if wait_s:
            raise Refused(
                429,
                f"this API key may make {rate} requests a minute; "
                f"try again in {wait_s:.1f} s",
                retry_s=wait_s,
            )


def parse_scopes(text: str, name: str) -> frozenset[Scope]:
    """Parse scopes separated by commas; ``name`` is the setting that they come from."""
    try:
        return frozenset(Scope(part.strip()) for part in text.split(","))
    except ValueError:
        fix = "The scopes are mint, admin; separate two with a comma."
        raise ConfigError(name, "unknown scope", fix) from None
