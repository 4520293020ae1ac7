"""The migration of users and subjects from case folding to `email_key`, on both engines."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, Table, text

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.findings import UserId
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import ShadowedUser
from riskrelay.storage.engines.postgres_engine import postgres_engine
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.engines.sqlite import sqlite_engine
from riskrelay.storage.risk.shadowed_users import find_shadowed_users
from support.databases import PostgresServer

# The oldest first.
USERS = [
    ("u1", "Anna@Stra\u00dfe.example"),
    ("u2", "kai@example.com"),
    ("u3", "kai@example.com."),
    ("u4", "\u212aen@example.com"),
]


def folded(email: str) -> str:
    return json.dumps({"email": email.casefold(), "format": "email"}, ensure_ascii=False, separators=(",", ":"))


def prepare(connection: Connection) -> None:
    upgrade(connection, "0024")
    _insert(connection, "accounts", account_id="a", created_at=0)
    for user_id, email in USERS:
        _insert(connection, "users", account_id="a", user_id=user_id, email=email, email_key=email.casefold())
    _insert(connection, "integrations", account_id="a", integration_id="i", integration_type="Okta", position=1)
    _insert(connection, "streams", account_id="a", stream_id="s", integration_id="i")
    _insert(connection, "lanes", account_id="a", stream_id="s", lane=0, last_seq=9)
    for seq, email in enumerate((USERS[0][1], "kai@example.com"), 1):
        _insert(
            connection,
            "events",
            account_id="a",
            stream_id="s",
            lane=0,
            seq=seq,
            jti=f"j{seq}",
            subject_key=folded(email),
        )
    for position, email in enumerate(("stra\u00dfe@b\u00fccher.example", "strasse@xn--bcher-kva.example"), 1):
        key = folded(email)
        digest = sha256(key.encode()).hexdigest()
        _insert(
            connection,
            "subject_statements",
            account_id="a",
            stream_id="s",
            subject_hash=digest,
            subject=key,
            is_removed=position == 1,
            position=position,
        )


def check(connection: Connection) -> None:
    rows = connection.execute(text("SELECT user_id, email_key FROM users ORDER BY user_id")).all()
    assert [tuple(row) for row in rows] == [
        ("u1", "anna@stra\u00dfe.example"),
        ("u2", "kai@example.com"),
        ("u3", " u3"),
        ("u4", "\u212aen@example.com"),
    ]
    assert find_shadowed_users(connection, 9) == []  # it has no level
    connection.execute(text("UPDATE users SET level = 2"))
    shadowed = ShadowedUser(account_id=AccountId("a"), user_id=UserId("u3"))
    assert find_shadowed_users(connection, 9) == [shadowed]
    assert find_shadowed_users(connection, 0) == []
    keys = connection.execute(text("SELECT subject_key FROM events ORDER BY seq")).scalars().all()
    assert keys == [subject_key(email_subject(email)) for email in (USERS[0][1], "kai@example.com")]
    (statement,) = connection.execute(text("SELECT subject, subject_hash, position FROM subject_statements")).all()
    key = subject_key(email_subject("strasse@b\u00fccher.example"))
    assert tuple(statement) == (key, sha256(key.encode()).hexdigest(), 2)


def test_keys_move_on_sqlite(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Users and events get their new keys; who shares a mailbox is named by id; the last of two statements counts."""
    engine = sqlite_engine(tmp_path / "schema.db")
    with engine.begin() as connection:
        prepare(connection)
        upgrade(connection)
        check(connection)
    engine.dispose()
    (message,) = [record.getMessage() for record in caplog.records if record.name == "riskrelay.migrations"]
    assert "user u3 of account a" in message
    assert "@" not in message


async def test_keys_move_on_postgres(postgres: PostgresServer) -> None:
    """As on SQLite."""
    engine = postgres_engine(await postgres.new_database(), limits={})
    async with engine.begin() as connection:
        await connection.run_sync(prepare)
        await connection.run_sync(upgrade)
        await connection.run_sync(check)
    await engine.dispose()


def _insert(connection: Connection, table: str, **values: Any) -> None:
    """Insert a row whose other columns are empty, as far as the table wants them filled."""
    reflected = Table(table, MetaData(), autoload_with=connection)
    empty = {
        column.name: _empty(column.type.python_type)
        for column in reflected.columns
        if not column.nullable and column.server_default is None and column.name not in values
    }
    connection.execute(reflected.insert().values({**empty, **values}))


def _empty(kind: type) -> object:
    return kind() if kind in (str, int, bool, float, bytes) else None
