"""Letting time pass for the database: its clock cannot be moved, so everything that is measured by it is."""

import json
from datetime import timedelta
from typing import cast

from sqlalchemy import Connection, select, update

from riskrelay.ports import Installation, Store
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.tables import clock_readings, users
from riskrelay.storage.times import micros

_TRIGGERED = select(users.c.account_id, users.c.user_id, users.c.triggered_at).where(users.c.triggered_at.is_not(None))
_MOVED = {
    "lanes": ("due_at", "blocked_until", "lease_until", "attempted_at", "delivered_at"),
    "events": ("queued_at",),
    "held_events": ("due_at", "replayed_at"),
    "clock_readings": ("seen_at",),
    "exceptions": ("ends_at",),
    "findings": ("occurred_at",),
    "rule_work": ("lease_until",),
    "streams": ("active_at", "created_at", "verified_at", "status_at"),
}


async def pass_time(store: Store, duration: timedelta) -> None:
    """As if *duration* had passed for leases, waits and ages."""

    def move(tx: Installation) -> None:
        connection = cast(InstallationTransaction, tx)._connection
        for table, columns in _MOVED.items():
            moved = ", ".join(f"{column} = {column} - {micros(duration)}" for column in columns)
            connection.exec_driver_sql(f"UPDATE {table} SET {moved}")
        for (steps,) in connection.execute(select(clock_readings.c.steps)).all():
            older = [[at - micros(duration), by] for at, by in json.loads(steps)]
            connection.execute(update(clock_readings).values(steps=json.dumps(older)))
        _move_levels(connection, duration)

    await store.write_installation(move)


async def pass_time_of_levels(store: Store, duration: timedelta) -> None:
    """As if *duration* had passed for the levels of users only, while a process watched the clock."""

    def move(tx: Installation) -> None:
        _move_levels(cast(InstallationTransaction, tx)._connection, duration)

    await store.write_installation(move)


def _move_levels(connection: Connection, duration: timedelta) -> None:
    by = micros(duration)
    connection.exec_driver_sql(
        f"UPDATE users SET next_change_at = next_change_at - {by}, changed_at = changed_at - {by}"
    )
    for account, user, times in connection.execute(_TRIGGERED).all():
        earlier = {behavior: at - by for behavior, at in json.loads(times).items()}
        this = (users.c.account_id == account) & (users.c.user_id == user)
        connection.execute(update(users).where(this).values(triggered_at=json.dumps(earlier)))
