"""Secrets in the database: encrypted when added, decrypted only inside the server."""

import secrets

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

TOKEN_SECRET = "session tokens"  # name of the row that signs session tokens


def add(db: Db, key_ring: KeyRing, name: str, kind: str, value: str) -> SecretRow:
    secret = SecretRow(name=name, kind=kind, sealed=key_ring.encrypt(value))
    db.add(secret)
    db.flush()
    return secret


def read(db: Db, key_ring: KeyRing, secret_id: str) -> str | None:
    """Return the decrypted value of a secret, which no response may contain."""
    secret = db.get(SecretRow, secret_id)
    return None if secret is None else key_ring.decrypt(secret.sealed)


def delete(db: Db, secret_id: str) -> bool:
    """
    Delete a secret. Return False if there is none.

    Raise `Refused` while an LLM configuration or a voice uses it.
    """
    secret = db.get(SecretRow, secret_id)
    if secret is None:
        return False
    llm = db.scalar(select(LlmConfigurationRow).filter_by(secret_id=secret_id).limit(1))
    voice = db.scalar(select(VoiceRow).filter_by(secret_id=secret_id).limit(1))
    if user := llm or voice:
        kind = "LLM configuration" if llm else "voice"
        raise Refused(409, f"{kind} {user.id} uses this secret; delete that first")
    db.delete(secret)
    return True


def server_secret(db: Db, key_ring: KeyRing, name: str) -> str:
    """Return a secret of the server itself; create it at the first call."""
    row = db.get(EncryptedRow, name)
    if row is None:
        secret = secrets.token_urlsafe(32)
        db.add(EncryptedRow(name=name, sealed=key_ring.encrypt(secret)))
        return secret
    return key_ring.decrypt(row.sealed)


def check_keys(db: Db, key_ring: KeyRing) -> None:
    """Raise `DecryptionFailed` unless the keys decrypt every secret."""
    for row in (*db.scalars(select(SecretRow)), *db.scalars(select(EncryptedRow))):
        key_ring.decrypt(row.sealed)


def reencrypt(db: Db, key_ring: KeyRing) -> int:
    """Encrypt every secret with the newest key. Return how many there are."""
    rows = [*db.scalars(select(SecretRow)), *db.scalars(select(EncryptedRow))]
    for row in rows:
        row.sealed = key_ring.reencrypt(row.sealed)
    return len(rows)
