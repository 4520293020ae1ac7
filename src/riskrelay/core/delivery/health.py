"""The health of a stream, the reason, and advice, in words. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.delivery.reasons import reason_in_words, shown_status_reason
from riskrelay.core.delivery.rejecting import is_rejecting, refusals
from riskrelay.core.ssf.receiver_errors import TRANSMITTER_ERRORS
from riskrelay.core.ssf.streams import Party, Stream, StreamStatus


class Condition(StrEnum):
    """The health of a stream in one word."""

    HEALTHY = "healthy"
    FAILING = "failing"
    REJECTING = "rejecting"
    """Its receiver answers, and refuses at least half of its latest events."""
    PAUSED = "paused"
    DISABLED = "disabled"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHealth:
    """The state of delivery on one stream.

    Attributes:
        failures: the number of failed or throttled batches in a row, of the lane with the most.
        next_attempt_in: the time until the next push; zero: now; None: no event waits, the stream is polled, or no
            event may be sent.
        status_since: when the stream got its status, aware UTC; None: at its creation.
        last_outcome, last_reason: the result of the last push, or of the last poll; None: no event was tried.
        last_attempt_at: the time of the last attempt, aware UTC.
        recent_answers: the latest answers of a lane that is rejecting (see delivery.rejecting); empty: no lane is.
        receiver_seen_at: the time of the receiver's last request to its stream, such as a poll, to the minute; None:
            the receiver has no stream of its own.
    """

    stream: Stream
    ledger: Ledger
    failures: int
    next_attempt_in: timedelta | None
    status_since: datetime | None
    last_outcome: str | None
    last_reason: str | None
    last_attempt_at: datetime | None
    recent_answers: str = ""
    receiver_seen_at: datetime | None = None

    @property
    def condition(self) -> Condition:
        """The health in one word."""
        return condition_of(self.stream, self.failures, rejecting=is_rejecting(self.recent_answers))


def condition_of(stream: Stream, failures: int, *, rejecting: bool) -> Condition:
    """Return the health of a stream in one word.

    Args:
        failures: as in `StreamHealth`.
        rejecting: whether a lane is rejecting (see delivery.rejecting). A receiver that does not respond at all is
            failing, even if it rejected events before.
    """
    integration = stream.integration
    if not integration.active:
        return Condition.INACTIVE
    if integration.pause is not None or stream.status is StreamStatus.PAUSED:
        return Condition.PAUSED
    if stream.status is StreamStatus.DISABLED:
        return Condition.DISABLED
    if failures:
        return Condition.FAILING
    return Condition.REJECTING if rejecting else Condition.HEALTHY


def why(health: StreamHealth, *, may_see_subjects: bool = False) -> str:
    """Return why a stream is in its condition.

    Args:
        may_see_subjects: whether the reader's token allows pii-read. Without it, a receiver's reason for a status is
            omitted, because receivers may name users in it.
    """
    stream, last = health.stream, reason_in_words(health.last_reason or "")
    pause = stream.integration.pause
    match health.condition:
        case Condition.INACTIVE:
            return "The integration is not active."
        case Condition.PAUSED if pause is not None:
            said = "." if pause.reason is None else f": {pause.reason.rstrip('.')}."
            return f"Paused by an operator since {_minute(pause.since)}{said}"
        case Condition.PAUSED | Condition.DISABLED:
            since = "" if health.status_since is None else f" since {_minute(health.status_since)}"
            return f"{stream.status.value.capitalize()}{since}{_stopped_by(stream, may_see_subjects=may_see_subjects)}"
        case Condition.FAILING:
            batches = "batch" if health.failures == 1 else f"{health.failures} batches"
            return f"The last {batches} failed. Last result: {last}."
        case Condition.REJECTING:
            answers = health.recent_answers
            share = "its last event" if len(answers) == 1 else f"{refusals(answers)} of its last {len(answers)} events"
            return f"The receiver rejected {share}. Last response: {last}."
    if stream.is_polled:
        return "The receiver polls its events."
    return "No events have been sent yet." if health.last_outcome is None else f"Last result: {last}."


def what_next(health: StreamHealth, retention: timedelta) -> str:
    """Return what happens next, and advice, in a few sentences.

    Args:
        retention: how long undelivered events are kept.
    """
    waiting = _waiting(health.ledger, retention)
    match health.condition:
        case Condition.INACTIVE:
            return f"{waiting} No new events are queued. To continue, set the integration active."
        case Condition.PAUSED if health.stream.integration.pause is not None:
            return f"{waiting} To continue delivery, resume the integration."
        case Condition.PAUSED | Condition.DISABLED if health.stream.status_set_by is Party.RECEIVER:
            return f"{waiting} Only the receiver can enable its stream again."
        case Condition.PAUSED | Condition.DISABLED:
            return f"{waiting} Fix the receiver, then update or resume the integration."
        case Condition.FAILING:
            return f"{waiting} {_next_attempt(health)} Fix the receiver. To retry at once, resume the integration."
        case Condition.REJECTING:
            return f"{waiting} {_AFTER_REFUSALS}"
    if health.stream.is_polled:
        return f"{waiting} The receiver fetches events when it polls." if health.ledger.pending else waiting
    return f"{waiting} {_next_attempt(health)}" if health.ledger.pending else waiting


_AFTER_REFUSALS = (
    "Rejected events become dead letters and are not retried. Compare the audience (aud), the "
    "issuer and the keys with what the receiver expects, fix the difference, then replay the dead letters."
)


def _stopped_by(stream: Stream, *, may_see_subjects: bool) -> str:
    if stream.status_set_by is Party.RECEIVER:
        reason = shown_status_reason(stream, may_see_subjects=may_see_subjects)
        return " by its receiver" + ("." if reason is None else f": {reason.rstrip('.')}.")
    code = (stream.status_reason or "").removeprefix("http_")
    if code in TRANSMITTER_ERRORS:
        return f": the endpoint answered 400 with {code}."
    return (
        f": the endpoint answered {code}." if code.isdigit() else f": {stream.status_reason or 'no reason is known'}."
    )


def _next_attempt(health: StreamHealth) -> str:
    if health.next_attempt_in is None:
        return "No attempt is scheduled."
    if health.next_attempt_in <= timedelta(0):
        return "The next attempt is due now."
    return f"The next attempt is in {in_words(health.next_attempt_in)}."


def _waiting(ledger: Ledger, retention: timedelta) -> str:
    if not ledger.pending:
        return "No events are waiting."
    events = "1 event is waiting" if ledger.pending == 1 else f"{ledger.pending:,} events are waiting"
    if ledger.oldest_pending is None:
        return f"{events}."
    left = retention - ledger.oldest_pending
    expiry = f"it expires in {in_words(left)}" if left > timedelta(0) else "it expires now"
    return f"{events}. The oldest has waited {in_words(ledger.oldest_pending)}; {expiry}."


def in_words(duration: timedelta) -> str:
    """Return a duration in its largest unit, rounded down.

    >>> in_words(timedelta(seconds=59)), in_words(timedelta(minutes=119)), in_words(timedelta(days=6, hours=23))
    ('59 s', '1 h', '6 d')
    """
    seconds = int(duration.total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"


def _minute(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
