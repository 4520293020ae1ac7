"""Erase users in short steps. What is left to do is a row, so that any process can go on after a crash.

A test holds `ERASED_TABLES` and the tables together: a new table must be named there, or in the test with the reason
why it has nothing about a user.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, and_, bindparam, delete, exists, insert, or_, select, tuple_, update

from riskrelay.core.email_addresses import email_key
from riskrelay.core.erasures import Erasure
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.findings import UserId
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.storage.delivery.erased_events import EventPlace, erase_events
from riskrelay.storage.tables import (
    HAS_SHORT_SUBJECT,
    IS_OF_OTHER_SUBJECT,
    attempts,
    directory_entries,
    erasures,
    event_requests,
    events,
    exceptions,
    held_events,
    lanes,
    metadata,
    missed_names,
    streams,
    subject_statements,
    users,
)
from riskrelay.storage.times import moment, number_of


def _with_column(name: str) -> tuple[Table, ...]:
    """Return the tables of rows about users, which have that column, those that refer to others first."""
    tables = reversed(metadata.sorted_tables)
    return tuple(table for table in tables if name in table.columns and table not in (users, erasures))


# From the schema, so that a new table with one of these columns cannot be left out.
OF_USER = _with_column("user_id")
OF_ADDRESS = _with_column("email_key")
ERASED_TABLES = (
    *OF_USER,
    *OF_ADDRESS,
    *(missed_names, exceptions, subject_statements, events, held_events, attempts, event_requests, users, erasures),
)

_SCANNED = 1_000  # guessed: rows that one step reads to find those about the user
_KEY_OF_ERASED = " erased {}"  # no address begins with a space, so the address can be that of a new user
_NUMBERED = (events.c.stream_id, events.c.lane, events.c.seq)


@dataclass(frozen=True, slots=True)
class _Done:
    """What a stage did in one step.

    Attributes:
        rows: how many rows it changed.
        place: all up to here is done; None: the stage is over.
    """

    rows: int
    place: list[str | int] | None = None
    is_over: bool = True


_Stage = Callable[[Connection, AccountId, Erasure, int], _Done]


class ErasureRows:
    """Implements ports.Erasures."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def begin(self, user: Standing, at: datetime) -> None:
        self._connection.execute(
            insert(erasures).values(
                account_id=self._account_id,
                user_id=user.user_id,
                email=user.email,
                newest=msgspec.json.encode(self._newest()).decode(),
                stage=0,
                begun_at=at,
            )
        )
        # The row stays until nothing refers to it. Nothing finds it any more, and its address is free.
        nothing = {column.name: None for column in users.columns if column.nullable}
        self._connection.execute(
            update(users)
            .where(users.c.account_id == self._account_id, users.c.user_id == user.user_id)
            .values(email_key=_KEY_OF_ERASED.format(user.user_id), email="", triggered="", event_count=0, **nothing)
        )

    def get(self, user_id: UserId) -> Erasure | None:
        row = self._connection.execute(select(erasures).where(self._one(user_id))).first()
        return None if row is None else _erasure(row)

    def step(self, user_id: UserId, limit: int) -> bool:
        # One process at a time: others skip it, because each step is as good as another one.
        query = select(erasures).where(self._one(user_id)).with_for_update(skip_locked=True)
        row = self._connection.execute(query).first()
        if row is None:
            return False
        before = erasure = _erasure(row)
        left = limit
        while left > 0:
            if erasure.stage == len(_STAGES):
                self._connection.execute(delete(erasures).where(self._one(user_id)))
                return False
            done = _STAGES[erasure.stage](self._connection, self._account_id, erasure, left)
            left -= done.rows
            if not done.is_over:
                erasure = replace(erasure, place=done.place)
                break
            erasure = replace(erasure, stage=erasure.stage + 1, place=None)
        if (erasure.stage, erasure.place) != (before.stage, before.place):
            place = None if erasure.place is None else msgspec.json.encode(erasure.place).decode()
            self._connection.execute(
                update(erasures).where(self._one(user_id)).values(stage=erasure.stage, place=place)
            )
        return True

    def _one(self, user_id: UserId) -> Any:
        return (erasures.c.account_id == self._account_id) & (erasures.c.user_id == user_id)

    def _newest(self) -> dict[str, dict[str, int]]:
        """Return the newest event of each lane: later ones are about a new user of the address."""
        query = select(lanes.c.stream_id, lanes.c.lane, lanes.c.last_seq).where(
            lanes.c.account_id == self._account_id, lanes.c.last_seq > 0
        )
        newest: dict[str, dict[str, int]] = {}
        for row in self._connection.execute(query):
            newest.setdefault(row.stream_id, {})[str(row.lane)] = row.last_seq
        return newest


