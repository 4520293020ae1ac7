"""What an outcome leads to: for the event, for its lane, and for its stream. The only place that decides it.

`ssf.push` reads an answer into one of the seven outcome kinds; the table below says what each kind means. So a 429 with
`Retry-After` is THROTTLED: the event is tried again, the batch ends, no lane of the stream pushes before the time that
the receiver asked for, and then the lane sends one event as a probe. docs/delivery-cycle.md shows the same table.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto

from msgspec import structs

from riskrelay.core.delivery.backoff import backoff, own_wait, probe_wait
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import Stream, StreamStatus

FAILURES_THAT_HALT = 3  # guessed: one bad subject must not stop a lane, a dead receiver must not be pushed 256 times
_NO_WAIT = timedelta(0)


class Fate(Enum):
    """What becomes of the event that was pushed."""

    DELIVERED = auto()
    DEAD = auto()
    RETRIED = auto()


class Sign(Enum):
    """What an outcome says about the receiver as a whole."""

    WORKS = auto()
    """It judges events, so the lane's count of failures ends."""
    FAILS = auto()
    """The count grows, unless another outcome of the batch shows that the receiver works."""
    OVERLOADED = auto()
    """The count grows, even when the receiver accepted some of the batch: it is probed, then started slowly."""
    NOTHING = auto()
    """The failure is on our side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an outcome leads to.

    Attributes:
        fate: what becomes of the event.
        sign: what the lane learns about its receiver.
        retry_wait: for an event that is tried again, the wait by its number of attempts and the jitter.
        halts_after: this many such outcomes in a row end the batch; None: they never do.
        stream_status: the status that the stream gets; None: it stays enabled.
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
    OutcomeKind.OURS: Decision(fate=Fate.RETRIED, sign=Sign.NOTHING, retry_wait=own_wait, halts_after=1),
}


def decide(outcome: Outcome) -> Decision:
    """Decide what an outcome leads to.

    Rule: RFC 8935 §2.3, §2.4; faults.md 26, 29.
    """
    return _DECISIONS[outcome.kind]


def on_control_lane(outcome: Outcome) -> Outcome:
    """Return the outcome of an event that tells the receiver that its stream was stopped.

    When the receiver refuses it with the very answer that stops a stream, the stream is stopped already and the
    receiver doesn't want the notice: the event is rejected, so that it is not tried again.
    """
    if decide(outcome).stream_status is None:
        return outcome
    return structs.replace(outcome, kind=OutcomeKind.REJECTED)


def cancels_backlog(stream: Stream, status: StreamStatus) -> bool:
    """Decide whether a stream that an answer stops loses the events that wait.

    An implicit stream keeps them until retention: its account, not the receiver, decides whether it resumes.
    """
    return status is StreamStatus.DISABLED and not stream.is_implicit


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneDecision:
    """What a batch leads to for its lane.

    Attributes:
        failures: the new count of batches in a row that failed; above 0 the lane sends one event at a time, as a probe.
        quiet_for: how long nothing is pushed on the lane.
        asked_for: how long the receiver asked for with `Retry-After`: no lane of the stream pushes meanwhile.
    """

    failures: int
    quiet_for: timedelta
    asked_for: timedelta


def decide_lane(failures: int, outcomes: Iterable[Outcome], attempts: int, jitter: Callable[[], float]) -> LaneDecision:
    """Decide how a lane goes on after a batch.

    Args:
        failures: the count before the batch.
        outcomes: of the batch, in any order.
        attempts: how often the event that was tried most often has been tried, with this batch.
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
        wait = own_wait(attempts, jitter())
    return LaneDecision(failures=failures, quiet_for=max(wait, asked_for), asked_for=asked_for)
