"""API keys: made, found, revoked. The database holds only digests of them."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.store.models import ApiKeyRow, now

PREFIX = "lg"  # what a key of ours begins with; scanners for leaked keys look for it


def create(
    db: Db,
    name: str,
    scopes: Sequence[str],
    *,
    sessions: int | None = None,
    rate: int | None = None,
) -> tuple[ApiKeyRow, str]:
    """The key, and the text that is shown this once."""
    secret = secrets.token_urlsafe(32)
    key = ApiKeyRow(
        id=secrets.token_hex(6),
        name=name,
        digest=_digest(secret),
        scopes=",".join(scopes),
        sessions=sessions,
        rate=rate,
    )
    db.add(key)
    return key, f"{PREFIX}_{key.id}_{secret}"


def find(db: Db, text: str) -> ApiKeyRow | None:
    """Whose key that is; constant time in everything but its public part."""
    mark, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    if mark != PREFIX or not key_id.isalnum() or len(key_id) > 36:
        return None
    key = db.get(ApiKeyRow, key_id)
    expected = key.digest if key is not None else _digest("")
    right = hmac.compare_digest(_digest(secret), expected)
    return key if right and key is not None and key.revoked_at is None else None


def revoke(db: Db, wanted: str) -> list[ApiKeyRow]:
    """By id or name; the keys that worked until now."""
    alive = select(ApiKeyRow).where(ApiKeyRow.revoked_at.is_(None))
    found = db.scalars(
        alive.where((ApiKeyRow.id == wanted) | (ApiKeyRow.name == wanted))
    ).all()
    for key in found:
        key.revoked_at = now()
    return list(found)


def list_keys(db: Db) -> list[ApiKeyRow]:
    """Oldest first, the revoked ones too."""
    return list(
        db.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id))
    )


def any_active(db: Db) -> bool:
    alive = select(ApiKeyRow.id).where(ApiKeyRow.revoked_at.is_(None)).limit(1)
    return db.scalar(alive) is not None


def _digest(secret: str) -> str:
    """The secret part is 256 random bits: a plain hash cannot be guessed back."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
