"""One wide log line for each attempt, for operators to filter and sum, without secrets and personal data."""

import logging
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from itertools import groupby

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.ssf.outcomes import OutcomeKind, Phases
from riskrelay.core.ssf.streams import Stream

_log = structlog.get_logger()

PHASES = ("signing", *Phases._fields)
_MILLISECOND = timedelta(milliseconds=1)


class _Claims(msgspec.Struct):
    txn: str = ""


class _Header(msgspec.Struct):
    kid: str = ""


_claims = msgspec.json.Decoder(_Claims)
_header = msgspec.json.Decoder(_Header)


class _Line(msgspec.Struct, kw_only=True):
    """The members of an attempt's line. A phase that did not occur is left out."""

    account: str
    integration: str
    stream: str
    lane: int
    seq: int
    jti: str
    txn: str
    attempt: int
    outcome: OutcomeKind
    reason: str
    http_status: int | None
    duration_ms: float
    queued_ms: float
    signing_ms: float | UnsetType
    dns_ms: float | UnsetType
    connect_ms: float | UnsetType
    tls_ms: float | UnsetType
    first_byte_ms: float | UnsetType
    kid: str
    bytes: int


def log_attempts(lane: LaneKey, stream: Stream, attempts: Sequence[Attempt]) -> None:
    """Write one line for each attempt: at level info when it was accepted, else at level warning.

    A line never contains subjects, the SET, authorization headers or text of the receiver.
    """
    wants_all = _log.is_enabled_for(logging.INFO)
    for accepted, alike in groupby(attempts, key=_is_accepted):
        if accepted and not wants_all:
            continue
        lines = [_line(lane, stream, attempt) for attempt in alike]
        (_log.info if accepted else _log.warning)("attempt", each=lines)


def _is_accepted(attempt: Attempt) -> bool:
    return attempt.outcome.kind is OutcomeKind.ACCEPTED


def _line(lane: LaneKey, stream: Stream, attempt: Attempt) -> _Line:
    outcome = attempt.outcome
    dns, connect, tls, first_byte = outcome.phases
    return _Line(
        account=lane.account_id,
        integration=stream.integration.integration_id,
        stream=lane.stream_id,
        lane=lane.lane,
        seq=attempt.seq,
        jti=attempt.jti,
        txn=transaction_of(attempt),
        attempt=attempt.number,
        outcome=outcome.kind,
        reason=outcome.reason,
        http_status=outcome.status,
        duration_ms=attempt.duration / _MILLISECOND,
        queued_ms=(attempt.started_at - attempt.queued_at) / _MILLISECOND,
        signing_ms=_milliseconds(attempt.signing),
        dns_ms=_milliseconds(dns),
        connect_ms=_milliseconds(connect),
        tls_ms=_milliseconds(tls),
        first_byte_ms=_milliseconds(first_byte),
        kid=kid_of(attempt.token),
        bytes=len(attempt.token),
    )


def _milliseconds(took: timedelta | None) -> float | UnsetType:
    return UNSET if took is None else took / _MILLISECOND


def phases_of(attempt: Attempt) -> list[tuple[str, timedelta]]:
    """Return the phases of the attempt, in their order."""
    every = zip(PHASES, (attempt.signing, *attempt.outcome.phases), strict=True)
    return [(name, took) for name, took in every if took is not None]


def transaction_of(attempt: Attempt) -> str:
    """Return the `txn` of the event. All events of one cause share it."""
    return _claims.decode(attempt.claims).txn if attempt.claims else ""


def kid_of(token: bytes) -> str:
    """Return the kid of the key that signed a SET; empty: there is no SET."""
    return _kid_in(token.partition(b".")[0])


@lru_cache(maxsize=64)  # a key's header is always the same
def _kid_in(header: bytes) -> str:
    return _header.decode(urlsafe_b64decode(header + b"=" * (-len(header) % 4))).kid if header else ""
