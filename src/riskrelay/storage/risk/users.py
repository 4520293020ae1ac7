"""Users, by account."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, Row, Text, bindparam, func, select, update

from riskrelay.core.errors import UserMismatch
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import RuleId
from riskrelay.ports import UserProfile
from riskrelay.storage.delivery.clock import read_confirmed_now
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.risk.saving_users import CHANGEABLE, save_at_once, save_each
from riskrelay.storage.risk.shown_findings import WITHOUT_DETAILS, read_shown
from riskrelay.storage.statements import BulkInsert, in_parts
from riskrelay.storage.tables import findings, users
from riskrelay.storage.times import moment, number_of

_KEYS: BindParameter[str] = bindparam("keys", expanding=True)
_TIMES: msgspec.json.Decoder[dict[str, int]] = msgspec.json.Decoder(dict[str, int])

_SHOWN = select(*(column for column in users.columns if column.name != "account_id")).where(
    users.c.account_id == bindparam("account")
)
_SHOWN_BY_ID = _SHOWN.where(users.c.user_id == bindparam("user"), users.c.email != "")  # not one being erased
_AT_RISK = users.c.level >= int(min(RiskLevel))  # not IS NOT NULL: so both engines read users_at_risk_index in order
_SUMMARY = (
    _SHOWN.where(_AT_RISK)
    .order_by(users.c.level.desc(), users.c.last_event_at.desc(), users.c.user_id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_COUNT_AT_RISK = select(func.count()).where(users.c.account_id == bindparam("account"), _AT_RISK)
_USERS_BY_EMAIL = _SHOWN.where(users.c.email_key.in_(_KEYS)).order_by(users.c.email_key)
# Of SQLite. The statement is the same for lists of any length, so it is not written and prepared anew for each.
_USERS_LISTED = Prepared(
    _SHOWN.where(
        users.c.email_key.in_(select(func.json_each(bindparam("listed", type_=Text)).table_valued("value").c.value))
    )
)
_USERS_TO_CHANGE = _USERS_BY_EMAIL.with_for_update()
_USER_BY_EMAIL = _SHOWN.where(users.c.email_key == bindparam("key"))
_USER_READ, _USER_TO_CHANGE = Prepared(_USER_BY_EMAIL), Prepared(_USER_BY_EMAIL.with_for_update())
_USER_BY_ID = _SHOWN_BY_ID.with_for_update()
_USERS_AT_RISK = (
    _SHOWN.where(users.c.triggered != "", users.c.user_id > bindparam("after"))
    .order_by(users.c.user_id)
    .limit(bindparam("limit"))
)
_USERS_DUE = (
    _SHOWN.where(users.c.user_id.in_(_KEYS), users.c.next_change_at.is_not(None))
    .order_by(users.c.user_id)
    .with_for_update(skip_locked=True)
)
_USERS_SHOWN = _SHOWN.where(users.c.user_id.in_(_KEYS), users.c.email != "").order_by(users.c.user_id)
_USERS_UNLOCKED = _USERS_SHOWN.with_for_update(skip_locked=True)
_USED_IDS = select(users.c.user_id).where(users.c.account_id == bindparam("account"), users.c.user_id.in_(_KEYS))
_ADD_USERS = BulkInsert(
    users,
    *("account_id", "user_id", "email_key", "email", "name", "level", "triggered", "event_count", "last_event_at"),
    *("resets", "last_reset_at", "triggered_at", "changed_at", "next_change_at"),
)
_SAVE_USERS = (
    update(users)
    .where(users.c.account_id == bindparam("account"), users.c.user_id == bindparam("user"))
    .values({column: bindparam(f"new_{column}") for column in CHANGEABLE})
)
_DECIDE_SOON = (
    update(users)
    .where(users.c.account_id == bindparam("account"), users.c.email_key.in_(_KEYS), users.c.triggered != "")
    .values(next_change_at=bindparam("due"))
)
_LATEST_FINDINGS = (
    WITHOUT_DETAILS.where(
        findings.c.account_id == bindparam("account"),
        findings.c.user_id == bindparam("user"),
        findings.c.resets == bindparam("resets"),
    )
    .order_by(findings.c.occurred_at.desc(), findings.c.finding_id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


def standing_from(row: Row[*tuple[Any, ...]]) -> Standing:
    """Build a standing from a row with the columns of `users`."""
    return Standing(
        user_id=UserId(row.user_id),
        email=row.email,
        name=row.name,
        level=None if row.level is None else RiskLevel(row.level),
        triggered=behaviors_in(row.triggered),
        event_count=row.event_count,
        last_event_at=row.last_event_at,
        resets=row.resets,
        last_reset_at=row.last_reset_at,
        triggered_at={} if row.triggered_at is None else _times_from(row.triggered_at),
        changed_at=row.changed_at,
        next_change_at=row.next_change_at,
        holding={} if row.holding is None else holding_from(row.holding),
    )


@lru_cache(maxsize=1_024)  # most users of an account have the same few
def behaviors_in(triggered: str) -> frozenset[BehaviorId]:
    """Read the behaviors that a user has triggered."""
    return frozenset(BehaviorId(word) for word in triggered.split(",") if word)


def holding_from(stored: str) -> dict[RuleId, datetime]:
    """Read the rules that hold for a user, each with the time since which it does."""
    return {RuleId(rule_id): moment(at) for rule_id, at in _TIMES.decode(stored).items()}


def _times_from(stored: str) -> dict[BehaviorId, datetime]:
    return {BehaviorId(behavior): moment(at) for behavior, at in _TIMES.decode(stored).items()}


def _triggered(standing: Standing) -> str:
    return ",".join(sorted(standing.triggered))


def _written(times: Mapping[Any, datetime]) -> str | None:
    if not times:
        return None
    return msgspec.json.encode({one: number_of(at) for one, at in times.items()}, order="sorted").decode()


class UserRows:
    """Implements ports.Users."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._locking = locking
        self._account_id = account_id

    def find(self, references: Sequence[UserRef]) -> dict[str, Standing]:
        by_key = {reference.email_key: reference for reference in references}
        known = self._find(sorted(by_key))
        self._refuse_used_ids([reference for key, reference in by_key.items() if key not in known])
        for reference in references:
            if reference.user_id is not None:
                key = reference.email_key
                if reference.user_id != (known[key] if key in known else by_key[key]).user_id:
                    raise UserMismatch(key)
        return known

    def add(self, standings: Collection[Standing]) -> None:
        rows: list[tuple[object, ...]] = [
            (
                self._account_id,
                standing.user_id,
                standing.email_key,
                standing.email,
                standing.name,
                standing.level,
                _triggered(standing),
                standing.event_count,
                number_of(standing.last_event_at),
                standing.resets,
                number_of(standing.last_reset_at),
                _written(standing.triggered_at),
                number_of(standing.changed_at),
                number_of(standing.next_change_at),
            )
            for standing in sorted(standings, key=lambda standing: standing.email_key)  # so that none wait in a circle
        ]
        _ADD_USERS.run(self._connection, rows)

    def get(self, user_id: UserId) -> Standing | None:
        row = self._connection.execute(_USER_BY_ID, {"account": self._account_id, "user": user_id}).first()
        return None if row is None else standing_from(row)

    def at_risk(self, after: UserId, limit: int) -> list[Standing]:
        page = {"account": self._account_id, "after": after, "limit": limit}
        return [standing_from(row) for row in self._connection.execute(_USERS_AT_RISK, page)]

    def decide_soon(self, email_keys: Collection[str]) -> None:
        now = read_confirmed_now(self._connection) if email_keys else None
        for part in in_parts(sorted(email_keys)):
            asked = {"account": self._account_id, "keys": part, "due": now}
            self._connection.execute(_DECIDE_SOON, asked)

    def due(self, user_ids: Collection[UserId]) -> list[Standing]:
        found = self._connection.execute(_USERS_DUE, {"account": self._account_id, "keys": list(user_ids)})
        return [standing_from(row) for row in found]

    def unlocked(self, user_ids: Collection[UserId]) -> list[Standing]:
        query = _USERS_UNLOCKED if self._locking else _USERS_SHOWN
        found = self._connection.execute(query, {"account": self._account_id, "keys": list(user_ids)})
        return [standing_from(row) for row in found]

    def save(self, standings: Collection[Standing]) -> None:
        rows: list[dict[str, Any]] = [
            {
                "account": self._account_id,
                "user": standing.user_id,
                "new_name": standing.name,
                "new_level": None if standing.level is None else int(standing.level),
                "new_triggered": _triggered(standing),
                "new_event_count": standing.event_count,
                "new_last_event_at": standing.last_event_at,
                "new_resets": standing.resets,
                "new_last_reset_at": standing.last_reset_at,
                "new_triggered_at": _written(standing.triggered_at),
                "new_changed_at": standing.changed_at,
                "new_next_change_at": standing.next_change_at,
                "new_holding": _written(standing.holding),
            }
            for standing in standings
        ]
        is_sqlite = self._connection.dialect.name == "sqlite"
        if len(rows) > 1:
            (save_each if is_sqlite else save_at_once)(self._connection, self._account_id, rows)
        elif rows:
            self._connection.execute(_SAVE_USERS, rows)

    def summary(self, offset: int, limit: int) -> tuple[list[Standing], int]:
        page = {"account": self._account_id, "offset": offset, "limit": limit}
        rows = self._connection.execute(_SUMMARY, page)
        standings = [standing_from(row) for row in rows]
        total = self._connection.execute(_COUNT_AT_RISK, {"account": self._account_id}).scalar_one()
        return standings, total

    def profile(self, user_id: UserId, offset: int, limit: int) -> UserProfile | None:
        key = {"account": self._account_id, "user": user_id}
        row = self._connection.execute(_SHOWN_BY_ID, key).first()
        if row is None:
            return None
        standing = standing_from(row)
        page = {**key, "resets": standing.resets, "offset": offset, "limit": limit}
        return UserProfile(standing, read_shown(self._connection, self._account_id, _LATEST_FINDINGS, page))

    def _find(self, keys: Sequence[str]) -> dict[str, Standing]:
        if len(keys) == 1:  # without a list, which is written into the statement anew each time
            one = _USER_TO_CHANGE if self._locking else _USER_READ
            rows = one.rows(self._connection, {"account": self._account_id, "key": keys[0]})
            return {row.email_key: standing_from(row) for row in rows}
        if self._connection.dialect.name == "sqlite":
            listed = msgspec.json.encode(keys).decode()
            rows = _USERS_LISTED.rows(self._connection, {"account": self._account_id, "listed": listed})
            return {row.email_key: standing_from(row) for row in rows}
        found: dict[str, Standing] = {}
        for part in in_parts(keys):
            query = _USERS_TO_CHANGE if self._locking else _USERS_BY_EMAIL
            named = self._connection.execute(query, {"account": self._account_id, "keys": part})
            found |= {row.email_key: standing_from(row) for row in named}
        return found

    def _refuse_used_ids(self, references: Sequence[UserRef]) -> None:
        chosen: dict[UserId, UserRef] = {}
        for reference in references:
            if reference.user_id is None:
                continue
            if reference.user_id in chosen:
                raise UserMismatch(reference.email_key)
            chosen[reference.user_id] = reference
        for part in in_parts(list(chosen)):
            for row in self._connection.execute(_USED_IDS, {"account": self._account_id, "keys": part}):
                raise UserMismatch(chosen[row.user_id].email_key)
