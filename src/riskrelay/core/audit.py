"""The entries of the audit log: actor, change, object, time and address."""

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
