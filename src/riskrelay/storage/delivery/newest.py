"""Find a lane's row by its key, in a time that does not grow with the number of its updates (ADR 0018).

Every batch updates the row. While another session holds a snapshot, PostgreSQL keeps each old version of the row and
its index entries, and a query by (account, stream, lane) reads all of them, the oldest first. So frequent updates
increment `version`, which is the last column of the primary key on PostgreSQL, and find the newest version with
`this_lane`. Other statements are correct without it, because only one version is visible, but they are slower.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, FromClause, bindparam, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.storage.tables import lanes


def of_lane(table: FromClause) -> ColumnElement[bool]:
    """Build the condition of the rows of *table* of one lane, with the parameters of `lane_parameters`."""
    return _of_stream(table) & (table.c.lane == bindparam("lane_number"))


def _of_stream(table: FromClause) -> ColumnElement[bool]:
    return (table.c.account_id == bindparam("account")) & (table.c.stream_id == bindparam("stream"))


def lane_parameters(key: LaneKey) -> dict[str, object]:
    """Return the parameters of `of_lane`."""
    return {"account": key.account_id, "stream": key.stream_id, "lane_number": key.lane}


class _where_versions_stay(FunctionElement[bool]):  # noqa: N801  named like the SQL function that it compiles to
    """A condition that is always true. It gives PostgreSQL's planner a range of the index."""

    type = Boolean()
    inherit_cache = True


@compiles(_where_versions_stay, "sqlite")
def _nothing(element: Any, compiler: Any, **kwargs: Any) -> str:
    return "1"


@compiles(_where_versions_stay, "postgresql")
def _condition(element: Any, compiler: Any, **kwargs: Any) -> str:
    condition: str = compiler.process(element.clauses, **kwargs)
    return condition


_versions = lanes.alias("versions")
_NEWEST = select(func.max(_versions.c.version)).where(of_lane(_versions)).scalar_subquery()


def this_lane(table: FromClause = lanes) -> ColumnElement[bool]:
    """Build the condition of the row of one lane, with the parameters of `of_lane`.

    It uses >= instead of =, so that a transaction that waited for a lock updates the row that its predecessor
    committed.

    Args:
        table: `lanes` or an alias of it.
    """
    return of_lane(table) & _where_versions_stay(table.c.version >= _NEWEST)


def lane_of_stream(lane: int) -> ColumnElement[bool]:
    """Build the condition of `this_lane` for a lane of that number, with the other parameters of `of_lane`."""
    newest = select(func.max(_versions.c.version)).where(_of_stream(_versions), _versions.c.lane == lane)
    is_newest = _where_versions_stay(lanes.c.version >= newest.scalar_subquery())
    return _of_stream(lanes) & (lanes.c.lane == lane) & is_newest
