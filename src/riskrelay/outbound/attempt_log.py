"""One wide line for each attempt: what an operator filters and sums, and nothing that is secret or personal."""

import logging
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

import msgspec
import structlog

from riskrelay.delivery.attempts import Attempt
from riskrelay.delivery.lanes import LaneKey
from riskrelay.ssf.outcomes import OutcomeKind, Phases
from riskrelay.ssf.streams import Stream

_log = structlog.get_logger()

PHASES = ("signing", *Phases._fields)
_MILLISECOND = timedelta(milliseconds=1)


class _Claims(msgspec.Struct):
    txn: str = ""


class _Header(msgspec.Struct):
    kid: str = ""


_claims = msgspec.json.Decoder(_Claims)
_header = msgspec.json.Decoder(_Header)


def log_attempts(lane: LaneKey, stream: Stream, attempts: Sequence[Attempt]) -> None:
    """Write one line for each attempt: of what was accepted as information, of anything else as a warning.

    Never in it: subjects, the SET, authorization headers, what the receiver wrote.
    """
    wants_all = _log.is_enabled_for(logging.INFO)
    for attempt in attempts:
        outcome = attempt.outcome
        accepted = outcome.kind is OutcomeKind.ACCEPTED
        if accepted and not wants_all:
            continue
        (_log.info if accepted else _log.warning)(
            "attempt",
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
            duration_ms=_milliseconds(attempt.duration),
            queued_ms=_milliseconds(attempt.started_at - attempt.queued_at),
            **{f"{name}_ms": _milliseconds(took) for name, took in phases_of(attempt)},
            kid=kid_of(attempt.token),
            bytes=len(attempt.token),
        )


def phases_of(attempt: Attempt) -> list[tuple[str, timedelta]]:
    """The phases that the attempt went through, in their order."""
    every = zip(PHASES, (attempt.signing, *attempt.outcome.phases), strict=True)
    return [(name, took) for name, took in every if took is not None]


def _milliseconds(duration: timedelta) -> float:
    return round(duration / _MILLISECOND, 3)


def transaction_of(attempt: Attempt) -> str:
    """The `txn` of the attempted event: the same in everything that one cause led to."""
    return _claims.decode(attempt.claims).txn if attempt.claims else ""


def kid_of(token: bytes) -> str:
    """The key that signed a SET; empty when there is no SET."""
    return _kid_in(token.partition(b".")[0])


@lru_cache(maxsize=64)  # a key's header is always the same
def _kid_in(header: bytes) -> str:
    return _header.decode(urlsafe_b64decode(header + b"=" * (-len(header) % 4))).kid if header else ""
