"""Findings for people and clients to see, with a limit on the details that one answer loads.

The details of a finding can be large, and older versions stored them without a limit. So the rows are read without
their details first. Only details that fit into the answer are then read.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import MAX_SHOWN_DETAILS_BYTES, FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import RecordedFinding
from riskrelay.storage.tables import findings


class _measured(FunctionElement[int]):  # noqa: N801  named like an SQL function
    """Build the column from which the size of a text is read without the text: its length, or SQLite's row id.

    PostgreSQL stores the length of a long text separately. SQLite returns it through its blob interface; before
    version 3.43 all SQL functions read the whole text (measured: 0.24 s for 30 MB, instead of 34 microseconds).
    """

    type = BigInteger()
    inherit_cache = True


@compiles(_measured, "sqlite")
def _measured_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    details = compiler.process(element.clauses, **kwargs)
    return f"CASE WHEN typeof({details}) = 'null' THEN NULL ELSE findings.rowid END"  # typeof reads the header only


@compiles(_measured, "postgresql")
def _measured_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **kwargs)})"


WITHOUT_DETAILS = select(
    *(column for column in findings.columns if column.name != "details"),
    _measured(findings.c.details).label("measured"),
)
"""Findings as `read_shown` takes them; add conditions, an order and a limit."""

_DETAILS = select(findings.c.finding_id, findings.c.details).where(
    findings.c.account_id == bindparam("account"), findings.c.finding_id.in_(bindparam("keys", expanding=True))
)


def read_shown(
    connection: Connection, account_id: AccountId, query: Select[*tuple[Any, ...]], parameters: dict[str, Any]
) -> list[RecordedFinding]:
    """Read findings with as many of their details as fit into one response.

    Args:
        query: `WITHOUT_DETAILS`, limited to a page.

    Returns: the findings in the order of *query*. The first ones have their details. The others, whose details do not
        fit, have the size of the details.
    """
    rows = connection.execute(query, parameters).all()
    fitting: list[FindingId] = []
    left = MAX_SHOWN_DETAILS_BYTES
    sizes = _sizes(connection, [row.measured for row in rows])
    for row, size in zip(rows, sizes, strict=True):
        if size is not None and size <= left:
            fitting.append(row.finding_id)
            left -= size
    details: dict[str, str] = {}
    if fitting:
        found = connection.execute(_DETAILS, {"account": account_id, "keys": fitting})
        details = {row.finding_id: row.details for row in found}
    return [_shown(row, details.get(row.finding_id), size) for row, size in zip(rows, sizes, strict=True)]


def _sizes(connection: Connection, measured: Sequence[int | None]) -> Sequence[int | None]:
    """Return the sizes of details in bytes, from the values of `_measured`; None: no details."""
    if connection.dialect.name != "sqlite":
        return measured
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    sizes: list[int | None] = []
    for row in measured:
        if row is None:
            sizes.append(None)
            continue
        with driver.blobopen("findings", "details", row, readonly=True) as details:
            sizes.append(len(details))
    return sizes


def _shown(row: Any, details: str | None, size: int | None) -> RecordedFinding:
    return RecordedFinding(
        finding_id=FindingId(row.finding_id),
        user_id=UserId(row.user_id),
        behavior=BehaviorId(row.behavior),
        risk_level=RiskLevel(row.risk_level),
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        resets=row.resets,
        details_json=details,
        digest=row.digest,
        exception_id=row.exception_id,
        left_out_bytes=0 if details is not None else size or 0,
    )
