"""The history of users' risk levels, as the store holds it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from riskrelay.core.risk.assessment import ChangeKind, LevelChange
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import NamedRule

HistoryPlace = tuple[datetime, str]
"""The time and the id of a level change: its place in a user's history."""


class PastChange(Struct, frozen=True, kw_only=True):
    """A level change in a user's history.

    Attributes:
        change_id: also the `txn` of the change's security events.
        kind: what changed the level.
        behaviors: the behaviors that caused the new level; empty after a reset.
        reason: their names at that time, as the receivers got them; empty after a reset.
        findings: the first findings that made the change. Some may have been deleted since.
        rule: the id of the bulk reset that made the change; None: there is none.
        actor: the name of the person's token; None: no person made the change.
        note: the person's text; None: no text.
        rules: the account's rules that give the new level; if the change is their end, those that gave the one before.
        revoking: the rules because of which the user's sessions were revoked. The level may be the same as before.
    """

    change_id: str
    changed_at: datetime
    previous: RiskLevel | None
    current: RiskLevel | None
    kind: ChangeKind
    behaviors: Sequence[BehaviorId]
    reason: str
    findings: Sequence[FindingId]
    rule: str | None
    actor: str | None
    note: str | None
    rules: Sequence[NamedRule] = ()
    revoking: Sequence[NamedRule] = ()

    @property
    def place(self) -> HistoryPlace:
        """The place in the user's history."""
        return self.changed_at, self.change_id


class LevelHistory(Protocol):
    """The level changes of the account's users."""

    def add(self, changes: Sequence[tuple[str, LevelChange]], keep: int) -> None:
        """Store level changes of users that this transaction has locked or added.

        Args:
            changes: each with its id.
            keep: the number of changes kept for a user. Now and then the oldest ones above it are deleted, so a user
                can have some more.
        """

    def page(self, user_id: UserId, before: HistoryPlace | None, limit: int) -> list[PastChange]:
        """Return the level changes of a user before *before*, the latest first."""
