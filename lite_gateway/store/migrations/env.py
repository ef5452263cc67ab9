"""Entry point of Alembic, which runs this file with the connection of the store."""

from alembic import context

from lite_gateway.store.engine import VERSIONS
from lite_gateway.store.models import PREFIX, Table


def _is_own_table(
    _: object, name: str | None, kind: str, __: bool, ___: object
) -> bool:
    """Leave out the tables of other programs that share the database."""
    return kind != "table" or (name or "").startswith(PREFIX)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    version_table=VERSIONS,
    include_object=_is_own_table,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite has no ALTER COLUMN
)
with context.begin_transaction():
    context.run_migrations()
