"""The schema is the sum of the migrations, on both engines."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from riskrelay.core.keys import KeyState
from riskrelay.storage.engines.postgres_engine import postgres_engine
from riskrelay.storage.engines.schema import is_current, upgrade
from riskrelay.storage.engines.sqlite import sqlite_engine
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.tables import metadata
from support.databases import PostgresServer

MISSING_ON_POSTGRES = {
    *("events_lanes_fk", "attempts_lanes_fk", "held_events_lanes_fk"),
    *("findings_users_fk", "users_accounts_fk"),
}
ACCOUNT_FREE = {"signing_keys", "nodes", "alembic_version"}

OnEmpty = Callable[[Callable[[Connection], None]], Awaitable[None]]
"""Runs a check in a transaction on an empty database."""


@pytest.fixture(params=["sqlite", "postgres"])
def on_empty(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresServer) -> OnEmpty:
    """Each engine in turn."""

    async def on_sqlite(check: Callable[[Connection], None]) -> None:
        engine = sqlite_engine(tmp_path / "empty.db")
        with engine.begin() as connection:
            check(connection)
        engine.dispose()

    async def on_postgres(check: Callable[[Connection], None]) -> None:
        engine = postgres_engine(await postgres.new_database())
        async with engine.begin() as connection:
            await connection.run_sync(check)
        await engine.dispose()

    return on_sqlite if request.param == "sqlite" else on_postgres


def check(connection: Connection) -> None:
    """Empty, migrated once, migrated again."""
    assert not is_current(connection)
    upgrade(connection)
    assert is_current(connection)
    compared = MigrationContext.configure(connection, opts={"include_object": is_declared})
    assert compare_metadata(compared, metadata) == []
    upgrade(connection)
    check_keys(connection)


def is_declared(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """Partitions come and go, and on PostgreSQL what is written for each event refers to nothing (ADR 0014)."""
    if kind == "table":
        return re.fullmatch(r"(events|attempts)_(other|\d+)", str(name)) is None
    return reflected or name not in MISSING_ON_POSTGRES


def check_keys(connection: Connection) -> None:
    """Every key of an account's data starts with the account, so that a cluster can be distributed by it."""
    inspector = inspect(connection)
    for table in set(inspector.get_table_names()) - ACCOUNT_FREE:
        assert inspector.get_pk_constraint(table)["constrained_columns"][0] == "account_id"
        for key in inspector.get_foreign_keys(table):
            assert key["constrained_columns"][0] == key["referred_columns"][0] == "account_id"
        for index in inspector.get_indexes(table):
            assert not index["unique"] or index["column_names"][0] == "account_id"


