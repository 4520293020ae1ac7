"""The directory: the users that names in signals stand for."""

from datetime import datetime

import msgspec


class DirectoryEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A name and the user it stands for.

    Attributes:
        kind: user_name, upn, host, device_id or sub.
        groups: of the user, which exceptions can name.
    """

    kind: str
    name: str
    email: str
    groups: list[str] = []


class DirectoryPut(msgspec.Struct, frozen=True, kw_only=True):
    """How many entries were sent, and how many of their names are new."""

    accepted: int
    added: int


class DirectoryDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """How many entries were deleted."""

    deleted: int


class MissedName(msgspec.Struct, frozen=True, kw_only=True):
    """A name without an entry, and how many signals were lost because of it."""

    kind: str
    name: str
    signals: int
    last_at: datetime
