"""Sources: where an account's signals come from, what authenticates them, and how they fare."""

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
COUNTED_FOR = timedelta(hours=24)  # what the health of a source follows from
SAMPLES_KEPT_FOR = timedelta(days=1)  # specified
MAX_SAMPLES, MAX_SAMPLES_OF_REASON = 200, 20  # of one source
MAX_SAMPLE_BYTES = 16 * 1024
MIN_REFUSED = 10  # fewer refused events than that say little about a source

SOURCE_SECRET_PREFIX = "rrk_"  # noqa: S105  a prefix that secret scanners can look for, not a secret


class CredentialKind(StrEnum):
    """How a sender authenticates.

    HEADER: a secret in `Authorization`. PATH: a secret at the end of the URL, for senders that can set no header.
    SIGNATURE: an HMAC of the body in `X-Hub-Signature-256`, by a secret that both sides know.
    """

    HEADER = "header"
    PATH = "path"
    SIGNATURE = "signature"


class Source(Struct, frozen=True, kw_only=True):
    """Where signals come from.

    Attributes:
        kind: of a shipped mapping.
        mapping: the account's own document as JSON, in place of the shipped one; None: the shipped one.
        silent_after: a source that had events and then has none for so long needs attention; None: never.
        last_event_at: when a request last brought an event, to about a minute; None: not yet.
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
    """What a sender authenticates with.

    Attributes:
        secret_hash: SHA-256 of the secret, which is 256 random bits; empty for a signature.
        sealed_key: of a signature, under the master key; None for the others.
    """

    credential_id: SourceCredentialId
    kind: CredentialKind
    secret_hash: bytes
    sealed_key: bytes | None
    created_at: datetime


class Became(StrEnum):
    """What became of an event, as it is counted."""

    FINDING = "finding"
    ACTIVITY = "activity"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REFUSED = "refused"


Counts = Mapping[tuple[Became, Reason | None], int]
"""How many events became what; with a reason where they were ignored or refused."""


class SourceState(StrEnum):
    """How a source fares."""

    INACTIVE = "inactive"
    WAITING = "waiting"
    RECEIVING = "receiving"
    SILENT = "silent"
    REFUSING = "refusing"


class Sample(Struct, frozen=True, kw_only=True):
    """An event that was ignored or refused, kept for a day so that a person can see why.

    Attributes:
        sealed_event: its JSON, under the master key.
    """

    sample_id: str
    became: Became
    reason: Reason
    pointer: str
    detail: str
    at: datetime
    sealed_event: bytes


def ocsf_source(account_id: AccountId, at: datetime) -> Source:
    """Return what events of OCSF have as their source when they are sent as activity."""
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
    """Judge a source.

    Args:
        counts: of the last COUNTED_FOR.
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
    """Add up the events that became one of *kinds*."""
    wanted = frozenset(kinds)
    return sum(count for (became, _), count in counts.items() if became in wanted)


def credential_row(account_id: AccountId, source_id: SourceId, credential_id: SourceCredentialId) -> str:
    """Name the row that holds the key of a signature."""
    return sealed_row("source_credentials", account_id, source_id, credential_id)


def sample_row(account_id: AccountId, source_id: SourceId, sample_id: str) -> str:
    """Name the row that holds a sample."""
    return sealed_row("source_samples", account_id, source_id, sample_id)
