"""Alembic's way in: it runs this file, with a connection that we opened."""

from alembic import context

from lite_gateway.store.models import PREFIX, Table

VERSIONS = PREFIX + "version"


def _ours(
    _: object, name: str | None, kind: str, __: bool, ___: object
) -> bool:  # the database may be shared
    return kind != "table" or (name or "").startswith(PREFIX)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    version_table=VERSIONS,
    include_object=_ours,
    transactional_ddl=True,
    render_as_batch=True,  # SQLite cannot alter a column
)
with context.begin_transaction():
    context.run_migrations()
