"""Statements that run by SQLite's driver: the same rows, parameters, errors and listeners as by SQLAlchemy."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    event,
    exc,
    insert,
    select,
    update,
)

from riskrelay.storage.prepared import Prepared, execute
from riskrelay.storage.times import Moment

THINGS = Table(
    "things", MetaData(), Column("name", String, primary_key=True), Column("is_new", Boolean), Column("at", Moment)
)
AT = datetime(2026, 3, 17, 12, tzinfo=UTC)
OLDER = Prepared(select(THINGS, (THINGS.c.at < AT).label("is_older")).where(THINGS.c.at <= bindparam("until")))
AGE = Prepared(update(THINGS).where(THINGS.c.name == bindparam("called")).values(is_new=False, at=bindparam("then")))


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database with one thing."""
    engine = create_engine("sqlite://")
    THINGS.metadata.create_all(engine)
    with engine.connect() as connected:
        connected.execute(insert(THINGS).values(name="a", is_new=True, at=AT))
        yield connected
    engine.dispose()


def test_rows_have_the_values_that_sqlalchemy_gives(connection: Connection) -> None:
    """Booleans and times are converted in both directions, and columns are attributes."""
    (row,) = OLDER.rows(connection, {"until": AT})
    assert (row.name, row.is_new, row.at, row.is_older) == ("a", True, AT, False)
    assert [tuple(row)] == [tuple(one) for one in connection.execute(OLDER.statement, {"until": AT})]
    assert OLDER.one(connection, {"until": AT}) == row


def test_a_statement_without_rows_has_no_first_one(connection: Connection) -> None:
    """`first` returns None; `one` raises."""
    never = {"until": datetime(1971, 1, 1, tzinfo=UTC)}
    assert OLDER.first(connection, never) is None
    with pytest.raises(ValueError, match="not enough values"):
        OLDER.one(connection, never)


def test_an_update_returns_the_number_of_rows(connection: Connection) -> None:
    """Constants of the statement are bound beside the parameters."""
    assert AGE.run(connection, {"called": "b", "then": AT}) == 0
    assert AGE.run(connection, {"called": "a", "then": datetime(1971, 1, 1, tzinfo=UTC)}) == 1
    assert [(row.is_new, row.is_older) for row in OLDER.rows(connection, {"until": AT})] == [(False, True)]


def test_it_runs_in_the_transaction_of_its_connection(connection: Connection) -> None:
    """A rollback takes the change back."""
    connection.commit()
    connection.begin()
    AGE.run(connection, {"called": "a", "then": AT})
    connection.rollback()
    assert OLDER.one(connection, {"until": AT}).is_new


def test_an_error_of_the_driver_is_sqlalchemys_without_the_values(connection: Connection) -> None:
    """So each caller handles one kind of error, and no value is logged."""
    with pytest.raises(exc.IntegrityError) as raised:
        execute(connection, "INSERT INTO things (name) VALUES (?)", ("a",))
    assert raised.value.orig is not None
    assert "('a',)" not in str(raised.value)


def test_listeners_of_statements_are_called(connection: Connection) -> None:
    """Failure tests end a process at a statement, and other tests count statements."""
    seen: list[tuple[str, int]] = []

    def note(*given: Any) -> None:
        seen.append((given[2].split()[0], given[1].rowcount))

    event.listen(connection, "before_cursor_execute", note)
    event.listen(connection, "after_cursor_execute", note)
    AGE.run(connection, {"called": "a", "then": AT})
    assert seen == [("UPDATE", -1), ("UPDATE", 1)]


def test_a_missing_parameter_is_an_error(connection: Connection) -> None:
    """A misspelled name never becomes NULL."""
    with pytest.raises(KeyError, match="until"):
        OLDER.rows(connection, {})


def test_a_list_among_the_parameters_is_refused(connection: Connection) -> None:
    """Its text depends on the length of the list."""
    listed = Prepared(select(THINGS).where(THINGS.c.name.in_(bindparam("names", expanding=True))))
    with pytest.raises(ValueError, match="no lists"):
        listed.rows(connection, {"names": ["a"]})
