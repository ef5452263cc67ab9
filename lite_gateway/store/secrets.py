"""Secrets: sealed on the way in, opened only for the server's own use."""

import secrets
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from lite_gateway.errors import Refused
from lite_gateway.store.encryption import Ring
from lite_gateway.store.models import LlmConfiguration, Sealed, Secret, Voice

TOKEN_SECRET = "session tokens"


def put(db: Db, ring: Ring, name: str, kind: str, value: str) -> Secret:
    secret = Secret(name=name, kind=kind, sealed=ring.seal(value))
    db.add(secret)
    db.flush()
    return secret


def value(db: Db, ring: Ring, secret_id: str) -> str | None:
    """What callers never get to see."""
    secret = db.get(Secret, secret_id)
    return None if secret is None else ring.open(secret.sealed)


def delete(db: Db, secret_id: str) -> bool:
    """`Refused` while something needs it; False where there is none."""
    secret = db.get(Secret, secret_id)
    if secret is None:
        return False
    llm = db.scalar(select(LlmConfiguration).filter_by(secret_id=secret_id).limit(1))
    voice = db.scalar(select(Voice).filter_by(secret_id=secret_id).limit(1))
    if user := llm or voice:
        what = "LLM configuration" if llm else "voice"
        raise Refused(409, f"{what} {user.id} uses this secret; delete that first")
    db.delete(secret)
    return True


def own(db: Db, ring: Ring, name: str) -> str:
    """A secret of the server itself, made the first time it is asked for."""
    row = db.get(Sealed, name)
    if row is None:
        made = secrets.token_urlsafe(32)
        db.add(Sealed(name=name, sealed=ring.seal(made)))
        return made
    return ring.open(row.sealed)


def reseal(db: Db, ring: Ring) -> int:
    """Everything under the newest key; how many there were."""
    done: int = 0
    again: Callable[[bytes], bytes] = ring.reseal
    for row in [*db.scalars(select(Secret)), *db.scalars(select(Sealed))]:
        row.sealed = again(row.sealed)
        done += 1
    return done
