"""Copy a whole installation: from one database into another, and a SQLite file into a second one."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, func, insert, select

from riskrelay.core.errors import Misconfigured
from riskrelay.storage.engines.private_files import create_private
from riskrelay.storage.tables import metadata

ROWS_AT_ONCE = 1_000  # guessed: a few megabytes of the widest rows
_HASH_MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The number of a table's rows, and the sum of their SHA-256 hashes, which does not depend on the order."""

    rows: int
    checksum: int

    @property
    def short(self) -> str:
        """The first digits of the checksum, for people."""
        return f"{self.checksum:064x}"[:12]


def copy_all(
    source: Connection, target: Connection, copied: Callable[[str, int], None] = lambda table, rows: None
) -> dict[str, Fingerprint]:
    """Copy all rows of all tables, and compare the copy with the source.

    Args:
        source, target: connections to any two engines, both with the schema of this version. The copy uses their
            open transactions; if it fails, *target* is rolled back.
        copied: called after each batch with the table and the number of its copied rows.

    Returns: the fingerprints of both, by table.
    Raises:  Misconfigured: *target* is not empty, or the copy differs.
    """
    tables = metadata.sorted_tables
    filled = [table.name for table in tables if target.execute(select(func.count()).select_from(table)).scalar_one()]
    if filled:
        raise Misconfigured(f"the new database is not empty ({', '.join(filled)} contain rows); use an empty database")
    for table in tables:
        rows = 0
        for piece in _pieces(source, table):
            target.execute(insert(table), piece)
            rows += len(piece)
            copied(table.name, rows)
    return {table.name: _compared(source, target, table) for table in tables}


def fingerprint(connection: Connection, table: Table) -> Fingerprint:
    """Return the fingerprint of *table*. The same rows have the same fingerprint on every engine."""
    rows, checksum = 0, 0
    for piece in _pieces(connection, table):
        for row in piece:
            encoded = msgspec.json.encode([row[column.name] for column in table.columns])
            checksum += int.from_bytes(sha256(encoded).digest())
        rows += len(piece)
    return Fingerprint(rows, checksum % _HASH_MODULUS)


def _compared(source: Connection, target: Connection, table: Table) -> Fingerprint:
    sent, arrived = fingerprint(source, table), fingerprint(target, table)
    if sent != arrived:
        raise Misconfigured(
            f"{table.name} differs after the copy (source {sent.rows} rows {sent.short}, copy {arrived.rows} rows "
            f"{arrived.short}); the copy was discarded, and the old database is unchanged"
        )
    return sent


def _pieces(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    result = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table))
    for part in result.mappings().partitions():
        yield [dict(row) for row in part]


def back_up(source: Path, target: Path) -> int:
    """Copy a SQLite database while it is in use: one snapshot, checked, on disk when this returns.

    The copy is one read transaction, and in WAL mode a reader stops no writer.

    Args:
        target: where the copy appears, whole or not at all; readable by its owner only.

    Returns: its size in bytes.
    Raises:  Misconfigured: something is at *target* already, or the copy cannot be written there.
    """
    if target.exists():
        raise Misconfigured(f"{target} already exists; choose another file name, or move that file")
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        create_private(unfinished)
        copy_file(source, unfinished)
        sync(unfinished)
        unfinished.rename(target)
        sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        unfinished.unlink(missing_ok=True)
        raise Misconfigured(f"the copy could not be written to {target} ({error}); it was discarded") from error
    return target.stat().st_size


def copy_file(source: Path, target: Path) -> None:
    """Copy a SQLite database into an empty file, as one file without a log, and check the copy.

    Raises: sqlite3.Error: *source* cannot be read, or the copy is damaged.
    """
    address = f"{source.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal beside it
        (verdict,) = new.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"integrity check of the copy: {verdict}")


def sync(path: Path) -> None:
    """Sync a file or a directory to its disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