def test_users_of_an_older_schema_get_their_counts(tmp_path: Path) -> None:
    """What was recorded before there was a summary is in it; what a reset had cleared is not."""
    engine = sqlite_engine(tmp_path / "schema.db")
    with engine.begin() as connection:
        upgrade(connection, "0002")
        connection.exec_driver_sql("INSERT INTO accounts VALUES ('a', 0)")
        for user, level, reset in (("kept", 1, None), ("reset", 3, 10), ("cleared", None, 30)):
            values = ("a", user, user, user, level, "", reset)
            connection.exec_driver_sql("INSERT INTO users VALUES (?, ?, ?, ?, NULL, ?, ?, ?)", values)
            for at in (5, 20):
                row = ("a", f"{user}-{at}", user, "high_dlp", 1, at * 100, at, None, b"")
                connection.exec_driver_sql("INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        upgrade(connection)
        rows = connection.exec_driver_sql("SELECT user_id, event_count, last_event_at, resets FROM users").all()
        shown = connection.exec_driver_sql(
            "SELECT finding_id FROM findings JOIN users USING (account_id, user_id, resets)"
        ).scalars()
        assert set(shown) == {"kept-5", "kept-20", "reset-20"}
    engine.dispose()
    assert {tuple(row) for row in rows} == {("kept", 2, 2000, 0), ("reset", 1, 2000, 1), ("cleared", 0, None, 1)}


def test_a_replay_of_an_older_schema_continues_at_its_position(tmp_path: Path) -> None:
    """Lanes before its place are done, those behind it are not; a replay that is over needs no places."""
    engine = sqlite_engine(tmp_path / "schema.db")
    with engine.begin() as connection:
        upgrade(connection, "0019")
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql("INSERT INTO accounts VALUES ('a', 0)")
        _insert(connection, "integrations", account_id="a", integration_id="i", integration_type="Okta")
        for stream_id in ("s1", "s2", "s3"):
            _insert(connection, "streams", account_id="a", stream_id=stream_id, integration_id="i")
            _insert(connection, "lanes", account_id="a", stream_id=stream_id, last_seq=9)
        for replay_id, status in (("r", "running"), ("over", "completed")):
            place = {"stream_id": "s2", "lane": 0, "seq": 4}
            _insert(
                connection, "replays", account_id="a", replay_id=replay_id, integration_id="i", status=status, **place
            )
        upgrade(connection)
        query = "SELECT replay_id, stream_id, lane, seq, last_seq FROM replay_places ORDER BY stream_id"
        rows = connection.exec_driver_sql(query).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [("r", "s1", 0, 9, 9), ("r", "s2", 0, 4, 9), ("r", "s3", 0, 0, 9)]


def _insert(connection: Connection, table: str, **values: object) -> None:
    """Insert a row whose other columns are empty, as far as the table wants them filled."""
    columns = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
    empty = {column.name: 0 for column in columns if column.notnull and column.dflt_value is None}
    row = {**empty, **values}
    marks = ", ".join("?" * len(row))
    connection.exec_driver_sql(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def test_tokens_survive_what_lets_the_installation_have_some(tmp_path: Path) -> None:
    """0002 builds SQLite's table anew: every row is there afterwards, and was not used yet."""
    engine = sqlite_engine(tmp_path / "old.db")
    with engine.begin() as connection:
        upgrade(connection, "0001")
        connection.exec_driver_sql("INSERT INTO accounts VALUES ('a', 0)")
        rows = [("a", f"t{number}", "name", b"%032d" % number, "read write", number, None) for number in range(3)]
        for row in rows:
            connection.exec_driver_sql("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        upgrade(connection)
        kept = connection.exec_driver_sql("SELECT * FROM tokens ORDER BY token_id").all()
    engine.dispose()
    assert [tuple(row) for row in kept] == [(*row, None) for row in rows]


def test_sqlite(tmp_path: Path) -> None:
    """The tables as declared are what migrations make."""
    engine = sqlite_engine(tmp_path / "schema.db")
    with engine.begin() as connection:
        check(connection)
        modes = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    engine.dispose()
    assert modes == ["wal", 2]


@pytest.mark.usefixtures("postgres")
async def test_postgres(postgres: PostgresServer) -> None:
    """On PostgreSQL the schema equals the sum of the migrations, too."""
    engine = postgres_engine(await postgres.new_database())
    async with engine.begin() as connection:
        await connection.run_sync(check)
    await engine.dispose()


async def test_nodes_that_migrate_at_once_wait_for_each_other(postgres: PostgresServer) -> None:
    """One does it, the others find it done."""
    url = await postgres.new_database()
    engines = [postgres_engine(url, limits={}) for _ in range(3)]

    async def migrate(engine: AsyncEngine) -> bool:
        async with engine.begin() as connection:
            await connection.run_sync(upgrade)
            return await connection.run_sync(is_current)

    assert await asyncio.gather(*(migrate(engine) for engine in engines)) == [True] * 3
    await asyncio.gather(*(engine.dispose() for engine in engines))


def test_a_key_of_an_older_version_continues_to_sign(tmp_path: Path) -> None:
    """Before keys had a life the newest one signed: it is the current one now, those before it are retired."""
    engine = sqlite_engine(tmp_path / "older.db")
    with engine.begin() as connection:
        upgrade(connection, "0007")
        connection.exec_driver_sql(
            "INSERT INTO signing_keys (kid, algorithm, public_jwk, sealed_private, created_at) "
            "VALUES ('old', 'RS256', '{}', x'00', 1), ('new', 'RS256', '{}', x'00', 2)"
        )
        upgrade(connection)
        keys = InstallationTransaction(connection).keys.all()
    engine.dispose()
    assert {key.kid: key.state for key in keys} == {"old": KeyState.RETIRED, "new": KeyState.CURRENT}


LANE_OF_OLD = (
    "INSERT INTO accounts VALUES ('a', 0)",
    "INSERT INTO integrations (account_id, integration_id, integration_type, reference_id, tenant_url, active, "
    "public_origin, created_at, position) VALUES ('a', 'i', 'okta', '', '', true, '', 0, 1)",
    "INSERT INTO streams (account_id, stream_id, integration_id, status, lanes) VALUES ('a', 's', 'i', 'enabled', 1)",
    "INSERT INTO lanes (account_id, stream_id, lane, last_seq, cursor, delivered, failures, epoch, lease_until, "
    "blocked_until, due_at, stopped) VALUES ('a', 's', 0, 9, 8, 7, 6, 5, 4, 3, 2, false)",
    "INSERT INTO held_events (account_id, stream_id, lane, seq, state, attempts, due_at, reason) "
    "VALUES ('a', 's', 0, 8, 'dead', 1, 0, 'http_400')",
)


def check_lanes_get_versions(connection: Connection) -> None:
    """From the schema before there were any; what else a lane had, it has."""
    upgrade(connection, "0017")
    for statement in LANE_OF_OLD:
        connection.exec_driver_sql(statement)
    before = connection.exec_driver_sql("SELECT * FROM lanes").mappings().one()
    upgrade(connection, "0018")
    after = connection.exec_driver_sql("SELECT * FROM lanes").mappings().one()
    assert dict(after) == {**before, "version": 0}


async def test_lanes_of_an_older_schema_stay(on_empty: OnEmpty) -> None:
    """With a version that has not been counted yet."""
    await on_empty(check_lanes_get_versions)


def check_behaviors_get_times(connection: Connection) -> None:
    """From the schema before levels changed with time."""
    upgrade(connection, "0033")
    connection.exec_driver_sql("INSERT INTO accounts (account_id, created_at) VALUES ('a', 0)")
    for user, triggered, resets in (("two", "high_dlp,imp_travel", 1), ("trimmed", "high_dlp", 0), ("none", "", 1)):
        connection.exec_driver_sql(
            "INSERT INTO users (account_id, user_id, email_key, email, triggered, event_count, resets) "
            f"VALUES ('a', '{user}', '{user}', '{user}', '{triggered}', 0, {resets})"
        )
    findings = [("high_dlp", 5, 1), ("high_dlp", 7, 1), ("imp_travel", 3, 1), ("high_dlp", 9, 0)]
    for user in ("two", "none"):
        for number, (behavior, at, resets) in enumerate(findings):
            connection.execute(
                text(
                    "INSERT INTO findings (account_id, finding_id, user_id, behavior, risk_level, occurred_at, "
                    "recorded_at, resets, digest) VALUES ('a', :id, :user, :behavior, 1, :at, 0, :resets, :digest)"
                ),
                {
                    "id": f"{user}-{number}",
                    "user": user,
                    "behavior": behavior,
                    "at": at,
                    "resets": resets,
                    "digest": b"0" * 32,
                },
            )
    upgrade(connection)
    rows = connection.exec_driver_sql("SELECT user_id, triggered_at FROM users").all()
    times = {row.user_id: json.loads(row.triggered_at or "{}") for row in rows}
    assert times == {"two": {"high_dlp": 7, "imp_travel": 3}, "trimmed": {}, "none": {}}


async def test_users_of_an_older_schema_get_the_times_of_their_behaviors(on_empty: OnEmpty) -> None:
    """The latest finding of each since the last reset; a behavior whose findings were deleted has none."""
    await on_empty(check_behaviors_get_times)


def check_superseded_are_counted(connection: Connection) -> None:
    """From the schema in which a lane only counted those whose rows had been purged."""
    upgrade(connection, "0051")
    for statement in LANE_OF_OLD:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql("UPDATE lanes SET purged_superseded = 3")
    for seq, state in ((5, "superseded"), (6, "superseded"), (7, "expired")):
        connection.exec_driver_sql(
            "INSERT INTO held_events (account_id, stream_id, lane, seq, state, attempts, due_at, reason) "
            f"VALUES ('a', 's', 0, {seq}, '{state}', 0, 0, 'waiting')"
        )
    upgrade(connection)
    assert connection.exec_driver_sql("SELECT superseded FROM lanes").scalar_one() == 5


async def test_superseded_events_of_an_older_schema_are_counted(on_empty: OnEmpty) -> None:
    """Those with rows, besides those that were counted."""
    await on_empty(check_superseded_are_counted)
