"""Letting time pass for the database: its clock cannot be moved, so everything that is measured by it is."""

import json
from datetime import timedelta
from typing import cast

from sqlalchemy import select, update

from riskrelay.ports import Installation, Store
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.tables import clock_readings
from riskrelay.storage.times import micros

_MOVED = {
    "lanes": ("due_at", "blocked_until", "lease_until", "attempted_at", "delivered_at"),
    "events": ("queued_at",),
    "held_events": ("due_at", "replayed_at"),
    "clock_readings": ("seen_at",),
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

    await store.write_installation(move)
