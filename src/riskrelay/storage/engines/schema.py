"""Migrate a database to the newest schema, and check its schema.

Alembic imports all migrations, and every start of the service checks the schema. So that check works without it.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

# While a migration waits for a table, every statement of every node waits behind it. Longer than deadlock_timeout
# (1 s), after which PostgreSQL ends an autovacuum that is in the way.
LOCK_TIMEOUT = "2s"
_MIGRATING = 7_412_033  # the arbitrary number of an advisory lock
_MIGRATIONS = Path(__file__).parents[1] / "migrations"
_REVISION = re.compile(r'^(revision|down_revision)\b[^=\n]*= "(\w+)"$', re.MULTILINE)


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Migrate the database of *connection* to the newest schema, if it is not up to date.

    Args:
        revision: stop at this one; for tests of a migration's effect on data.
    """
    from alembic import command

    if connection.dialect.name == "postgresql":
        # Two nodes that migrate at once: one waits, however long the other takes, and finds it done.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    command.upgrade(_config(connection), revision)


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the database's schema; None: it has no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def is_current(connection: Connection) -> bool:
    """Return whether the database has exactly the schema of this version."""
    return revision_of(connection) == newest_revision()


def newest_revision() -> str:
    """Return the revision of the newest schema: the one that no other migration follows."""
    declared = [_REVISION.findall(file.read_text()) for file in (_MIGRATIONS / "versions").glob("*.py")]
    revisions = {revision for found in declared for name, revision in found if name == "revision"}
    followed = {revision for found in declared for name, revision in found if name == "down_revision"}
    newest: str = (revisions - followed).pop()
    return newest


def known_revisions() -> set[str]:
    """Return every revision that this version can bring to the newest schema."""
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
