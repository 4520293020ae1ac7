"""All errors that the domain raises.

    RiskrelayError
    ├── Invalid            the caller's data is wrong: one Fault per mistake, all at once
    ├── UserMismatch       an e-mail and a user id of different users were sent together
    ├── BodyTooLarge       the request's body is larger than this route allows
    ├── UnsupportedMediaType   this route does not read bodies of this media type
    ├── NotFound           no such object in this account (also if another account has it)
    ├── Unauthenticated    no usable credentials
    │   ├── NoCredentials
    │   ├── MalformedCredentials
    │   ├── UnknownToken
    │   └── SessionEnded   the console's session has ended or never existed
    ├── Forbidden          valid credentials, but not for this account or this operation
    ├── RateLimited        this token has sent too many requests; it must wait
    ├── Unavailable        the database or the key store refused; the same request may succeed later
    ├── Misconfigured      the operator must change a setting first
    └── LeaseLost          the lane's epoch moved on, because another worker claimed it: stop, write nothing
        └── LaneWithdrawn  its stream was deleted, disabled or is polled now: stop, write nothing

`web/account_api/problem_table.py` maps these errors to status codes and response bodies.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

T = TypeVar("T")


class FaultKind(StrEnum):
    """The ways in which a value of a request can be wrong."""

    REQUIRED = "required"
    WRONG_TYPE = "wrong_type"
    WRONG_VALUE = "wrong_value"
    TOO_LONG = "too_long"
    MALFORMED_BODY = "malformed_body"
    REPEATED_MEMBER = "repeated_member"
    CANNOT_BE_HELD = "cannot_be_held"
    REFERENCE_TAKEN = "reference_taken"
    UNKNOWN_BEHAVIOR = "unknown_behavior"
    ID_REUSED = "id_reused"
    USER_MISMATCH = "user_mismatch"
    EVENT_REUSED = "event_reused"
    QUOTA_REACHED = "quota_reached"


MAX_FAULTS = 100  # specified: a response lists at most this many faults, and counts the others
MAX_NAME_CHARACTERS = 100  # guessed: longer member names are cut where they are shown
MAX_POINTER_CHARACTERS = 1_000  # guessed: deeper or longer pointers are cut
MAX_MESSAGE_CHARACTERS = 1_000  # guessed: several times the longest message


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in a request: what kind, where (RFC 6901 pointer into the body), and what to change."""

    kind: FaultKind
    pointer: str
    message: str

    @property
    def sentence(self) -> str:
        """The message after the name of the member, because some clients show nothing else.

        >>> Fault(FaultKind.WRONG_VALUE, "/reference_id", "must not be empty").sentence
        'reference_id: must not be empty'
        """
        return sentence(self.pointer, self.message)

    def under(self, prefix: str) -> "Fault":
        """Return the fault for a body that has the checked value at the pointer *prefix*.

        >>> Fault(FaultKind.WRONG_VALUE, "/id", "must not be empty").under("/3").pointer
        '/3/id'
        """
        return Fault(self.kind, prefix + self.pointer, self.message)


def sentence(pointer: str, message: str) -> str:
    """Put the name of the member at *pointer* before *message*; a pointer to the whole request adds nothing."""
    name = member_name(pointer)
    return cut(f"{name}: {message}" if name else message, MAX_MESSAGE_CHARACTERS)


def member_name(pointer: str) -> str:
    """Return the name of the member at *pointer* in words; empty for the whole request.

    >>> member_name("/user/email"), member_name("/scopes/0"), member_name("/3/user/email"), member_name("/3")
    ('user.email', 'scopes[0]', 'user.email of item 3', 'item 3')
    """
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    item = parts.pop(0) if parts and parts[0].isdecimal() else None
    name = "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts).removeprefix(".")
    if item is None:
        return name
    return f"{name} of item {item}" if name else f"item {item}"


