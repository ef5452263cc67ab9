"""Secrets: sealed on the way in, opened only for the server's own use."""

import secrets
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.errors import Refused
from lite_gateway.store.encryption import KeyRing
from lite_gateway.store.models import (
    EncryptedRow,
    LlmConfigurationRow,
    SecretRow,
    VoiceRow,
)

TOKEN_SECRET = "session tokens"


def add(db: Db, key_ring: KeyRing, name: str, kind: str, value: str) -> SecretRow:
    secret = SecretRow(name=name, kind=kind, sealed=key_ring.encrypt(value))
    db.add(secret)
    db.flush()
    return secret


def read(db: Db, key_ring: KeyRing, secret_id: str) -> str | None:
    """What callers never get to see."""
    secret = db.get(SecretRow, secret_id)
    return None if secret is None else key_ring.decrypt(secret.sealed)


def delete(db: Db, secret_id: str) -> bool:
    """`Refused` while something needs it; False where there is none."""
    secret = db.get(SecretRow, secret_id)
    if secret is None:
        return False
    llm = db.scalar(select(LlmConfigurationRow).filter_by(secret_id=secret_id).limit(1))
    voice = db.scalar(select(VoiceRow).filter_by(secret_id=secret_id).limit(1))
    if user := llm or voice:
        what = "LLM configuration" if llm else "voice"
        raise Refused(409, f"{what} {user.id} uses this secret; delete that first")
    db.delete(secret)
    return True


def server_secret(db: Db, key_ring: KeyRing, name: str) -> str:
    """A secret of the server itself, made the first time it is asked for."""
    row = db.get(EncryptedRow, name)
    if row is None:
        made = secrets.token_urlsafe(32)
        db.add(EncryptedRow(name=name, sealed=key_ring.encrypt(made)))
        return made
    return key_ring.decrypt(row.sealed)


def reencrypt(db: Db, key_ring: KeyRing) -> int:
    """Everything under the newest key; how many there were."""
    done: int = 0
    again: Callable[[bytes], bytes] = key_ring.reencrypt
    for row in [*db.scalars(select(SecretRow)), *db.scalars(select(EncryptedRow))]:
        row.sealed = again(row.sealed)
        done += 1
    return done
