"""A finding: a risk behavior seen for a user at a time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NewType

from msgspec import Struct

from riskrelay.core.email_addresses import user_key
from riskrelay.core.risk.behaviors import BehaviorId

FindingId = NewType("FindingId", str)
UserId = NewType("UserId", str)

MAX_DETAILS_BYTES = 64 * 1024  # specified; as compact JSON in UTF-8
MAX_SHOWN_DETAILS_BYTES = 1 << 20  # guessed: of one answer; a page of 1,000 findings with usual details is below it


class UserRef(Struct, frozen=True):
    """The user of a finding, as the client names the user.

    Attributes:
        email: the address as sent; spellings with the same `email_key` are one user.
        name: the name for people, of which the latest is stored; None: not supplied.
        user_id: the UUID of a known user, or a UUID that the client chooses for a new user.
    """

    email: str
    name: str | None = None
    user_id: UserId | None = None

    @property
    def email_key(self) -> str:
        """The key of the user within the account: references with the same key are one user."""
        return user_key(self.email)


class Finding(Struct, frozen=True, kw_only=True):
    """A risk behavior seen for a user at a time.

    Attributes:
        finding_id: the client's id, unique per account, which identifies repeats; None: no id was sent.
        occurred_at: aware UTC; None: the client sent no time, so the time of acceptance is used.
        details: the evidence, any JSON object of at most MAX_DETAILS_BYTES.
        digest: 32 bytes over all members. A repeat must have the same digest.
    """

    finding_id: FindingId | None
    behavior: BehaviorId
    user: UserRef
    occurred_at: datetime | None
    details: Mapping[str, Any] | None
    digest: bytes