def running_erasures(connection: Connection, limit: int) -> list[tuple[AccountId, UserId]]:
    """Return the first *limit* erasures of all accounts that are not finished."""
    query = select(erasures.c.account_id, erasures.c.user_id).order_by(erasures.c.begun_at).limit(limit)
    return [(AccountId(row.account_id), UserId(row.user_id)) for row in connection.execute(query)]


def delete_some(connection: Connection, table: Table, condition: Any, limit: int) -> int:
    """Delete at most *limit* rows of a table that match, each by its key. Return their number."""
    key = list(table.primary_key.columns)
    found = connection.execute(select(*key).where(condition).limit(limit)).all()
    if found:
        this = and_(*(column == bindparam(f"key_{column.name}", type_=column.type) for column in key))
        rows = [{f"key_{column.name}": value for column, value in zip(key, row, strict=True)} for row in found]
        connection.execute(delete(table).where(this), rows)
    return len(found)


def _rows_of_user(connection: Connection, account_id: AccountId, erasure: Erasure, limit: int) -> _Done:
    conditions = [(table, table.c.user_id == erasure.user_id) for table in OF_USER]
    conditions += [(table, table.c.email_key == erasure.email_key) for table in OF_ADDRESS]
    left = limit
    for table, condition in conditions:
        if table is directory_entries:
            _delete_missed_names(connection, account_id, erasure)
            _delete_exceptions(connection, account_id, erasure)
        left -= delete_some(connection, table, (table.c.account_id == account_id) & condition, left)
        if left <= 0:
            return _Done(limit, is_over=False)
    return _Done(limit - left)


def _delete_missed_names(connection: Connection, account_id: AccountId, erasure: Erasure) -> None:
    """Delete the names that the directory did not have, as far as they are the address or one of its names now."""
    same = and_(
        directory_entries.c.account_id == missed_names.c.account_id,
        directory_entries.c.kind == missed_names.c.kind,
        directory_entries.c.name_key == missed_names.c.name_key,
        directory_entries.c.email_key == erasure.email_key,
    )
    is_one = or_(missed_names.c.name_key == erasure.email_key, exists().where(same))
    connection.execute(delete(missed_names).where(missed_names.c.account_id == account_id, is_one))


def _delete_exceptions(connection: Connection, account_id: AccountId, erasure: Erasure) -> None:
    """Delete the exceptions of the address. An account has a bounded number of exceptions."""
    query = select(exceptions.c.exception_id, exceptions.c.covered).where(exceptions.c.account_id == account_id)
    for row in connection.execute(query).all():
        if email_key(row.covered) == erasure.email_key:
            this = (exceptions.c.account_id == account_id) & (exceptions.c.exception_id == row.exception_id)
            connection.execute(delete(exceptions).where(this))


