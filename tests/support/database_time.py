"""Letting time pass for the database: its clock cannot be moved, so everything that is measured by it is."""

from datetime import timedelta
from typing import cast

from riskrelay.ports import Installation, Store
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.times import micros

_MOVED = {
    "lanes": ("due_at", "blocked_until", "lease_until", "attempted_at", "delivered_at"),
    "events": ("queued_at",),
    "held_events": ("due_at", "replayed_at"),
    "streams": ("active_at", "created_at", "verified_at", "status_at"),
}


async def pass_time(store: Store, duration: timedelta) -> None:
    """As if *duration* had passed for leases, waits and ages."""

    def move(tx: Installation) -> None:
        connection = cast(InstallationTransaction, tx)._connection
        for table, columns in _MOVED.items():
            moved = ", ".join(f"{column} = {column} - {micros(duration)}" for column in columns)
            connection.exec_driver_sql(f"UPDATE {table} SET {moved}")

    await store.write_installation(move)
