"""The rows that a large request writes, and their storage until all of them are written."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from riskrelay.core.risk.activity import ActivityId
from riskrelay.core.risk.assessment import LevelChange, Standing
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.ports.activity import RecordedActivity
from riskrelay.ports.findings import RecordedFinding

LEASE = timedelta(seconds=10)
"""How long a large write stays with its process after the last sign of life."""


class LargeWriteRuns(Exception):
    """A large write of the account has not ended, so this transaction must wait."""


class LargeWriteLost(Exception):
    """Another process has taken over this large write, or removed it."""


class Writes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rows of users to write: the result of a request, or a part of it.

    Attributes:
        new_users: users to insert.
        replaced: findings to delete, each with the finding that replaces it for its episode.
        detected: findings to insert, or to overwrite if the id is stored.
        findings: findings to insert.
        joined: stored activity to assign to an episode.
        activity: activity to insert.
        standings: users to update.
        tallied: users of *standings* whose findings must be counted again, because findings were replaced.
        trimmed: users that may have more findings than the quota.
        changes: level changes to queue for the receivers.
    """

    new_users: Sequence[Standing] = ()
    replaced: Mapping[FindingId, FindingId] = {}
    detected: Sequence[RecordedFinding] = ()
    findings: Sequence[RecordedFinding] = ()
    joined: Mapping[ActivityId, FindingId] = {}
    activity: Sequence[RecordedActivity] = ()
    standings: Sequence[Standing] = ()
    tallied: AbstractSet[UserId] = frozenset()
    trimmed: AbstractSet[UserId] = frozenset()
    changes: Sequence[LevelChange] = ()


class LargeWrites(Protocol):
    """The one large write that an account can have: it is stored in parts, accepted, and then applied part by part.

    Parts of a write that was never accepted are deleted and have no effect. An accepted write is applied to its end,
    by another process if its own has died. Each method that takes an *owner* makes sure that the owner's lease lasts.
    """

    def is_running(self) -> bool:
        """Return whether the account has a large write. In a writing transaction, none can begin before the commit."""

    def begin(self, owner: str) -> bool:
        """Begin a large write, and wait for the transactions that rely on there being none.

        Returns: False when another one has not ended. One whose process died before it was accepted is removed.
        """

    def add_parts(self, owner: str, first: int, parts: Sequence[Writes]) -> None:
        """Store *parts* under the numbers from *first* on.

        Raises: LargeWriteLost.
        """

    def accept(self, owner: str) -> None:
        """Accept the write. From now on it is applied, even if this process dies.

        Raises: LargeWriteLost.
        """

    def take_part(self, owner: str, held: Mapping[int, Writes]) -> Writes | None:
        """Remove the first part of an accepted write and return it; None, and the write has ended, after the last one.

        Args:
            held: parts that the caller still has, by number. They are not decoded again.

        Raises: LargeWriteLost.
        """

    def remove(self, owner: str) -> None:
        """Remove a write that was not accepted, if it still is *owner*'s."""

    def take_over(self, owner: str) -> bool:
        """Become the owner of an accepted write whose lease has ended; remove one that was not accepted.

        Returns: whether the caller now owns a write to apply.
        """
