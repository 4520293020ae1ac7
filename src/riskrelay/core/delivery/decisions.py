"""The consequences of an outcome for the event, its lane and its stream. They are decided here only.

`ssf.push` turns a response into one of seven outcome kinds, and the table below gives the consequences of each. A 429
with `Retry-After` is THROTTLED: the event is tried again, the batch ends, no lane of the stream pushes before the time
that the receiver asked for, and then the lane sends one event as a probe. docs/delivery-cycle.md shows the same table.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from msgspec import structs

from riskrelay.core.delivery.backoff import backoff, local_wait, probe_wait
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import Stream, StreamStatus

FAILURES_THAT_HALT = 3  # guessed: one bad subject must not stop a lane, a dead receiver must not be pushed 256 times
_NO_WAIT = timedelta(0)


class Fate(Enum):
    """The state of an event after an attempt."""

    DELIVERED = auto()
    DEAD = auto()
    RETRIED = auto()


class Sign(Enum):
    """What an outcome says about the receiver as a whole."""

    WORKS = auto()
    """It accepts or refuses events, so the lane's count of failures is reset."""
    FAILS = auto()
    """The count grows, unless another outcome of the batch shows that the receiver works."""
    OVERLOADED = auto()
    """The count grows, even when the receiver accepted some of the batch. The lane probes, then starts slowly."""
    NOTHING = auto()
    """The failure is on our side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The consequences of an outcome.

    Attributes:
        fate: the state of the event.
        sign: what the lane learns about its receiver.
        retry_wait: the delay of an event that is tried again, by its number of attempts and the jitter.
        halts_after: this many such outcomes in a row end the batch; None: they never do.
        stream_status: the new status of the stream; None: it stays enabled.
    """

    fate: Fate
    sign: Sign
    retry_wait: Callable[[int, float], timedelta] = backoff
    halts_after: int | None = None
    stream_status: StreamStatus | None = None


_DECISIONS: Mapping[OutcomeKind, Decision] = {
    # Any 2xx.
    OutcomeKind.ACCEPTED: Decision(fate=Fate.DELIVERED, sign=Sign.WORKS),
    # 400 with an RFC 8935 `err` about the SET.
    OutcomeKind.REJECTED: Decision(fate=Fate.DEAD, sign=Sign.WORKS),
    # 401, 403, and 400 with an `err` about the transmitter.
    OutcomeKind.AUTH: Decision(fate=Fate.RETRIED, sign=Sign.FAILS, halts_after=1, stream_status=StreamStatus.PAUSED),
    # 410.
    OutcomeKind.GONE: Decision(fate=Fate.RETRIED, sign=Sign.FAILS, halts_after=1, stream_status=StreamStatus.DISABLED),
    # 429, and 503 with `Retry-After`.
    OutcomeKind.THROTTLED: Decision(fate=Fate.RETRIED, sign=Sign.OVERLOADED, halts_after=1),
    # Every other answer, and network, TLS and time-out failures.
    OutcomeKind.TRANSIENT: Decision(fate=Fate.RETRIED, sign=Sign.FAILS, halts_after=FAILURES_THAT_HALT),
    # Failures on our side: resolver, egress proxy, signing keys, master key.
    OutcomeKind.LOCAL: Decision(fate=Fate.RETRIED, sign=Sign.NOTHING, retry_wait=local_wait, halts_after=1),
}


def decide(outcome: Outcome) -> Decision:
    """Decide the consequences of an outcome.

    Rule: RFC 8935 §2.3, §2.4; faults.md 26, 29.
    """
    return _DECISIONS[outcome.kind]


def on_control_lane(outcome: Outcome) -> Outcome:
    """Return the outcome of an event that notifies the receiver that its stream was stopped.

    A receiver that answers it with a status that stops streams does not want the notice. The stream is stopped already,
    so the event counts as rejected and is not tried again.
    """
    if decide(outcome).stream_status is None:
        return outcome
    return structs.replace(outcome, kind=OutcomeKind.REJECTED)


def cancels_backlog(stream: Stream, status: StreamStatus) -> bool:
    """Decide whether a stream that was stopped by an answer loses its queued events.

    An implicit stream keeps them until their retention ends, because the account decides whether it resumes.
    """
    return status is StreamStatus.DISABLED and not stream.is_implicit


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneDecision:
    """The consequences of a batch for its lane.

    Attributes:
        failures: the new count of failed batches in a row. Above 0 the lane sends one event at a time, as a probe.
        quiet_for: how long nothing is pushed on the lane.
        asked_for: the delay that the receiver asked for with `Retry-After`. No lane of the stream pushes meanwhile.
    """

    failures: int
    quiet_for: timedelta
    asked_for: timedelta


def decide_lane(failures: int, outcomes: Iterable[Outcome], attempts: int, jitter: Callable[[], float]) -> LaneDecision:
    """Decide how a lane continues after a batch.

    Args:
        failures: the count before the batch.
        outcomes: of the batch, in any order.
        attempts: the largest number of attempts of an event of the batch, this one included.
        jitter: a fresh number from 0 to 1 at each call.

    Rule: design 6, "breaker with one probe"; faults.md 26, 27.
    """
    outcomes = list(outcomes)
    signs = {decide(outcome).sign for outcome in outcomes}
    asked_for = max((outcome.retry_after or _NO_WAIT for outcome in outcomes), default=_NO_WAIT)
    wait = _NO_WAIT
    if Sign.OVERLOADED in signs or (Sign.FAILS in signs and Sign.WORKS not in signs):
        failures += 1
        wait = probe_wait(failures, jitter())
    elif Sign.WORKS in signs:
        failures = 0
    elif signs:
        wait = local_wait(attempts, jitter())
    return LaneDecision(failures=failures, quiet_for=max(wait, asked_for), asked_for=asked_for)