def _events(connection: Connection, account_id: AccountId, erasure: Erasure, limit: int) -> _Done:
    """Erase the events about the address, which the index of subjects finds."""
    place = (events.c.queued_at, *_NUMBERED)
    query = select(*place).where(
        events.c.account_id == account_id,
        events.c.subject_key == subject_key(email_subject(erasure.email)),
        HAS_SHORT_SUBJECT,
    )
    if erasure.place is not None:
        query = query.where(tuple_(*place) > (moment(int(erasure.place[0])), *erasure.place[1:]))
    rows = connection.execute(query.order_by(*place).limit(limit)).all()
    _erase(connection, account_id, erasure, rows)
    if len(rows) < limit:
        return _Done(len(rows))
    last = rows[-1]
    at = number_of(last.queued_at)
    return _Done(len(rows), [at or 0, last.stream_id, last.lane, last.seq], is_over=False)


def _events_of_other_subjects(connection: Connection, account_id: AccountId, erasure: Erasure, limit: int) -> _Done:
    """Erase events whose subject has the address among others, such as a user's session."""
    query = select(*_NUMBERED, events.c.subject_key).where(events.c.account_id == account_id, IS_OF_OTHER_SUBJECT)
    if erasure.place is not None:
        query = query.where(tuple_(*_NUMBERED) > tuple(erasure.place))
    rows = connection.execute(query.order_by(*_NUMBERED).limit(_SCANNED)).all()
    named = [row for row in rows if erasure.names_user(row.subject_key)][:limit]
    _erase(connection, account_id, erasure, named)
    if len(rows) < _SCANNED and len(named) < limit:
        return _Done(len(named))
    last = named[-1] if len(named) == limit else rows[-1]
    return _Done(len(named), [last.stream_id, last.lane, last.seq], is_over=False)


def _erase(
    connection: Connection, account_id: AccountId, erasure: Erasure, rows: Sequence[Row[*tuple[Any, ...]]]
) -> None:
    old = [row for row in rows if row.seq <= erasure.newest.get(row.stream_id, {}).get(str(row.lane), 0)]
    erase_events(connection, account_id, [EventPlace(row.stream_id, row.lane, row.seq) for row in old])


def _subjects(connection: Connection, account_id: AccountId, erasure: Erasure, limit: int) -> _Done:
    """Delete what receivers stated about the user, such as that they take no events about it."""
    key = (subject_statements.c.stream_id, subject_statements.c.subject_hash)
    query = select(*key, subject_statements.c.subject).where(subject_statements.c.account_id == account_id)
    if erasure.place is not None:
        query = query.where(tuple_(*key) > tuple(erasure.place))
    rows = connection.execute(query.order_by(*key).limit(_SCANNED)).all()
    named = [row for row in rows if erasure.names_user(row.subject)][:limit]
    for row in named:
        of_stream = (subject_statements.c.account_id == account_id) & (subject_statements.c.stream_id == row.stream_id)
        connection.execute(
            delete(subject_statements).where(of_stream, subject_statements.c.subject_hash == row.subject_hash)
        )
        connection.execute(
            update(streams)
            .where(streams.c.account_id == account_id, streams.c.stream_id == row.stream_id)
            .values(has_statements=exists().where(of_stream))
        )
    if len(rows) < _SCANNED and len(named) < limit:
        return _Done(len(named))
    last = named[-1] if len(named) == limit else rows[-1]
    return _Done(len(named), [last.stream_id, last.subject_hash], is_over=False)


def _user(connection: Connection, account_id: AccountId, erasure: Erasure, _limit: int) -> _Done:
    of_user = (users.c.account_id == account_id) & (users.c.user_id == erasure.user_id)
    return _Done(connection.execute(delete(users).where(of_user)).rowcount)


_STAGES: tuple[_Stage, ...] = (_rows_of_user, _events, _events_of_other_subjects, _subjects, _user)


def _erasure(row: Row[*tuple[Any, ...]]) -> Erasure:
    return Erasure(
        user_id=UserId(row.user_id),
        email=row.email,
        newest=msgspec.json.decode(row.newest),
        stage=row.stage,
        place=None if row.place is None else msgspec.json.decode(row.place),
        begun_at=row.begun_at,
    )
