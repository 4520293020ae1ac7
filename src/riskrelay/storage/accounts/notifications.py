"""Notification channels, by account, and those of all accounts that have a message to send."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, select, update
from sqlalchemy import insert as insert_into

from riskrelay.core.integrations import AccountId
from riskrelay.core.notifications.channels import Channel, ChannelId, ChannelKind, Condition
from riskrelay.core.notifications.deciding import Change, News, NotifiedProblem, Pace
from riskrelay.core.notifications.messages import Message
from riskrelay.ports import ChannelState, SendResult, WaitingMessage
from riskrelay.storage.accounts.credentials import IS_DELETED
from riskrelay.storage.statements import PerEngine
from riskrelay.storage.tables import accounts, notification_channels, notified_problems

_MESSAGE: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_NO_MESSAGE = {"message": None, "message_attempts": 0, "message_due_at": None}
_REMEMBER = PerEngine(
    notified_problems,
    lambda insert: insert.on_conflict_do_update(
        index_elements=list(notified_problems.primary_key.columns),
        set_={name: insert.excluded[name] for name in ("name", "opened_at", "notified_at")},
    ),
)


class ChannelRows:
    """Implements ports.Channels."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._account_id = account_id
        self._locking = locking

    def _of(self, table: Table, channel_id: ChannelId) -> ColumnElement[bool]:
        return (table.c.account_id == self._account_id) & (table.c.channel_id == channel_id)

    def _set(self, channel_id: ChannelId, **values: Any) -> None:
        here = self._of(notification_channels, channel_id)
        self._connection.execute(update(notification_channels).where(here).values(values))

    def add(self, channel: Channel) -> None:
        row = {
            "account_id": self._account_id,
            "channel_id": channel.channel_id,
            "kind": channel.kind.value,
            "created_at": channel.created_at,
            **_changeable(channel),
        }
        self._connection.execute(insert_into(notification_channels).values(row))

    def update(self, channel: Channel) -> None:
        self._set(channel.channel_id, **_changeable(channel))

    def delete(self, channel_id: ChannelId) -> None:
        for table in (notified_problems, notification_channels):
            self._connection.execute(delete(table).where(self._of(table, channel_id)))

    def get(self, channel_id: ChannelId) -> ChannelState | None:
        query = select(notification_channels).where(self._of(notification_channels, channel_id))
        row = self._connection.execute(query.with_for_update() if self._locking else query).first()
        return None if row is None else _state(row)

    def all(self) -> list[ChannelState]:
        query = (
            select(notification_channels)
            .where(notification_channels.c.account_id == self._account_id)
            .order_by(notification_channels.c.channel_id)
        )
        rows = self._connection.execute(query.with_for_update() if self._locking else query)
        return [_state(row) for row in rows]

    def notified(self) -> dict[ChannelId, list[NotifiedProblem]]:
        query = (
            select(notified_problems)
            .where(notified_problems.c.account_id == self._account_id)
            .order_by(*notified_problems.primary_key.columns)
        )
        found: dict[ChannelId, list[NotifiedProblem]] = defaultdict(list)
        for row in self._connection.execute(query):
            notified = NotifiedProblem(
                condition=Condition(row.condition),
                thing_id=row.thing_id,
                name=row.name,
                opened_at=row.opened_at,
                notified_at=row.notified_at,
            )
            found[ChannelId(row.channel_id)].append(notified)
        return found

    def forget(self, channel_id: ChannelId) -> None:
        self._connection.execute(delete(notified_problems).where(self._of(notified_problems, channel_id)))
        self._set(channel_id, held_since=None, **_NO_MESSAGE)

    def queue(self, channel_id: ChannelId, changes: Sequence[Change], message: Message, pace: Pace) -> None:
        text = msgspec.json.encode(message).decode()
        self._set(channel_id, message=text, message_attempts=0, message_due_at=message.at, **asdict(pace))
        open_now = [change.notified for change in changes if change.news is not News.CLEARED]
        key = {"account_id": self._account_id, "channel_id": channel_id}
        rows = [{**key, **asdict(one), "condition": one.condition.value} for one in open_now]
        if rows:
            self._connection.execute(_REMEMBER.on(self._connection), rows)
        for change in changes:
            if change.news is News.CLEARED:
                condition, thing_id = change.notified.key
                this = (notified_problems.c.condition == condition.value) & (notified_problems.c.thing_id == thing_id)
                self._connection.execute(delete(notified_problems).where(self._of(notified_problems, channel_id), this))

    def set_pace(self, channel_id: ChannelId, pace: Pace) -> None:
        self._set(channel_id, **asdict(pace))

    def postpone(self, channel_id: ChannelId, attempts: int, due_at: datetime) -> None:
        self._set(channel_id, message_attempts=attempts, message_due_at=due_at)

    def settle(self, channel_id: ChannelId, result: SendResult, *, is_over: bool) -> None:
        over = _NO_MESSAGE if is_over else {}
        self._set(channel_id, result_at=result.at, result_problem=result.problem, **over)


class DueNotificationRows:
    """Implements ports.DueNotifications."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def accounts(self) -> list[AccountId]:
        query = (
            select(notification_channels.c.account_id)
            .join(accounts, accounts.c.account_id == notification_channels.c.account_id)
            .where(notification_channels.c.active, ~IS_DELETED)
            .distinct()
            .order_by(notification_channels.c.account_id)
        )
        return [AccountId(found) for found in self._connection.execute(query).scalars()]

    def due(self, now: datetime, limit: int) -> list[tuple[AccountId, ChannelId]]:
        query = (
            select(notification_channels.c.account_id, notification_channels.c.channel_id)
            .join(accounts, accounts.c.account_id == notification_channels.c.account_id)
            .where(notification_channels.c.message_due_at <= now, ~IS_DELETED)
            .order_by(notification_channels.c.message_due_at)
            .limit(limit)
        )
        return [(AccountId(row.account_id), ChannelId(row.channel_id)) for row in self._connection.execute(query)]

    def email_channels(self) -> int:
        query = select(func.count()).where(
            notification_channels.c.kind == ChannelKind.EMAIL.value, notification_channels.c.active
        )
        return int(self._connection.execute(query).scalar_one())


def _changeable(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "shown_target": channel.shown_target,
        "sealed_target": channel.sealed_target,
        "conditions": " ".join(sorted(channel.conditions)),
        "backlog_after_seconds": channel.backlog_after // timedelta(seconds=1),
        "active": channel.active,
    }


def _state(row: Row[*tuple[Any, ...]]) -> ChannelState:
    channel = Channel(
        account_id=AccountId(row.account_id),
        channel_id=ChannelId(row.channel_id),
        kind=ChannelKind(row.kind),
        name=row.name,
        shown_target=row.shown_target,
        sealed_target=row.sealed_target,
        conditions=frozenset(map(Condition, row.conditions.split())),
        backlog_after=timedelta(seconds=row.backlog_after_seconds),
        active=row.active,
        created_at=row.created_at,
    )
    waiting = None
    if row.message is not None:
        waiting = WaitingMessage(
            message=_MESSAGE.decode(row.message), attempts=row.message_attempts, due_at=row.message_due_at
        )
    return ChannelState(
        channel=channel,
        pace=Pace(hour_began_at=row.hour_began_at, sent_in_hour=row.sent_in_hour, held_since=row.held_since),
        result=None if row.result_at is None else SendResult(row.result_at, row.result_problem),
        waiting=waiting,
    )
