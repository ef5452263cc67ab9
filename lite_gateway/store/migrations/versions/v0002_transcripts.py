"""Create the table of transcripts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lite_transcripts",
        sa.Column("session_id", sa.String(36), nullable=False),
        sa.Column("absolute_ms", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("relative_ms", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "absolute_ms"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["lite_sessions.id"], ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("lite_transcripts")
