"""Migrations of the database by Alembic, whose import takes a tenth of a second."""

import threading
from collections.abc import Callable

from alembic import command
from alembic.config import Config as Alembic
from alembic.util import CommandError
from sqlalchemy import Connection

from lite_gateway.store.engine import MIGRATIONS, UnknownRevision

_alembic_lock = threading.Lock()  # Alembic keeps its context in a global variable


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Migrate the tables up to ``revision``; `UnknownRevision` if that is not known."""
    try:
        run_alembic(connection, lambda config: command.upgrade(config, revision))
    except CommandError as error:
        raise UnknownRevision(str(error)) from None


def run_alembic(connection: Connection, run: Callable[[Alembic], None]) -> None:
    """Run an Alembic command on ``connection``; ``run`` gets its configuration."""
    config = Alembic()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _alembic_lock:
        run(config)
