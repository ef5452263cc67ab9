"""Let avatars have built-in voices, which have no row in the table of voices."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("built_in_voice_id", sa.String(36), nullable=True)
    op.add_column("lite_avatars", column)


def downgrade() -> None:
    op.drop_column("lite_avatars", "built_in_voice_id")
