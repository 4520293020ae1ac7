"""Findings for people and clients to see, with a limit on the details that one answer loads.

The details of a finding can be large, and older versions stored them without a limit. So the rows are read without
their details first. Only details that fit into the answer are then read.
"""

from typing import Any, Final

from sqlalchemy import Connection, Integer, Select, bindparam, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import RecordedFinding
from riskrelay.storage.tables import findings

MAX_DETAILS_BYTES: Final = 1 << 20  # guessed: of one answer; a page of 1,000 findings with usual details is below it


class _octets(FunctionElement[int]):  # noqa: N801  named as the SQL function it stands for
    """The length of a text in bytes."""

    type = Integer()
    inherit_cache = True


@compiles(_octets, "sqlite")
def _octets_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"length(CAST({compiler.process(element.clauses, **kwargs)} AS BLOB))"  # octet_length needs SQLite 3.43


@compiles(_octets, "postgresql")
def _octets_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **kwargs)})"


WITHOUT_DETAILS = select(
    *(column for column in findings.columns if column.name != "details"),
    _octets(findings.c.details).label("details_bytes"),
)
"""Findings as `read_shown` takes them; add conditions, an order and a limit."""

_DETAILS = select(findings.c.finding_id, findings.c.details).where(
    findings.c.account_id == bindparam("account"), findings.c.finding_id.in_(bindparam("keys", expanding=True))
)


def read_shown(
    connection: Connection, account_id: AccountId, query: Select[*tuple[Any, ...]], parameters: dict[str, Any]
) -> list[RecordedFinding]:
    """Read findings with as many of their details as one answer may have.

    Args:
        query: `WITHOUT_DETAILS`, limited to a page.

    Returns: in the order of *query*. The first findings keep their details; those whose details no longer fit say how
        large the details are.
    """
    rows = connection.execute(query, parameters).all()
    fitting: list[FindingId] = []
    left = MAX_DETAILS_BYTES
    for row in rows:
        if row.details_bytes is not None and row.details_bytes <= left:
            fitting.append(row.finding_id)
            left -= row.details_bytes
    details: dict[str, str] = {}
    if fitting:
        found = connection.execute(_DETAILS, {"account": account_id, "keys": fitting})
        details = {row.finding_id: row.details for row in found}
    return [_shown(row, details.get(row.finding_id)) for row in rows]


def _shown(row: Any, details: str | None) -> RecordedFinding:
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
        left_out_bytes=0 if details is not None else row.details_bytes or 0,
    )
