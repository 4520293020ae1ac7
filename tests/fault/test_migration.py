"""A migration is cut off at any of its statements: the next one brings the database to the newest schema (row 10)."""

import asyncio
from pathlib import Path

import pytest

from riskrelay.settings import read_settings
from riskrelay.wiring.installation import require_schema
from support.failpoint_launcher import EXIT_CODE
from support.fork_server import ForkServer
from support.service import environment

STEP = 3  # every third statement of about a hundred: each costs two processes


@pytest.mark.fault(10, long=True)
def test_a_migration_that_was_cut_off_is_done_again(tmp_path: Path, fork_server: ForkServer) -> None:
    """From nothing to the newest schema, with an end before each third statement; afterwards nothing is missing."""
    number, ended = 1, EXIT_CODE
    while ended == EXIT_CODE:
        settings = {"RISKRELAY_DATABASE_URL": f"sqlite:///{tmp_path / str(number)}.db"}

        def migrate(at: str | None, settings: dict[str, str] = settings) -> int:
            armed = {} if at is None else {"FAILPOINT": at}
            return fork_server.start(["migrate"], environment(**settings, **armed), tmp_path / "log").wait(60)

        ended = migrate(f"migrate.statement:{number}")
        assert ended in (EXIT_CODE, 0)
        assert migrate(None) == 0, (number, (tmp_path / "log").read_text()[-2_000:])
        asyncio.run(require_schema(read_settings(database_url=settings["RISKRELAY_DATABASE_URL"])))
        number += STEP
    assert number > 60
