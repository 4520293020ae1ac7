"""A lane's row by its key, in the same time however often it has changed (ADR 0018).

Every batch changes it, and while somebody holds a snapshot PostgreSQL keeps each version that there was, with its
entries in the indexes. A look-up by (account, stream, lane) would try all of them, the oldest first. So what changes it
often counts `version` up, which there ends the primary key, and asks for the newest one by `this_lane`. Statements that
do neither are right as well: of all versions one is alive.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, FromClause, bindparam, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.storage.tables import lanes


def of_lane(table: FromClause) -> ColumnElement[bool]:
    """The rows of *table* that belong to one lane: parameters `account`, `stream`, `lane` (see `lane_parameters`)."""
    return (
        (table.c.account_id == bindparam("account"))
        & (table.c.stream_id == bindparam("stream"))
        & (table.c.lane == bindparam("lane_number"))
    )


def lane_parameters(key: LaneKey) -> dict[str, object]:
    """The parameters of `of_lane`."""
    return {"account": key.account_id, "stream": key.stream_id, "lane_number": key.lane}


class _where_versions_stay(FunctionElement[bool]):  # noqa: N801  as the SQL function it stands for
    """A condition that holds anyway, and helps PostgreSQL only."""

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
    """The row of one lane, with the parameters of `of_lane`.

    Not below the newest version, rather than equal to it: who has waited for another's change updates the version
    that the other left.

    Args:
        table: `lanes` or an alias of it.
    """
    return of_lane(table) & _where_versions_stay(table.c.version >= _NEWEST)
