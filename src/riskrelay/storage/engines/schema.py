"""Migrate a database to the newest schema, and check its schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

# While a migration waits for a table, every statement of every node waits behind it. Longer than deadlock_timeout
# (1 s), after which PostgreSQL ends an autovacuum that is in the way.
LOCK_TIMEOUT = "2s"
_MIGRATING = 7_412_033  # the arbitrary number of an advisory lock


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Migrate the database of *connection* to the newest schema, if it is not up to date.

    Args:
        revision: stop at this one; for tests of a migration's effect on data.
    """
    if connection.dialect.name == "postgresql":
        # Two nodes that migrate at once: one waits, however long the other takes, and finds it done.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    command.upgrade(_config(connection), revision)


def is_current(connection: Connection) -> bool:
    """Return whether the database has exactly the schema of this version."""
    current = MigrationContext.configure(connection).get_current_revision()
    return current == ScriptDirectory.from_config(_config()).get_current_head()


def known_revisions() -> set[str]:
    """Return every revision that this version can bring to the newest schema."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
