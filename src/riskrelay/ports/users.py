"""The account's users."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.ports.findings import RecordedFinding


@dataclass(frozen=True, slots=True)
class UserProfile:
    """A user and a page of their findings.

    Attributes:
        findings: a page of the findings since the last reset, the latest first.
    """

    standing: Standing
    findings: Sequence[RecordedFinding]


class Users(Protocol):
    """The account's users, keyed by e-mail without regard to letter case."""

    def find(self, references: Sequence[UserRef]) -> dict[str, Standing]:
        """Find users, and lock them.

        Returns: the users that exist, by email_key.
        Raises: UserMismatch: a reference's user_id differs from that of the user with its e-mail.
        """

    def add(self, standings: Collection[Standing]) -> None:
        """Store new users. If another transaction stores one of them first, this transaction runs again."""

    def get(self, user_id: UserId) -> Standing | None:
        """Return the user. A writing transaction locks it."""

    def at_risk(self, after: UserId, limit: int) -> list[Standing]:
        """Return the first *limit* users with an id greater than *after* and a triggered behavior since the last reset,
        in the order of their ids."""

    def decide_soon(self, email_keys: Collection[str]) -> None:
        """Let the levels of users with triggered behaviors be decided again soon."""

    def due(self, user_ids: Collection[UserId]) -> list[Standing]:
        """Return those of the users with a next change of their level, and lock them.

        Users that another transaction has locked are left out.
        """

    def unlocked(self, user_ids: Collection[UserId]) -> list[Standing]:
        """Return users. A writing transaction locks them, and leaves out those that another one has locked."""

    def save(self, standings: Collection[Standing]) -> None:
        """Overwrite the changeable members of users."""

    def summary(self, offset: int, limit: int) -> tuple[list[Standing], int]:
        """Return a page of the users with a level, and their total number.

        Users are in the order of the highest level; within a level, of the latest event.
        """

    def profile(self, user_id: UserId, offset: int, limit: int) -> UserProfile | None:
        """Return the user with *limit* findings since their last reset, skipping the latest *offset*."""
