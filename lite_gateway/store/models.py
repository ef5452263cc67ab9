"""The tables. Migrations make them; a test holds the two together."""

import datetime
import uuid
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

PREFIX = "lite_"  # the database may be shared with other programs


class UtcDateTime(TypeDecorator[datetime.datetime]):
    """A time with its zone, also where the database keeps none (SQLite)."""

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
    pass


class InstanceRow(Table):
    """One run of a gateway; its sessions end with it."""

    __tablename__ = PREFIX + "instances"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    host: Mapped[str] = mapped_column(String(255))
    process: Mapped[str] = mapped_column(String(80))  # pid and when it was born
    started_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
    seen_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)


class ApiKeyRow(Table):
    """An API key; of its secret part only the digest."""

    __tablename__ = PREFIX + "keys"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    digest: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(255))  # with commas
    sessions: Mapped[int | None]  # at once; None: as configured
    rate: Mapped[int | None]  # requests a minute; None: as configured
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
    revoked_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)


class SessionRow(Table):
    """A session as history knows it, from its minting on."""

    __tablename__ = PREFIX + "sessions"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    instance_id: Mapped[str] = mapped_column(String(36), index=True)
    key_id: Mapped[str] = mapped_column(String(36), index=True)
    avatar: Mapped[str] = mapped_column(String(200))
    mode: Mapped[str] = mapped_column(String(8), default="LITE")
    source: Mapped[str] = mapped_column(String(8), default="API")
    sandbox: Mapped[bool]
    own_room: Mapped[bool]  # the client brought it along
    embed_id: Mapped[str | None] = mapped_column(String(36))
    context_id: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, index=True)
    end_reason: Mapped[str | None] = mapped_column(String(32))
    end_text: Mapped[str | None] = mapped_column(Text)


class ContextRow(Table):
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
    """A value that is used and never shown."""

    __tablename__ = PREFIX + "secrets"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(40))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)


class EncryptedRow(Table):
    """What the server itself keeps secret, by name."""

    __tablename__ = PREFIX + "sealed"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class LlmConfigurationRow(Table):
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
    """A voice of somebody else's text-to-speech."""

    __tablename__ = PREFIX + "voices"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64))
    provider_voice_id: Mapped[str] = mapped_column(Text)
    secret_id: Mapped[str] = mapped_column(ForeignKey(SecretRow.id))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(
        UtcDateTime, default=now, onupdate=now
    )


class AvatarNoteRow(Table):
    """What an operator changed about an avatar, whose package stays as it is."""

    __tablename__ = PREFIX + "avatars"
    package: Mapped[str] = mapped_column(String(200), primary_key=True)
    name: Mapped[str | None] = mapped_column(Text)
    default_voice_id: Mapped[str | None] = mapped_column(
        ForeignKey(VoiceRow.id, ondelete="SET NULL")
    )
    updated_at: Mapped[datetime.datetime] = mapped_column(
        UtcDateTime, default=now, onupdate=now
    )


class EmbeddingRow(Table):
    """A page that shows an avatar to whoever opens it."""

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
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=now)
