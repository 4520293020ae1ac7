"""Commands that copy the whole database: backup, restore, migrate-store."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from riskrelay.cli.output import JsonFlag, errors, explained, fail, print_table, say, show

if TYPE_CHECKING:
    from riskrelay.storage.engines.copying import Fingerprint


def backup(
    file: Annotated[Path, typer.Argument(help="The backup file to create. It must not exist.")],
    as_json: JsonFlag = False,
) -> None:
    """Back up the SQLite database to one consistent, checked file. The service can keep running."""
    from riskrelay.settings import read_settings
    from riskrelay.storage.engines.copying import back_up
    from riskrelay.wiring import installation

    with explained():
        settings = read_settings()
        path = settings.sqlite_path
        if path is None:
            fail("this installation uses PostgreSQL; use its own tools, such as pg_dump or a base backup")
        asyncio.run(installation.require_schema(settings))
        size = back_up(path, file)

    def render() -> None:
        say("Checked backup written to {} ({:,} bytes).", file, size)
        key_file = installation.key_file(settings)
        if settings.master_key is None and key_file is not None:
            say(
                "The backup does not contain the master key, which decrypts its secrets. Keep a copy of {} elsewhere.",
                key_file,
            )
        else:
            say("The backup does not contain RISKRELAY_MASTER_KEY, which decrypts its secrets. Keep a copy elsewhere.")

    show({"file": str(file), "bytes": size}, as_json, render)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `riskrelay backup` created.")],
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a database that contains accounts. The old database is deleted."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Replace the SQLite database with a backup. Stop the service and restore the master key first.

    The command checks the backup, migrates it to the schema of this version, and opens it with the master key. Then it
    replaces the old database file and its log. If a step fails, nothing is changed.
    """
    from riskrelay.settings import read_settings
    from riskrelay.wiring import installation

    with explained():
        settings = read_settings()
        accounts = installation.restore_backup(settings, file, overwrite=overwrite)

    def render() -> None:
        names = ", ".join(accounts) or "none"
        say("Restored {}. Accounts: {}.", settings.sqlite_path, names)
        say("Next: riskrelay serve, then riskrelay doctor.")

    show({"file": str(settings.sqlite_path), "accounts": accounts}, as_json, render)


def migrate_store(
    target: Annotated[str, typer.Argument(help="URL of an empty PostgreSQL database (postgresql://…).")],
    as_json: JsonFlag = False,
) -> None:
    """Copy all data from SQLite to PostgreSQL in one transaction, and compare counts and hashes."""
    from riskrelay.settings import read_settings
    from riskrelay.wiring import installation

    with explained(), Progress(SpinnerColumn(), TextColumn("{task.description}"), console=errors) as progress:
        task = progress.add_task("Copying", total=None)
        copied = asyncio.run(
            installation.migrate_store(
                read_settings(),
                read_settings(database_url=target),
                lambda table, rows: progress.update(task, description=f"{table}: {rows:,} rows"),
            )
        )

    def render() -> None:
        columns = ("table", "rows", "SHA-256 sum, both sides")
        print_table([dict(zip(columns, (n, f"{f.rows:,}", f.short), strict=True)) for n, f in copied.items()])
        say("Next: set RISKRELAY_DATABASE_URL to the new database and RISKRELAY_MASTER_KEY to the same key.")

    show(_rows(copied), as_json, render)


def _rows(copied: "dict[str, Fingerprint]") -> dict[str, dict[str, object]]:
    return {name: {"rows": found.rows, "checksum": f"{found.checksum:064x}"} for name, found in copied.items()}
