"""Refused requests of receivers, as operators see them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MAX_MESSAGE_CHARACTERS = 1_000  # chosen: the first few faults of a body


class ReceiverOperation(StrEnum):
    """An operation that a receiver can request. OTHER: a path or method below /ssf/ that does not exist."""

    TOKEN = "token"  # noqa: S105  an operation, no secret
    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    READ_STATUS = "read_status"
    UPDATE_STATUS = "update_status"
    ADD_SUBJECT = "add_subject"
    REMOVE_SUBJECT = "remove_subject"
    VERIFY = "verify"
    POLL = "poll"
    OTHER = "other"


_WORDS = {
    ReceiverOperation.TOKEN: "token request",
    ReceiverOperation.READ: "read of its streams",
    ReceiverOperation.READ_STATUS: "read of a stream's status",
    ReceiverOperation.UPDATE_STATUS: "change of a stream's status",
    ReceiverOperation.ADD_SUBJECT: "request to add a subject",
    ReceiverOperation.REMOVE_SUBJECT: "request to remove a subject",
    ReceiverOperation.VERIFY: "request for a verification event",
    ReceiverOperation.OTHER: "request to an unknown endpoint",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRequest:
    """The last refused request of an integration's receiver, for one operation.

    Attributes:
        status: the status of the response, 400 to 499.
        error: the error code of the response, such as invalid_request; "none": it had none.
        message: the error message of the response, at most 1,000 characters.
        at: aware UTC.
    """

    operation: ReceiverOperation
    status: int
    error: str
    message: str
    at: datetime


def sentence(refused: RefusedRequest) -> str:
    """Return a sentence that says which request was refused, and why.

    >>> from datetime import UTC
    >>> sentence(RefusedRequest(operation=ReceiverOperation.CREATE, status=400, error="invalid_request",
    ...     message="/delivery/method: must be push or poll", at=datetime(2026, 3, 17, 12, tzinfo=UTC)))
    "The receiver's last create was rejected (400, 2026-03-17 12:00 UTC): /delivery/method: must be push or poll."
    """
    what = _WORDS.get(refused.operation, refused.operation.value)
    said = refused.message.rstrip(".") or refused.error
    return f"The receiver's last {what} was rejected ({refused.status}, {refused.at:%Y-%m-%d %H:%M} UTC): {said}."
