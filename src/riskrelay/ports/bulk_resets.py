"""Bulk resets, as the store holds them."""

from datetime import timedelta
from typing import Protocol

from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.bulk_resets import BulkReset, BulkResetFilter, BulkResetId

DueReset = tuple[AccountId, BulkResetId, bool]
"""A running bulk reset of an account, and whether its next step is due."""


class BulkResets(Protocol):
    """The account's bulk resets."""

    def add(self, started: BulkReset, actor: Actor) -> None:
        """Store a new bulk reset with the list of its users, if it has one."""

    def get(self, reset_id: BulkResetId) -> tuple[BulkReset, Actor] | None:
        """Return the bulk reset with that id and the person who started it. A writing transaction locks it."""

    def all(self, limit: int) -> list[BulkReset]:
        """Return bulk resets, newest first."""

    def matching(self, wanted: BulkResetFilter, sample: int) -> tuple[int, list[Standing]]:
        """Return the number of users that match a filter, and the first *sample* of them, the highest level first."""

    def next_users(self, running: BulkReset, limit: int) -> list[Standing]:
        """Return the next users that match, after the place of a bulk reset, in the order of their ids."""

    def take_step(self, running: BulkReset, pause: timedelta) -> bool:
        """Lock a bulk reset for one step, unless it is no longer running, has moved since, or is not due.

        Args:
            pause: the time until the step after this one is due.
        """

    def save(self, changed: BulkReset) -> None:
        """Overwrite the status, the counts and the place of a bulk reset. The list of one that is over is deleted."""
