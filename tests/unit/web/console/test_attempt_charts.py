"""The charts of an integration's attempts."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.ports import PastAttempt, PastAttempts
from riskrelay.web.console.attempt_charts import attempt_charts
from riskrelay.web.console.windows import WINDOWS
from support.services import NOON

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def attempt(ago: timedelta, kind: OutcomeKind = OutcomeKind.ACCEPTED, latency: int = 10) -> PastAttempt:
    return PastAttempt(ended_at=NOON - ago, kind=kind, latency=timedelta(milliseconds=latency))


def past(attempts: Sequence[PastAttempt], since: datetime | None = None) -> PastAttempts:
    return PastAttempts(attempts=attempts, since=since)


def test_attempts_are_counted_by_result_and_step() -> None:
    """A refusal is a result of its own; every other failure is one."""
    kinds = [OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.AUTH, OutcomeKind.TRANSIENT]
    charts = attempt_charts(past([attempt(MINUTE, kind) for kind in kinds]), WINDOWS["1h"], NOON)
    assert charts.results[-2:] == [(NOON - MINUTE, 1, 1, 2), (NOON, 0, 0, 0)]
    assert (charts.accepted, charts.tried, charts.words) == (1, 4, "last hour")


def test_latency_is_that_of_accepted_attempts() -> None:
    """A step without one is a gap."""
    attempts = [attempt(MINUTE, latency=number) for number in range(1, 101)]
    charts = attempt_charts(past([*attempts, attempt(SECOND * 0, OutcomeKind.AUTH)]), WINDOWS["1h"], NOON)
    assert charts.latencies[-2:] == [(NOON - MINUTE, 50.0, 99.0), (NOON, None, None)]
    assert (charts.p50, charts.p99) == (timedelta(milliseconds=50), timedelta(milliseconds=99))


def test_attempts_before_the_window_are_left_out() -> None:
    """Without any, there is no chart."""
    charts = attempt_charts(past([attempt(timedelta(hours=2))]), WINDOWS["1h"], NOON)
    assert (charts.tried, charts.results, charts.latencies, charts.p50) == (0, [], [], None)
    assert attempt_charts(past([attempt(timedelta(hours=2))]), WINDOWS["6h"], NOON).tried == 1


def test_a_busy_integration_has_shorter_steps() -> None:
    """The charts begin where all attempts are known, and say how many these are."""
    attempts = [attempt(SECOND * number) for number in range(50)]
    charts = attempt_charts(past(attempts, NOON - SECOND * 50), WINDOWS["24h"], NOON)
    assert charts.words == "latest 50 attempts"
    assert [row[0] for row in charts.results] == [NOON - SECOND * number for number in reversed(range(50))]
    assert {row[1:] for row in charts.results} == {(1, 0, 0)}
    one_step = attempt_charts(past(attempts, NOON), WINDOWS["24h"], NOON)
    assert [row[0] for row in one_step.results] == [NOON]
