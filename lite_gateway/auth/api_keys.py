"""Who may call: API keys of the environment, of a file and of the database."""

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lite_gateway.config import Config
from lite_gateway.errors import ConfigError, Refused
from lite_gateway.store import keys
from lite_gateway.store.engine import Store
from lite_gateway.store.models import ApiKeyRow

_MINUTE_S = 60.0


class Scope(StrEnum):
    MINT = "mint"  # sessions of one's own
    ADMIN = "admin"  # configuration, secrets, and everybody's sessions


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    id: str
    name: str
    scopes: frozenset[Scope]
    sessions: int  # at once; 0: as many as there are places
    rate: int  # requests a minute; 0: any

    def can_access(self, key_id: str) -> bool:
        """Whether a session minted with that key is this caller's business."""
        return Scope.ADMIN in self.scopes or key_id == self.id


class TokenBucket:
    """Holds a minute's worth of requests and fills up steadily."""

    def __init__(self, rate: int, now_s: float) -> None:
        self._rate = rate
        self._left = float(rate)
        self._at_s = now_s

    def acquire(self, now_s: float) -> float:
        """0.0, or how long to wait until the next one is served."""
        fill = (now_s - self._at_s) * self._rate / _MINUTE_S
        self._left = min(float(self._rate), self._left + fill)
        self._at_s = now_s
        if self._left >= 1.0:
            self._left -= 1.0
            return 0.0
        return (1.0 - self._left) * _MINUTE_S / self._rate


class ApiKeys:
    """
    Keys that were set are compared with all of them, in constant time; the
    database's are looked up each time, so that a revoked one is dead at once.
    """

    def __init__(
        self, config: Config, store: Store, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._store = store
        self._now = now
        self._configured = self._from_environment() + self._from_file()
        self._buckets: dict[str, TokenBucket] = {}

    def _from_environment(self) -> list[tuple[str, Principal]]:
        return [
            (key, self._caller(f"environment:{n}", f"environment {n}", ALL_SCOPES))
            for n, key in enumerate(self._config.keys, 1)
        ]

    def _from_file(self) -> list[tuple[str, Principal]]:
        if not self._config.api_keys_file:
            return []
        path = Path(self._config.api_keys_file)
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as failed:
            raise ConfigError(
                "LITE_API_KEYS_FILE",
                f"{path} cannot be read ({failed})",
                "Name a text file that the gateway may read.",
            ) from None
        found = []
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                found.append(self._line(number, line.split()))
        return found

    def _line(self, number: int, words: list[str]) -> tuple[str, Principal]:
        where = f"LITE_API_KEYS_FILE, line {number}"
        if len(words) > 3:
            fix = "Write one key per line: KEY [NAME [SCOPES]]."
            raise ConfigError(where, "the line has more than three words", fix)
        defaults = ("", f"line{number}", "mint,admin")
        key, name, scopes = (*words, *defaults[len(words) :])
        return key, self._caller(f"file:{name}"[:36], name, parse_scopes(scopes, where))

    def _caller(
        self,
        key_id: str,
        name: str,
        scopes: frozenset[Scope],
        sessions: int | None = None,
        rate: int | None = None,
    ) -> Principal:
        return Principal(
            key_id,
            name,
            scopes,
            self._config.key_sessions if sessions is None else sessions,
            self._config.key_rate if rate is None else rate,
        )

    def contains(self, key: str) -> bool:
        """Whether that very key was set."""
        return any(given == key for given, _ in self._configured)

    @property
    def has_keys(self) -> bool:
        """False: nobody could call."""
        return bool(self._configured) or self._store.run_sync(keys.any_active)

    async def authenticate(self, text: str) -> Principal | None:
        sent = text.encode("utf-8", "surrogateescape")
        found = None
        for key, caller in self._configured:  # no early stop: the time tells nothing
            if hmac.compare_digest(sent, key.encode()):
                found = caller
        if found is not None or not text.startswith(f"{keys.PREFIX}_"):
            return found
        row = await self._store.run(lambda db: keys.find(db, text))
        return None if row is None else self._stored(row)

    async def get(self, key_id: str) -> Principal | None:
        """The key with that id, while it works."""
        for _, caller in self._configured:
            if caller.id == key_id:
                return caller
        row = await self._store.run(lambda db: db.get(ApiKeyRow, key_id))
        return None if row is None or row.revoked_at else self._stored(row)

    def _stored(self, row: ApiKeyRow) -> Principal:
        scopes = frozenset(map(Scope, row.scopes.split(",")))
        return self._caller(row.id, row.name, scopes, row.sessions, row.rate)

    def check_rate(self, caller: Principal) -> None:
        """Count a request; `Refused` with 429 when there were too many."""
        if not caller.rate:
            return
        bucket = self._buckets.get(caller.id)
        if bucket is None:
            bucket = self._buckets[caller.id] = TokenBucket(caller.rate, self._now())
        wait_s = bucket.acquire(self._now())
        if wait_s:
            raise Refused(
                429,
                f"this API key may make {caller.rate} requests a minute; "
                f"try again in {wait_s:.1f} s",
                retry_s=wait_s,
            )


def parse_scopes(text: str, where: str) -> frozenset[Scope]:
    try:
        return frozenset(Scope(part.strip()) for part in text.split(","))
    except ValueError:
        fix = "The scopes are mint, admin; separate two with a comma."
        raise ConfigError(where, "unknown scope", fix) from None
