"""API keys in the database: create, find and revoke. Only their digests are stored."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.store.models import ApiKeyRow, now

PREFIX = "lg"  # every key begins with it, so that leak scanners can find them
# Text of a key, as `create` makes it: public id and secret.
_KEY = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([\w-]{{43}})", re.ASCII)


def create(
    db: Db,
    name: str,
    scopes: Sequence[str],
    *,
    sessions: int | None = None,
    rate: int | None = None,
) -> tuple[ApiKeyRow, str]:
    """Create a key. Return its row and its text, which cannot be shown again."""
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


def is_wellformed(text: str) -> bool:
    """Tell whether a text can be a key. A text that cannot needs no transaction."""
    return _KEY.fullmatch(text) is not None


def find(db: Db, text: str) -> ApiKeyRow | None:
    """
    Return the row of a key's text, None if it is unknown or revoked.

    The comparison takes constant time, except for the id, which is not secret.
    """
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    key_id, secret = match.groups()
    key = db.get(ApiKeyRow, key_id)
    expected = key.digest if key is not None else _digest("")
    valid = hmac.compare_digest(_digest(secret), expected)
    return key if valid and key is not None and key.revoked_at is None else None


def revoke(db: Db, name: str) -> list[ApiKeyRow]:
    """Revoke the active keys with that name or id, and return them."""
    active = select(ApiKeyRow).where(ApiKeyRow.revoked_at.is_(None))
    matches = active.where((ApiKeyRow.id == name) | (ApiKeyRow.name == name))
    rows = list(db.scalars(matches))
    for row in rows:
        row.revoked_at = now()
    return rows


def list_keys(db: Db) -> list[ApiKeyRow]:
    """Return all keys, also revoked ones, oldest first."""
    return list(
        db.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id))
    )


def any_active(db: Db) -> bool:
    active = select(ApiKeyRow.id).where(ApiKeyRow.revoked_at.is_(None)).limit(1)
    return db.scalar(active) is not None


def _digest(secret: str) -> str:
    """Hash the secret part. It has 256 random bits, so it needs no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
