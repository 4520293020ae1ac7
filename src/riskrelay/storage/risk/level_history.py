"""The history of users' risk levels, by account."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, select, tuple_

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import ChangeKind, LevelChange
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import NamedRule
from riskrelay.ports import HistoryPlace, PastChange
from riskrelay.storage.statements import BulkInsert
from riskrelay.storage.tables import level_changes
from riskrelay.storage.times import number_of

_TRIMMED_AT_MOST = 500  # guessed: more than a user can have above the quota; the next trim deletes the rest
_TRIMMING_END = "00"  # a change whose random id ends so trims its user's history: one of 256

_ADD = BulkInsert(level_changes, *(column.name for column in level_changes.columns))
_OF_ACCOUNT = level_changes.c.account_id == bindparam("account")
_OF_USER = _OF_ACCOUNT & (level_changes.c.user_id == bindparam("user"))
_PLACE = tuple_(level_changes.c.changed_at, level_changes.c.change_id)
_NEWEST_FIRST = (level_changes.c.changed_at.desc(), level_changes.c.change_id.desc())
NEWEST_CHANGES = select(level_changes).where(_OF_USER).order_by(*_NEWEST_FIRST).limit(bindparam("limit"))
_BEFORE = tuple_(bindparam("at", type_=level_changes.c.changed_at.type), bindparam("id"))
OLDER_CHANGES = NEWEST_CHANGES.where(_PLACE < _BEFORE)
_LONG = (
    select(level_changes.c.user_id)
    .where(_OF_ACCOUNT, level_changes.c.user_id.in_(bindparam("keys", expanding=True)))
    .group_by(level_changes.c.user_id)
    .having(func.count() > bindparam("keep"))
)
_SURPLUS = (
    select(level_changes.c.changed_at, level_changes.c.change_id)
    .where(_OF_USER)
    .order_by(*_NEWEST_FIRST)
    .offset(bindparam("keep"))
    .limit(bindparam("most"))
)
_TRIM = delete(level_changes).where(_OF_USER, _PLACE.in_(_SURPLUS))


class _Rules(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The rules of a level change, as they are stored."""

    giving: tuple[NamedRule, ...] = ()
    revoking: tuple[NamedRule, ...] = ()


_NO_RULES = _Rules()
_read_rules = msgspec.json.Decoder(_Rules).decode


class LevelHistoryRows:
    """Implements ports.LevelHistory."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def add(self, changes: Sequence[tuple[str, LevelChange]], keep: int) -> None:
        _ADD.run(self._connection, [self._row(change_id, change) for change_id, change in changes])
        self._trim({change.user_id for change_id, change in changes if change_id.endswith(_TRIMMING_END)}, keep)

    def page(self, user_id: UserId, before: HistoryPlace | None, limit: int) -> list[PastChange]:
        asked = {"account": self._account_id, "user": user_id, "limit": limit}
        if before is None:
            rows = self._connection.execute(NEWEST_CHANGES, asked)
        else:
            rows = self._connection.execute(OLDER_CHANGES, {**asked, "at": before[0], "id": before[1]})
        return [_change_from(row) for row in rows]

    def _row(self, change_id: str, change: LevelChange) -> tuple[object, ...]:
        return (
            self._account_id,
            change.user_id,
            number_of(change.changed_at),
            change_id,
            change.previous,
            change.current,
            change.kind.value,
            ",".join(change.behaviors) or None,
            change.reason or None,
            msgspec.json.encode(change.findings).decode() if change.findings else None,
            change.rule,
            change.actor,
            change.note,
            _written(change),
        )

    def _trim(self, user_ids: set[UserId], keep: int) -> None:
        """Delete the oldest changes above *keep* of some users. A few of each batch are enough to bound all users."""
        if not user_ids:
            return
        asked = {"account": self._account_id, "keep": keep}
        for user_id in self._connection.execute(_LONG, {**asked, "keys": sorted(user_ids)}).scalars().all():
            self._connection.execute(_TRIM, {**asked, "user": user_id, "most": _TRIMMED_AT_MOST})


def _written(change: LevelChange) -> str | None:
    if not change.rules and not change.revoking:
        return None
    return msgspec.json.encode(_Rules(giving=change.rules, revoking=change.revoking)).decode()


def _change_from(row: Row[*tuple[Any, ...]]) -> PastChange:
    rules = _NO_RULES if row.rules is None else _read_rules(row.rules)
    return PastChange(
        change_id=row.change_id,
        changed_at=row.changed_at,
        previous=None if row.previous is None else RiskLevel(row.previous),
        current=None if row.current is None else RiskLevel(row.current),
        kind=ChangeKind(row.kind),
        behaviors=[BehaviorId(word) for word in (row.behaviors or "").split(",") if word],
        reason=row.reason or "",
        findings=msgspec.json.decode(row.findings) if row.findings else (),
        rule=row.rule,
        actor=row.actor,
        note=row.note,
        rules=rules.giving,
        revoking=rules.revoking,
    )
