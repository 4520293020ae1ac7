"""The operations that erase users and accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from riskrelay.core.erasures import Erasure
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.findings import UserId


class Erasures(Protocol):
    """The account's erasures of users that are not finished."""

    def begin(self, user: Standing, at: datetime) -> None:
        """Store the erasure of *user*, and make the user invisible and the address free for a new user."""

    def get(self, user_id: UserId) -> Erasure | None:
        """Return the erasure of a user, while it is not finished."""

    def step(self, user_id: UserId, limit: int) -> bool:
        """Erase at most *limit* more rows of a user, the user's own row last.

        Returns: whether it may go on; False: it is finished, or another process goes on with it.
        """


class UserExports(Protocol):
    """What is stored about a user and shown nowhere else, in pages. Each row is a JSON object."""

    def activity(self, user_id: UserId, after: tuple[Any, ...] | None, limit: int) -> list[dict[str, Any]]:
        """Return activity of a user, after the row with that kind, time and id."""

    def known_places(self, email_key: str, after: tuple[Any, ...] | None, limit: int) -> list[dict[str, Any]]:
        """Return the places of a user's logins, after the row with that day and cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedAccount:
    """An account that was deleted.

    Attributes:
        finished_at: None: some of its rows are not deleted yet.
    """

    account_id: AccountId
    begun_at: datetime
    finished_at: datetime | None


class AccountDeletions(Protocol):
    """Deletes accounts with all of their rows, in short steps."""

    def begin(self, account_id: AccountId, at: datetime) -> bool:
        """Make an account invisible to every request.

        Returns: whether it existed.
        """

    def all(self) -> Sequence[DeletedAccount]:
        """Return the accounts that are being deleted, and those that still have audit entries, the oldest first."""

    def step(self, account_id: AccountId, limit: int, at: datetime) -> bool:
        """Delete at most *limit* rows of a deleted account. Audit entries stay.

        Returns: whether more may be left.
        """

    def delete_finished(self) -> None:
        """Delete finished deletions whose accounts have no audit entry left."""
