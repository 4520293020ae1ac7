"""What a transaction bound to one account offers about its directory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from riskrelay.core.sources.directory import DirectoryEntry, MissedName
from riskrelay.core.sources.signals import Name, NameKind

DirectoryPlace = tuple[str, str]
"""Where an entry stands: its kind, and the key of its name."""


class Directory(Protocol):
    """Other names of the account's users. Which names are one is decided by `name_key`."""

    def find_emails(self, names: Collection[Name]) -> dict[Name, str]:
        """Return the e-mail addresses of those names that have one, in one query for up to 5,000 names."""

    def put(self, entries: Sequence[DirectoryEntry]) -> None:
        """Insert or overwrite. Two entries of one name must not be in one call."""

    def page(
        self, kind: NameKind | None, email: str | None, after: DirectoryPlace | None, limit: int
    ) -> list[DirectoryEntry]:
        """Return entries by kind and name, after the one at *after*.

        Args:
            kind: None: of every kind.
            email: None: of every user; which spellings are one mailbox is decided by `email_key`.
        """

    def find(self, value: str) -> list[DirectoryEntry]:
        """Return the entries of every kind that have this name."""

    def count(self, most: int) -> int:
        """Return the number of entries, or *most* when there are more."""

    def delete(self, names: Collection[Name]) -> int:
        """Delete the entries of those names; how many there were."""

    def clear(self, most: int) -> int:
        """Delete up to *most* entries; how many were deleted."""


class MissedNames(Protocol):
    """The names that the account's directory was asked for in vain."""

    def add(self, signals: Mapping[Name, int], at: datetime, keep: int) -> None:
        """Count lost signals; keep the *keep* names with the most of them, and as many of the latest.

        Args:
            signals: how many signals were lost, by name.
        """

    def top(self, limit: int) -> list[MissedName]:
        """Return those with the most lost signals first."""

    def forget(self, names: Collection[Name]) -> None:
        """Remove names that the directory has now."""

    def forget_before(self, before: datetime) -> None:
        """Remove names that no signal has named since *before*."""
