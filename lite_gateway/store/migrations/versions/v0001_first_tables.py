"""Create the first tables."""

import datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _id(name: str = "id", *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(36), nullable=null, primary_key=key)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _short(name: str, length: int, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=null)


def _at(*names: str, null: bool = False) -> list[sa.Column[datetime.datetime]]:
    return [sa.Column(n, sa.DateTime(timezone=True), nullable=null) for n in names]


def upgrade() -> None:
    _server()
    _sessions()
    _configuration()
    _avatars()


def _server() -> None:
    op.create_table(
        "lite_instances",
        _id(key=True),
        _short("host", 255),
        _short("process", 80),
        *_at("started_at", "seen_at"),
    )
    op.create_table(
        "lite_keys",
        _id(key=True),
        _short("name", 255),
        _short("digest", 64),
        _short("scopes", 255),
        sa.Column("sessions", sa.Integer(), nullable=True),
        sa.Column("rate", sa.Integer(), nullable=True),
        *_at("created_at"),
        *_at("revoked_at", null=True),
    )
    op.create_table(
        "lite_sealed",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
    )


def _sessions() -> None:
    op.create_table(
        "lite_sessions",
        _id(key=True),
        _id("instance_id"),
        _id("key_id"),
        _short("avatar", 200),
        _short("mode", 8),
        _short("source", 8),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("own_room", sa.Boolean(), nullable=False),
        _id("embed_id", null=True),
        _id("context_id", null=True),
        *_at("created_at"),
        *_at("started_at", "ended_at", null=True),
        _short("end_reason", 32, null=True),
        _text("end_text", null=True),
    )
    for name in ("instance_id", "key_id", "ended_at"):
        op.create_index(f"ix_lite_sessions_{name}", "lite_sessions", [name])


def _configuration() -> None:
    op.create_table(
        "lite_contexts",
        _id(key=True),
        _text("name"),
        _text("prompt"),
        _text("opening_text", null=True),
        sa.Column("links", sa.JSON(), nullable=False),
        *_at("created_at", "updated_at"),
    )
    op.create_table(
        "lite_secrets",
        _id(key=True),
        _short("name", 255),
        _short("kind", 40),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        *_at("created_at"),
    )
    op.create_table(
        "lite_llm_configurations",
        _id(key=True),
        _text("display_name"),
        _text("model_name"),
        _text("base_url"),
        _id("secret_id"),
        *_at("created_at", "updated_at"),
        sa.ForeignKeyConstraint(["secret_id"], ["lite_secrets.id"]),
    )
    op.create_table(
        "lite_voices",
        _id(key=True),
        _short("name", 64),
        _text("provider_voice_id"),
        _id("secret_id"),
        *_at("created_at", "updated_at"),
        sa.ForeignKeyConstraint(["secret_id"], ["lite_secrets.id"]),
    )


def _avatars() -> None:
    op.create_table(
        "lite_avatars",
        sa.Column("package", sa.String(200), primary_key=True),
        _text("name", null=True),
        _id("default_voice_id", null=True),
        *_at("updated_at"),
        sa.ForeignKeyConstraint(
            ["default_voice_id"], ["lite_voices.id"], ondelete="SET NULL"
        ),
    )
    op.create_table(
        "lite_embeddings",
        _id(key=True),
        _id("key_id"),
        _short("avatar", 200),
        _id("context_id", null=True),
        _id("voice_id", null=True),
        _short("kind", 8),
        sa.Column("longest_s", sa.Integer(), nullable=True),
        _short("language", 5, null=True),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        _short("orientation", 10),
        *_at("created_at"),
    )


def downgrade() -> None:
    for name in (
        "embeddings",
        "avatars",
        "voices",
        "llm_configurations",
        "secrets",
        "contexts",
        "sessions",
        "sealed",
        "keys",
        "instances",
    ):
        op.drop_table(f"lite_{name}")
