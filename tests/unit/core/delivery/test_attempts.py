"""What is known about one attempt."""

from datetime import timedelta

from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from support.services import NOON


def test_the_latency_runs_from_the_queue_to_the_answer() -> None:
    """The wait in the queue and the push itself."""
    attempt = Attempt(
        seq=1,
        jti=Jti("jti-1"),
        number=1,
        queued_at=NOON,
        started_at=NOON + timedelta(seconds=5),
        duration=timedelta(seconds=2),
        outcome=Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted"),
    )
    assert attempt.latency == timedelta(seconds=7)
