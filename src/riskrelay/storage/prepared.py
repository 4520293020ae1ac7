"""Constant statements of the hot paths, compiled once.

On SQLite they run by the driver itself: SQLAlchemy's work for a run costs several times as much as the statement.
Measured: the transaction of a finding, with 11 statements, took 1,040 µs of CPU, and takes 570 µs.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Dialect, Select, Update, exc
from sqlalchemy.dialects import sqlite

_DIALECT: Dialect = sqlite.dialect()


class Prepared:
    """A statement without lists among its parameters.

    Rows have the columns as attributes, as SQLAlchemy's rows do.

    Attributes:
        statement: the statement, for SQLAlchemy.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]] | Update) -> None:
        self.statement = statement

    def rows(self, connection: Connection, parameters: Mapping[str, object]) -> Sequence[Any]:
        """Run the statement and return all rows."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self.statement, parameters).all()
        plan = self._plan
        return [plan.row(found) for found in execute(connection, plan.sql, plan.values(parameters)).fetchall()]

    def one(self, connection: Connection, parameters: Mapping[str, object]) -> Any:
        """Run the statement and return its only row."""
        (row,) = self.rows(connection, parameters)
        return row

    def first(self, connection: Connection, parameters: Mapping[str, object]) -> Any | None:
        """Run the statement and return its first row; None if there is none."""
        rows = self.rows(connection, parameters)
        return rows[0] if rows else None

    def run(self, connection: Connection, parameters: Mapping[str, object]) -> int:
        """Run the statement and return the number of changed rows."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self.statement, parameters).rowcount
        return execute(connection, self._plan.sql, self._plan.values(parameters)).rowcount

    @cached_property
    def _plan(self) -> "_Plan":
        return _Plan(self.statement)


class _Plan:
    """A statement compiled for SQLite, with the conversions of its parameters and columns."""

    def __init__(self, statement: Any) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT)
        if compiled.post_compile_params:
            raise ValueError("a prepared statement has no lists among its parameters")
        self.sql = str(compiled)
        self._parameters = [_Parameter(compiled.binds[name]) for name in compiled.positiontup]
        columns = list(getattr(statement, "exported_columns", ()))
        self._row: Any = namedtuple("Row", [column.key for column in columns])  # type: ignore[misc]
        found = [column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None) for column in columns]
        self._converted = [(place, convert) for place, convert in enumerate(found) if convert is not None]

    def values(self, given: Mapping[str, object]) -> tuple[object, ...]:
        """Return the parameters in the order of the statement, as the driver takes them."""
        return tuple([parameter.value(given) for parameter in self._parameters])

    def row(self, found: Sequence[Any]) -> Any:
        """Return a row of the driver with the columns as attributes."""
        if not self._converted:
            return self._row._make(found)
        values = list(found)
        for place, convert in self._converted:
            values[place] = convert(values[place])
        return self._row._make(values)


class _Parameter:
    """A parameter: one that each run gives, or a constant of the statement."""

    def __init__(self, bound: Any) -> None:
        self._name = bound.key
        self._convert: Callable[[Any], Any] | None = bound.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
        self._is_constant: bool = bound.unique  # SQLAlchemy gives constants names of their own
        self._constant = self._converted(bound.value) if bound.unique else None

    def value(self, given: Mapping[str, object]) -> object:
        """Return the value for a run."""
        return self._constant if self._is_constant else self._converted(given[self._name])

    def _converted(self, value: object) -> object:
        return value if self._convert is None else self._convert(value)


def execute(connection: Connection, sql: str, values: Sequence[Any], *, is_many: bool = False) -> sqlite3.Cursor:
    """Run a statement by SQLite's driver, inside the transaction of *connection*. Its listeners are called, too.

    Args:
        values: of one run; with *is_many* those of each run.

    Raises: DBAPIError.
    """
    driver: Any = connection.connection.driver_connection
    cursor: sqlite3.Cursor = driver.cursor()
    observed = (connection, cursor, sql, values, None, is_many)  # the order of SQLAlchemy's cursor events
    for listener in connection.dispatch.before_cursor_execute:
        listener(*observed)
    try:
        if is_many:
            cursor.executemany(sql, values)
        else:
            cursor.execute(sql, values)
    except sqlite3.Error as error:
        raise exc.DBAPIError.instance(
            sql, None, error, sqlite3.Error, hide_parameters=True, dialect=connection.dialect
        ) from error
    for listener in connection.dispatch.after_cursor_execute:
        listener(*observed)
    return cursor
