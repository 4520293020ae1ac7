"""The erasure of a user: what is known while it runs, and what stays of a receipt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec

from riskrelay.core.email_addresses import email_key
from riskrelay.core.risk.findings import UserId
from riskrelay.core.ssf.events import Jti

_DIGEST_CHARACTERS = 32  # as long as a UUID without hyphens


class ErasureStatus(StrEnum):
    """The state of an erasure."""

    RUNNING = "running"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """An erasure that is not finished. Its row is the last one that has the address.

    Attributes:
        newest: by stream and lane, the newest event when it began. Later events are about a new user of the address.
        stage: the number of the stage that it is in.
        place: all up to here is done in this stage; None: nothing yet.
    """

    user_id: UserId
    email: str
    newest: Mapping[str, Mapping[str, int]]
    stage: int
    place: list[str | int] | None
    begun_at: datetime

    @property
    def email_key(self) -> str:
        """The key of the address."""
        return email_key(self.email)

    def names_user(self, subject_key: str) -> bool:
        """Return whether a subject, as `subject_key` writes it, has the user's address as one of its texts.

        Args:
            subject_key: in which each address is written as its key.
        """
        return msgspec.json.encode(self.email_key).decode() in subject_key


def erased_jti(jti: Jti) -> Jti:
    """Return what a receipt keeps of a jti: a digest, with which a SET that someone else has can be matched to it."""
    return Jti(sha256(jti.encode()).hexdigest()[:_DIGEST_CHARACTERS])


def erased_claims(claims: bytes) -> bytes:
    """Return what a receipt keeps of an event's claims: its type."""
    events = msgspec.json.decode(claims)["events"]
    return msgspec.json.encode({"events": {event_type: {} for event_type in events}})
