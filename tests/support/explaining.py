"""What a statement costs PostgreSQL, by its own count."""

import json
from dataclasses import dataclass
from typing import cast

import asyncpg
from sqlalchemy import ClauseElement
from sqlalchemy.dialects import registry
from sqlalchemy.sql.compiler import SQLCompiler

_dialect = registry.load("postgresql.asyncpg")


@dataclass(frozen=True)
class Explained:
    """One execution: how long it took, and how many pages of tables and indexes it touched."""

    milliseconds: float
    pages: int


async def explain(connection: asyncpg.Connection, statement: ClauseElement, **parameters: object) -> Explained:
    """Run *statement* and undo it."""
    compiled = cast(SQLCompiler, statement.compile(dialect=_dialect()))
    values = compiled.construct_params(parameters)
    names = compiled.positiontup or []
    transaction = connection.transaction()
    await transaction.start()
    explained = await connection.fetchval(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {compiled}", *(values[name] for name in names)
    )
    await transaction.rollback()
    (whole,) = json.loads(explained)
    plan = whole["Plan"]
    return Explained(whole["Execution Time"], plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
