"""Add the background to embeddings."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lite_embeddings", sa.Column("background", sa.String(40)))


def downgrade() -> None:
    op.drop_column("lite_embeddings", "background")
