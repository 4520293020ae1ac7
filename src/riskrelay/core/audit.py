"""The entries of the audit log: actor, change, object, time and address."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from riskrelay.core.credentials import Actor
from riskrelay.core.jobs import JobStatus


class Verb(StrEnum):
    """The kind of change."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    RESET = "reset"
    REVOKED = "revoked"
    SENT = "sent"
    PAUSED = "paused"
    RESUMED = "resumed"
    REPLAYED = "replayed"
    VERIFIED = "verified"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    ERASED = "erased"


JOB_VERBS = {
    JobStatus.PAUSED: Verb.PAUSED,
    JobStatus.RUNNING: Verb.RESUMED,
    JobStatus.CANCELLED: Verb.CANCELLED,
}
"""The verb of the change that gives a job this status."""


class Kind(StrEnum):
    """The kind of the changed object."""

    ACCOUNT = "account"
    TOKEN = "token"  # noqa: S105  a word, not a secret
    KEY = "key"
    INTEGRATION = "integration"
    CREDENTIAL = "credential"
    STREAM = "stream"
    BEHAVIOR = "behavior"
    EXCEPTION = "exception"
    RULE = "rule"
    USER = "user"
    SECURITY_EVENT = "security_event"
    DETECTION = "detection"
    LEVELS = "levels"
    DIRECTORY = "directory"
    DELIVERY = "delivery"
    REPLAY = "replay"
    SOURCE = "source"
    BULK_RESET = "bulk_reset"
    CHANNEL = "notification_channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change, as the audit log stores it.

    Attributes:
        thing_id: the id of the changed object. An entry contains no secret, no e-mail address and no token.
        note: the person's reason, or the extent of the change; None: no text.
    """

    entry_id: str
    at: datetime
    actor: Actor
    verb: Verb
    kind: Kind
    thing_id: str
    note: str | None = None


MAX_DIFFERENCE_CHARACTERS = 1_000  # chosen: a line or a few; an entry is kept forever


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> str | None:
    """Return what a change changed, for the note of its entry; None: nothing that is named.

    Args:
        before, after: the same members, by the name that a person reads. None of them is a secret.

    >>> difference({"risk level": "low", "enabled": False}, {"risk level": "high", "enabled": False})
    'risk level: low → high'
    >>> difference({"active": True, "limit": None}, {"active": False, "limit": 5})
    'active: yes → no; limit: none → 5'
    """
    changed = [f"{name}: {_word(before[name])} → {_word(new)}" for name, new in after.items() if before[name] != new]
    return "; ".join(changed)[:MAX_DIFFERENCE_CHARACTERS] or None


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