def cut(text: str, most: int) -> str:
    """Shorten *text* to *most* characters, the last of which is then an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def pointer(parts: Sequence[str | int]) -> str:
    """Return an RFC 6901 pointer, with long names cut. Half a surrogate pair is shown as a question mark.

    Bounded, so that one long name above many faults does not make an answer of hundreds of megabytes.

    >>> pointer(["a/b", 0])
    '/a~1b/0'
    """
    names = (cut(str(part), MAX_NAME_CHARACTERS).replace("~", "~0").replace("/", "~1") for part in parts)
    text = "".join(f"/{name}" for name in names).encode("utf-8", "replace").decode()
    return cut(text, MAX_POINTER_CHARACTERS).replace("~…", "…")  # half an escape is none


class Faults:
    """The faults of one request: the first ones are kept, the others counted.

    Args:
        room: how many are kept.
    """

    def __init__(self, room: int = MAX_FAULTS) -> None:
        self.kept: list[Fault] = []
        self.more = 0
        self._room = room

    def __bool__(self) -> bool:
        return bool(self.kept or self.more)

    @property
    def room(self) -> int:
        """How many more are kept."""
        return self._room - len(self.kept)

    def add(self, kind: FaultKind, place: Sequence[str | int], message: str) -> None:
        """Add the fault of the value at *place*; its pointer is made only if the fault is kept."""
        if self.room > 0:
            self.kept.append(Fault(kind, pointer(place), message))
        else:
            self.more += 1

    def extend(self, faults: Iterable[Fault], more: int = 0) -> None:
        """Add *faults*, and count *more*."""
        for fault in faults:
            if self.room > 0:
                self.kept.append(fault)
            else:
                self.more += 1
        self.more += more

    def refuse(self) -> None:
        """Refuse the request if it has faults.

        Raises: Invalid.
        """
        if self:
            raise Invalid(self.kept, self.more)


class RiskrelayError(Exception):
    """The base class of all errors that the domain raises."""


class Invalid(RiskrelayError):
    """The caller's data is wrong; nothing was done.

    Args:
        faults: at most the first MAX_FAULTS are kept.
        more: the number of faults that are not in *faults*.

    Attributes:
        faults: at most MAX_FAULTS.
        more: the number of other faults.
    """

    def __init__(self, faults: Sequence[Fault], more: int = 0) -> None:
        self.faults = tuple(faults[:MAX_FAULTS])
        self.more = more + len(faults) - len(self.faults)
        shown = [f"{fault.pointer or '(request)'}: {fault.message}" for fault in self.faults[:10]]
        hidden = len(self.faults) - len(shown) + self.more
        super().__init__("; ".join([*shown, f"… and {hidden:,} more"] if hidden else shown))


class UserMismatch(RiskrelayError):
    """An e-mail and a user id of different users were sent together. The caller turns this into a Fault."""

    def __init__(self, email_key: str) -> None:
        super().__init__("user_id and email belong to different users")
        self.email_key = email_key


class BodyTooLarge(RiskrelayError):
    """The request's body is larger than this route allows.

    Args:
        limit: the limit in words, if it is not a number of bytes.
    """

    def __init__(self, max_bytes: int, limit: str | None = None) -> None:
        super().__init__(f"the body may have at most {limit or f'{max_bytes:,} bytes'}")
        self.max_bytes = max_bytes


class UnsupportedMediaType(RiskrelayError):
    """The body is of a kind that this route does not read."""


class NotFound(RiskrelayError):
    """No such object in this account."""


def found(record: T | None) -> T:
    """Return *record*.

    Raises: NotFound: it is None.
    """
    if record is None:
        raise NotFound
    return record


class Unauthenticated(RiskrelayError):
    """The request has no usable credentials."""


class NoCredentials(Unauthenticated):
    """The request carries no credentials at all."""


class MalformedCredentials(Unauthenticated):
    """The form of the credentials is invalid."""


class UnknownToken(Unauthenticated):
    """The token is unknown, expired or revoked."""


class SessionEnded(Unauthenticated):
    """The console's session is over, or never was: sign in again."""


class Forbidden(RiskrelayError):
    """The credentials are valid, but not for this account or this operation."""


class RateLimited(RiskrelayError):
    """This token has sent too many requests. Nothing was done."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(f"too many requests; one is allowed again in {wait_seconds} s")
        self.wait_seconds = wait_seconds


class UnavailableCause(StrEnum):
    """Why the database refuses, in words for people."""

    DISK_FULL = "the disk is full"
    READ_ONLY = "the database is read-only"
    LOCKED = "another program has locked the database"
    NOT_ALLOWED = "the database file or its directory cannot be written by this user"
    IO_ERROR = "the disk reports an input/output error"
    DAMAGED = "the database file is damaged or is not a database"
    STARTING = "the database is starting or recovering"
    UNREACHABLE = "the database cannot be reached"
    NO_DESCRIPTORS = "this process has too many files open"
    BUSY = "no database connection is free"
    TOO_SLOW = "the database does not respond in time"
    REFUSED = "the database rejected the request"

    @property
    def advice(self) -> str:
        """Advice for the operator."""
        return _ADVICE[self]


_ADVICE: Final = {
    UnavailableCause.DISK_FULL: "free disk space, or raise the disk quota or the file size limit",
    UnavailableCause.READ_ONLY: "mount the file system read-write; with PostgreSQL, set "
    "RISKRELAY_DATABASE_URL to the primary (target_session_attrs=read-write) and check default_transaction_read_only",
    UnavailableCause.LOCKED: "stop the other program, or wait for it (`fuser -v FILE` lists the users of the file)",
    UnavailableCause.NOT_ALLOWED: "make the user that runs riskrelay the owner of the file and its directory (chown)",
    UnavailableCause.IO_ERROR: "copy the file, then check the system log (`dmesg`) and the disk",
    UnavailableCause.DAMAGED: "check the path in RISKRELAY_DATABASE_URL, or restore a backup: riskrelay restore FILE",
    UnavailableCause.STARTING: "wait until PostgreSQL accepts connections; its log shows the progress",
    UnavailableCause.UNREACHABLE: "check that the database runs, and check RISKRELAY_DATABASE_URL",
    UnavailableCause.BUSY: "raise max_connections in PostgreSQL, or run fewer processes",
    UnavailableCause.NO_DESCRIPTORS: "raise LimitNOFILE (`ulimit -n`)",
    UnavailableCause.TOO_SLOW: "check the load of the database and its disk",
    UnavailableCause.REFUSED: "see the log event database_refused for the database's error message",
}


class Unavailable(RiskrelayError):
    """The database or the key store refused; the same request may succeed later. Nothing was done, unless the message
    reports that the response to a commit got lost.

    Args:
        cause: the reason of the database's refusal; None: another component refused.
    """

    def __init__(self, message: str = "", cause: UnavailableCause | None = None) -> None:
        super().__init__(message)
        self.cause = cause


class Misconfigured(RiskrelayError):
    """The operator must change a setting first. The message names the setting and the change."""


class LeaseLost(RiskrelayError):
    """Another worker has claimed the lane under a newer epoch. The caller must stop and write nothing."""


class LaneWithdrawn(LeaseLost):
    """The lane's lease has ended because its stream was deleted or disabled, or is polled now.

    This is not a failure.
    """
