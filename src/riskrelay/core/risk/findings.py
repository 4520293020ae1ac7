"""A finding: a risk behavior seen for a user at a time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NewType

from msgspec import Struct

from riskrelay.core.email_addresses import email_key
from riskrelay.core.risk.behaviors import BehaviorId

FindingId = NewType("FindingId", str)
UserId = NewType("UserId", str)

MAX_DETAILS_BYTES = 64 * 1024  # specified; as compact JSON in UTF-8
MAX_SHOWN_DETAILS_BYTES = 1 << 20  # guessed: of one answer; a page of 1,000 findings with usual details is below it


class UserRef(Struct, frozen=True):
    """The user a finding is about, as the caller named them.

    Attributes:
        email: as sent; `email_key` says which spellings are one user.
        name: for people; the latest one given is kept. None: not supplied.
        user_id: a UUID the caller chose for a user that is new here, or the one a known user has.
    """

    email: str
    name: str | None = None
    user_id: UserId | None = None

    @property
    def email_key(self) -> str:
        """What makes two references the same user within an account."""
        return email_key(self.email)


class Finding(Struct, frozen=True, kw_only=True):
    """A risk behavior seen for a user at a time.

    Attributes:
        finding_id: the caller's id, unique per account and what makes a repeat harmless; None: none given.
        occurred_at: aware UTC; None: the caller gave none, so the moment of acceptance stands.
        details: the evidence, any JSON object of at most MAX_DETAILS_BYTES.
        digest: 32 bytes over everything the caller sent: a repeat with another digest is not a repeat.
    """

    finding_id: FindingId | None
    behavior: BehaviorId
    user: UserRef
    occurred_at: datetime | None
    details: Mapping[str, Any] | None
    digest: bytes
