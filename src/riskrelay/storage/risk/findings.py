"""Findings, by account."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, delete, select

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import FindingTally, RecordedFinding
from riskrelay.storage.risk.later_findings import users_with_later_findings
from riskrelay.storage.risk.tallies import tally
from riskrelay.storage.statements import BulkInsert, PerEngine, in_parts
from riskrelay.storage.tables import findings
from riskrelay.storage.times import number_of

_KEYS: BindParameter[str] = bindparam("keys", expanding=True)
_ADD_FINDINGS = BulkInsert(findings, *(column.name for column in findings.columns))
_DIGESTS = select(findings.c.finding_id, findings.c.digest).where(
    findings.c.account_id == bindparam("account"), findings.c.finding_id.in_(_KEYS)
)

_FINDINGS_BY_ID = select(findings).where(
    findings.c.account_id == bindparam("account"), findings.c.finding_id.in_(_KEYS)
)
_DELETE_FINDINGS = delete(findings).where(
    findings.c.account_id == bindparam("account"), findings.c.finding_id.in_(_KEYS)
)
_PUT_FINDINGS = PerEngine(
    findings,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[findings.c.account_id, findings.c.finding_id],
        set_={
            name: insert.excluded[name]
            for name in ("risk_level", "occurred_at", "recorded_at", "details", "digest", "exception_id")
        },
    ),
)
_SURPLUS = (
    select(findings.c.finding_id)
    .where(findings.c.account_id == bindparam("account"), findings.c.user_id == bindparam("user"))
    .order_by(findings.c.resets.desc(), findings.c.occurred_at.desc(), findings.c.finding_id.desc())
    .offset(bindparam("keep"))
    .limit(bindparam("most"))
)
_TRIM = delete(findings).where(findings.c.account_id == bindparam("account"), findings.c.finding_id.in_(_SURPLUS))


def recorded_from(row: Row[*tuple[Any, ...]]) -> RecordedFinding:
    """Build a finding from a row of `findings`."""
    return RecordedFinding(
        finding_id=FindingId(row.finding_id),
        user_id=UserId(row.user_id),
        behavior=BehaviorId(row.behavior),
        risk_level=RiskLevel(row.risk_level),
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        resets=row.resets,
        details_json=row.details,
        digest=row.digest,
        exception_id=row.exception_id,
    )


class FindingRows:
    """Implements ports.Findings."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def add(self, recorded: Sequence[RecordedFinding]) -> None:
        rows: list[tuple[object, ...]] = [
            (
                self._account_id,
                finding.finding_id,
                finding.user_id,
                finding.behavior,
                finding.risk_level,
                number_of(finding.occurred_at),
                number_of(finding.recorded_at),
                finding.resets,
                finding.details_json,
                finding.digest,
                finding.exception_id,
            )
            for finding in recorded
        ]
        _ADD_FINDINGS.run(self._connection, rows)

    def digests(self, finding_ids: Collection[FindingId]) -> dict[FindingId, bytes]:
        found: dict[FindingId, bytes] = {}
        for part in in_parts(list(finding_ids)):
            rows = self._connection.execute(_DIGESTS, {"account": self._account_id, "keys": part})
            found |= {row.finding_id: row.digest for row in rows}
        return found

    def get(self, finding_ids: Collection[FindingId]) -> list[RecordedFinding]:
        found: list[RecordedFinding] = []
        for part in in_parts(list(finding_ids)):
            rows = self._connection.execute(_FINDINGS_BY_ID, {"account": self._account_id, "keys": part})
            found += [recorded_from(row) for row in rows]
        return found

    def replace(self, old: Collection[FindingId], new: Sequence[RecordedFinding]) -> None:
        for part in in_parts(list(old)):
            self._connection.execute(_DELETE_FINDINGS, {"account": self._account_id, "keys": part})
        if new:
            self._connection.execute(_PUT_FINDINGS.on(self._connection), [self._row(finding) for finding in new])

    def trim(self, user_id: UserId, keep: int, limit: int) -> int:
        asked = {"account": self._account_id, "user": user_id, "keep": keep, "most": limit}
        return self._connection.execute(_TRIM, asked).rowcount

    def recorded_after(self, user_ids: Collection[UserId], moment: datetime) -> frozenset[UserId]:
        return users_with_later_findings(self._connection, self._account_id, user_ids, moment)

    def tally(self, user_ids: Collection[UserId]) -> dict[UserId, FindingTally]:
        return tally(self._connection, self._account_id, user_ids)

    def _row(self, finding: RecordedFinding) -> dict[str, object]:
        return {
            "account_id": self._account_id,
            "finding_id": finding.finding_id,
            "user_id": finding.user_id,
            "behavior": finding.behavior,
            "risk_level": int(finding.risk_level),
            "occurred_at": finding.occurred_at,
            "recorded_at": finding.recorded_at,
            "resets": finding.resets,
            "details": finding.details_json,
            "digest": finding.digest,
            "exception_id": finding.exception_id,
        }
