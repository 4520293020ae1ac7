"""Bulk resets, by account."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, literal, or_, select, update

from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId
from riskrelay.core.jobs import JobStatus
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.bulk_resets import BulkReset, BulkResetFilter, BulkResetId
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import DueReset
from riskrelay.storage.risk.risk_filters import RISKIEST_FIRST, besides_level, matching
from riskrelay.storage.risk.users import standing_from
from riskrelay.storage.statements import BulkInsert, in_parts
from riskrelay.storage.tables import bulk_reset_users, bulk_resets, users
from riskrelay.storage.times import database_now, micros

_ADD_USERS = BulkInsert(bulk_reset_users, "account_id", "reset_id", "user_id")
_RUNNING = JobStatus.RUNNING.value


class BulkResetRows:
    """Implements ports.BulkResets."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._account_id = account_id
        self._locking = locking

    def add(self, started: BulkReset, actor: Actor) -> None:
        wanted = started.filter
        self._connection.execute(
            insert(bulk_resets).values(
                account_id=self._account_id,
                reset_id=started.reset_id,
                status=started.status.value,
                level=None if wanted.level is None else int(wanted.level),
                behavior=wanted.behavior,
                last_event_from=wanted.last_event_from,
                last_event_to=wanted.last_event_to,
                listed=started.listed,
                reason=started.reason,
                actor_token_id=actor.token_id,
                actor_name=actor.name,
                actor_address=actor.address,
                total=started.total,
                users_reset=started.reset,
                users_skipped=started.skipped,
                place=started.place,
                due_at=0,
                created_at=started.created_at,
            )
        )
        listed = sorted(set(wanted.users or ()))
        _ADD_USERS.run(self._connection, [(self._account_id, started.reset_id, user_id) for user_id in listed])

    def get(self, reset_id: BulkResetId) -> tuple[BulkReset, Actor] | None:
        query = select(bulk_resets).where(self._one(reset_id))
        row = self._connection.execute(query.with_for_update() if self._locking else query).first()
        return None if row is None else (_reset_from(row), _actor_from(row))

    def all(self, limit: int) -> list[BulkReset]:
        query = (
            select(bulk_resets)
            .where(bulk_resets.c.account_id == self._account_id)
            .order_by(bulk_resets.c.created_at.desc(), bulk_resets.c.reset_id)
            .limit(limit)
        )
        return [_reset_from(row) for row in self._connection.execute(query)]

    def matching(self, wanted: BulkResetFilter, sample: int) -> tuple[int, list[Standing]]:
        if wanted.users is not None:
            return self._matching_listed(wanted, wanted.users, sample)
        conditions = matching(self._account_id, wanted.at_risk)
        count = self._connection.execute(select(func.count()).select_from(users).where(*conditions)).scalar_one()
        query = select(users).where(*conditions).order_by(*RISKIEST_FIRST).limit(sample)
        return count, [standing_from(row) for row in self._connection.execute(query)]

    def next_users(self, running: BulkReset, limit: int) -> list[Standing]:
        # Not the level's own column: with an index of it, each step would read and sort all remaining users.
        wanted = running.filter
        level = users.c.level + literal(0)
        is_level = level >= int(min(RiskLevel)) if wanted.level is None else level == int(wanted.level)
        conditions = [
            users.c.account_id == self._account_id,
            is_level,
            *besides_level(self._account_id, wanted.at_risk),
        ]
        query = select(users)
        if running.listed is not None:
            of_user = (bulk_reset_users.c.account_id == users.c.account_id) & (
                bulk_reset_users.c.user_id == users.c.user_id
            )
            query = select(users).select_from(users.join(bulk_reset_users, of_user))
            conditions.append(bulk_reset_users.c.reset_id == running.reset_id)
        page = query.where(*conditions, users.c.user_id > running.place).order_by(users.c.user_id).limit(limit)
        return [standing_from(row) for row in self._connection.execute(page)]

    def take_step(self, running: BulkReset, pause: timedelta) -> bool:
        taken = (
            update(bulk_resets)
            .where(
                self._one(running.reset_id),
                bulk_resets.c.status == _RUNNING,
                bulk_resets.c.place == running.place,
                is_due(pause),
            )
            .values(due_at=database_now() + micros(pause))
        )
        return self._connection.execute(taken).rowcount == 1

    def save(self, changed: BulkReset) -> None:
        self._connection.execute(
            update(bulk_resets)
            .where(self._one(changed.reset_id))
            .values(
                status=changed.status.value,
                users_reset=changed.reset,
                users_skipped=changed.skipped,
                place=changed.place,
            )
        )
        if changed.status.is_over:
            of_reset = (bulk_reset_users.c.account_id == self._account_id) & (
                bulk_reset_users.c.reset_id == changed.reset_id
            )
            self._connection.execute(delete(bulk_reset_users).where(of_reset))

    def _one(self, reset_id: BulkResetId) -> ColumnElement[bool]:
        return (bulk_resets.c.account_id == self._account_id) & (bulk_resets.c.reset_id == reset_id)

    def _matching_listed(
        self, wanted: BulkResetFilter, listed: Sequence[UserId], sample: int
    ) -> tuple[int, list[Standing]]:
        found: list[Standing] = []
        for part in in_parts(sorted(set(listed))):
            query = select(users).where(*matching(self._account_id, wanted.at_risk), users.c.user_id.in_(part))
            found += [standing_from(row) for row in self._connection.execute(query)]
        found.sort(key=lambda one: (-int(one.level or 0), one.user_id))
        return len(found), found[:sample]


def is_due(pause: timedelta) -> ColumnElement[bool]:
    """Build the condition that the next step of a bulk reset is due.

    A time further away than a pause was set before the database's clock was put back.
    """
    now = database_now()
    return or_(bulk_resets.c.due_at <= now, bulk_resets.c.due_at > now + micros(pause))


def running_resets(connection: Connection, pause: timedelta, limit: int) -> list[DueReset]:
    """Return running bulk resets of all accounts, the oldest first, each with whether its next step is due."""
    query = (
        select(bulk_resets.c.account_id, bulk_resets.c.reset_id, is_due(pause).label("is_due"))
        .where(bulk_resets.c.status == _RUNNING)
        .order_by(bulk_resets.c.created_at)
        .limit(limit)
    )
    return [(row.account_id, row.reset_id, bool(row.is_due)) for row in connection.execute(query)]


def _reset_from(row: Row[*tuple[Any, ...]]) -> BulkReset:
    return BulkReset(
        reset_id=BulkResetId(row.reset_id),
        filter=BulkResetFilter(
            level=None if row.level is None else RiskLevel(row.level),
            behavior=None if row.behavior is None else BehaviorId(row.behavior),
            last_event_from=row.last_event_from,
            last_event_to=row.last_event_to,
        ),
        listed=row.listed,
        status=JobStatus(row.status),
        reason=row.reason,
        total=row.total,
        reset=row.users_reset,
        skipped=row.users_skipped,
        created_at=row.created_at,
        place=UserId(row.place),
    )


def _actor_from(row: Row[*tuple[Any, ...]]) -> Actor:
    return Actor(row.actor_token_id, row.actor_name, row.actor_address)
