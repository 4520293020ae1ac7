"""Sources of an account's signals, their credentials, and their health."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from msgspec import Struct

from riskrelay.core.integrations import AccountId
from riskrelay.core.keys import sealed_row
from riskrelay.core.sources.reasons import Reason

SourceId = NewType("SourceId", str)
SourceCredentialId = NewType("SourceCredentialId", str)

MAX_NAME_CHARACTERS = 100
MIN_SILENCE, MAX_SILENCE = timedelta(minutes=5), timedelta(days=30)
COUNTED_FOR = timedelta(hours=24)  # the period on which the health of a source is based
SAMPLES_KEPT_FOR = timedelta(days=1)  # specified
MAX_SAMPLES, MAX_SAMPLES_OF_REASON = 200, 20  # of one source
MAX_SAMPLE_BYTES = 16 * 1024
MIN_REFUSED = 10  # fewer refused events are not significant

SOURCE_SECRET_PREFIX = "rrk_"  # noqa: S105  a prefix that secret scanners can look for, not a secret


class CredentialKind(StrEnum):
    """How a sender authenticates.

    HEADER: a secret in `Authorization`. PATH: a secret at the end of the URL, for senders that cannot set a header.
    SIGNATURE: an HMAC of the body in `X-Hub-Signature-256`, with a shared secret.
    """

    HEADER = "header"
    PATH = "path"
    SIGNATURE = "signature"


class Source(Struct, frozen=True, kw_only=True):
    """A sender of signals.

    Attributes:
        kind: the kind of a shipped mapping.
        mapping: the account's own document as JSON, which replaces the shipped one; None: the shipped one is used.
        silent_after: the time without events after which an active source needs attention; None: never.
        last_event_at: the time of the last request with an event, accurate to about a minute; None: no event yet.
    """

    account_id: AccountId
    source_id: SourceId
    kind: str
    name: str
    active: bool
    mapping: bytes | None
    silent_after: timedelta | None
    created_at: datetime
    last_event_at: datetime | None = None


class SourceCredential(Struct, frozen=True, kw_only=True):
    """A credential of a sender.

    Attributes:
        secret_hash: SHA-256 of the secret, which is 256 random bits; empty for a signature.
        sealed_key: the key of a signature, sealed under the master key; None for other kinds.
    """

    credential_id: SourceCredentialId
    kind: CredentialKind
    secret_hash: bytes
    sealed_key: bytes | None
    created_at: datetime


class Became(StrEnum):
    """The result for an event, as it is counted."""

    FINDING = "finding"
    ACTIVITY = "activity"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REFUSED = "refused"


Counts = Mapping[tuple[Became, Reason | None], int]
"""The number of events by result; ignored and refused ones also by reason."""


class SourceState(StrEnum):
    """The health of a source."""

    INACTIVE = "inactive"
    WAITING = "waiting"
    RECEIVING = "receiving"
    SILENT = "silent"
    REFUSING = "refusing"


class Sample(Struct, frozen=True, kw_only=True):
    """An event that was ignored or refused, kept for a day so that a user can find out why.

    Attributes:
        sealed_event: its JSON, sealed under the master key.
    """

    sample_id: str
    became: Became
    reason: Reason
    pointer: str
    detail: str
    at: datetime
    sealed_event: bytes


def ocsf_source(account_id: AccountId, at: datetime) -> Source:
    """Return the source of OCSF events that are sent to the activity endpoint."""
    return Source(
        account_id=account_id,
        source_id=SourceId("activity"),
        kind="ocsf",
        name="activity",
        active=True,
        mapping=None,
        silent_after=None,
        created_at=at,
    )


def state_of(source: Source, counts: Counts, now: datetime) -> SourceState:
    """Return the health of a source.

    Args:
        counts: the counts of the last COUNTED_FOR.
    """
    if not source.active:
        return SourceState.INACTIVE
    if source.last_event_at is None:
        return SourceState.WAITING
    if source.silent_after is not None and now - source.last_event_at > source.silent_after:
        return SourceState.SILENT
    refused = total(counts, (Became.REFUSED,))
    is_taken = total(counts, (Became.FINDING, Became.ACTIVITY, Became.DUPLICATE, Became.IGNORED)) > 0
    return SourceState.REFUSING if refused >= MIN_REFUSED and not is_taken else SourceState.RECEIVING


def total(counts: Counts, kinds: Iterable[Became]) -> int:
    """Return the number of events with one of the results *kinds*."""
    wanted = frozenset(kinds)
    return sum(count for (became, _), count in counts.items() if became in wanted)


def credential_row(account_id: AccountId, source_id: SourceId, credential_id: SourceCredentialId) -> str:
    """Return the name of the row that contains the key of a signature."""
    return sealed_row("source_credentials", account_id, source_id, credential_id)


def sample_row(account_id: AccountId, source_id: SourceId, sample_id: str) -> str:
    """Return the name of the row that contains a sample."""
    return sealed_row("source_samples", account_id, source_id, sample_id)
