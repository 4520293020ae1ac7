"""The operations on the directory of a transaction that is bound to one account."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from riskrelay.core.sources.directory import DirectoryEntry, MissedName
from riskrelay.core.sources.signals import Name, NameKind

DirectoryPlace = tuple[str, str]
"""The position of an entry: its kind, and the key of its name."""


class Directory(Protocol):
    """Other names of the account's users. Names with the same `name_key` are one name."""

    def find_emails(self, names: Collection[Name]) -> dict[Name, str]:
        """Return the e-mail addresses of those names that have one, in one query for up to 5,000 names."""

    def put(self, entries: Sequence[DirectoryEntry]) -> None:
        """Insert or overwrite entries. No two entries of one call may have the same name."""

    def page(
        self, kind: NameKind | None, email: str | None, after: DirectoryPlace | None, limit: int
    ) -> list[DirectoryEntry]:
        """Return entries by kind and name, after the one at *after*.

        Args:
            kind: None: all kinds.
            email: None: all users. Addresses with the same `email_key` are one mailbox.
        """

    def find(self, value: str) -> list[DirectoryEntry]:
        """Return the entries of all kinds with this name."""

    def count(self, most: int) -> int:
        """Return the number of entries, at most *most*."""

    def delete(self, names: Collection[Name]) -> int:
        """Delete the entries of those names. Return their number."""

    def clear(self, most: int) -> tuple[int, set[str]]:
        """Delete up to *most* entries.

        Returns: the number deleted, and the `email_key` of users that had groups by them.
        """

    def keys_with_groups(self, names: Collection[Name]) -> set[str]:
        """Return the `email_key` of users that have groups by the entries of those names."""


class MissedNames(Protocol):
    """The names that the account's directory did not have."""

    def add(self, signals: Mapping[Name, int], at: datetime, keep: int) -> None:
        """Count lost signals. Keep the *keep* names with the most lost signals, and the *keep* latest names.

        Args:
            signals: the number of lost signals, by name.
        """

    def top(self, limit: int) -> list[MissedName]:
        """Return the names with the most lost signals, in this order."""

    def delete(self, names: Collection[Name]) -> None:
        """Delete names that the directory has now."""

    def delete_before(self, before: datetime) -> None:
        """Delete names without a lost signal since *before*."""
