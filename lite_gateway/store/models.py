"""Tables of the database. A test checks that the migrations create the same."""

import datetime
import uuid
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

PREFIX = "lite_"  # of table names: other programs may share the database


class UtcDateTime(TypeDecorator[datetime.datetime]):
    """Time with a zone, also in SQLite, which stores none: it is written as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        return None if value is None else value.astimezone(datetime.UTC)

    def process_result_value(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=datetime.UTC)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def new_id() -> str:
    return str(uuid.uuid4())


class Table(DeclarativeBase):
    """Base class of the tables."""


class InstanceRow(Table):
    """Run of a gateway. Its sessions end with it."""

    __tablename__ = PREFIX + "instances"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    host: Mapped[str] = mapped_column(String(255))
    process: Mapped[str] = mapped_column(String(80))  # pid, start time, boot id
    started_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
    seen_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)


class ApiKeyRow(Table):
    """API key. Its secret part is stored as a digest only."""

    __tablename__ = PREFIX + "keys"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(255))  # separated by commas
    sessions: Mapped[int | None]  # at the same time; None: LITE_KEY_SESSIONS
    rate: Mapped[int | None]  # requests per minute; None: LITE_KEY_RATE
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
    revoked_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)


class SessionRow(Table):
    """Session in the history, from its creation on."""

    __tablename__ = PREFIX + "sessions"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    instance_id: Mapped[str] = mapped_column(String(36), index=True)
    key_id: Mapped[str] = mapped_column(String(36), index=True)
    avatar: Mapped[str] = mapped_column(String(200))
    mode: Mapped[str] = mapped_column(String(8), default="LITE")
    source: Mapped[str] = mapped_column(String(8), default="API")
    sandbox: Mapped[bool]
    own_room: Mapped[bool]  # True: the LiveKit room belongs to the client
    embed_id: Mapped[str | None] = mapped_column(String(36))
    context_id: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, index=True)
    end_reason: Mapped[str | None] = mapped_column(String(32))
    end_text: Mapped[str | None] = mapped_column(Text)


class TranscriptRow(Table):
    """Words of one turn in a conversation. They are deleted with their session."""

    __tablename__ = PREFIX + "transcripts"
    session_id: Mapped[str] = mapped_column(
        ForeignKey(SessionRow.id, ondelete="CASCADE"), primary_key=True
    )
    # Unix time in milliseconds; unique in a session, so that pages can begin at it.
    absolute_ms: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False
    )
    relative_ms: Mapped[int] = mapped_column(BigInteger)  # since the session's start
    role: Mapped[str] = mapped_column(String(8))  # user or avatar
    text: Mapped[str] = mapped_column(Text)


class ContextRow(Table):
    """Prompt, opening text and links for a language model."""

    __tablename__ = PREFIX + "contexts"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(Text)
    prompt: Mapped[str] = mapped_column(Text)
    opening_text: Mapped[str | None] = mapped_column(Text)
    links: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(
        UtcDateTime, default=now, onupdate=now
    )


class SecretRow(Table):
    """Secret of a provider: stored encrypted, never returned by the API."""

    __tablename__ = PREFIX + "secrets"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(40))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)


class EncryptedRow(Table):
    """Secret of the server itself, by name."""

    __tablename__ = PREFIX + "sealed"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class LlmConfigurationRow(Table):
    """Language model: its name, base URL and secret."""

    __tablename__ = PREFIX + "llm_configurations"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    display_name: Mapped[str] = mapped_column(Text)
    model_name: Mapped[str] = mapped_column(Text)
    base_url: Mapped[str] = mapped_column(Text)
    secret_id: Mapped[str] = mapped_column(ForeignKey(SecretRow.id))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(
        UtcDateTime, default=now, onupdate=now
    )


class VoiceRow(Table):
    """Voice of a third-party text-to-speech provider."""

    __tablename__ = PREFIX + "voices"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64))
    provider_voice_id: Mapped[str] = mapped_column(Text)
    secret_id: Mapped[str] = mapped_column(ForeignKey(SecretRow.id))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(
        UtcDateTime, default=now, onupdate=now
    )


class AvatarOverrideRow(Table):
    """Changes of an operator to an avatar. The package on disk stays as it is."""

    __tablename__ = PREFIX + "avatars"
    package: Mapped[str] = mapped_column(String(200), primary_key=True)
    name: Mapped[str | None] = mapped_column(Text)
    default_voice_id: Mapped[str | None] = mapped_column(
        ForeignKey(VoiceRow.id, ondelete="SET NULL")
    )
    # Instead of the one above: built-in voices have no row.
    built_in_voice_id: Mapped[str | None] = mapped_column(String(36))
    updated_at: Mapped[datetime.datetime] = mapped_column(
        UtcDateTime, default=now, onupdate=now
    )


class EmbeddingRow(Table):
    """Web page that shows an avatar to visitors without an API key."""

    __tablename__ = PREFIX + "embeddings"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    key_id: Mapped[str] = mapped_column(String(36))
    avatar: Mapped[str] = mapped_column(String(200))
    context_id: Mapped[str | None] = mapped_column(String(36))
    voice_id: Mapped[str | None] = mapped_column(String(36))
    kind: Mapped[str] = mapped_column(String(8))
    longest_s: Mapped[int | None]
    language: Mapped[str | None] = mapped_column(String(5))
    sandbox: Mapped[bool]
    orientation: Mapped[str] = mapped_column(String(10))
    background: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
