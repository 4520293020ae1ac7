"""The charts of an integration: the results of its attempts and the latency of its deliveries. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from riskrelay.core.delivery.attempts import percentile
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.ports import PastAttempts
from riskrelay.web.console.windows import Row, Window, milliseconds_of

READ = 2_000  # chosen: read on each view of the page; the charts of a busier integration begin later
_STEPS = [timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 900, 1_800)]
_MOST = 100  # more steps can't be told apart, and their table is long
_RESULTS = {OutcomeKind.ACCEPTED: "Accepted", OutcomeKind.REJECTED: "Rejected"}
_FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptCharts:
    """The rows of the charts, and figures of the same attempts.

    Attributes:
        words: the stretch of time that the charts show.
        accepted, tried: the numbers of accepted attempts and of all.
        results: the number of attempts of each step, by result; empty: there are none.
        latencies: p50 and p99 of each step's accepted attempts, in milliseconds.
        p50, p99: of all accepted attempts; None: none was accepted.
    """

    words: str
    accepted: int
    tried: int
    results: Sequence[Row]
    latencies: Sequence[Row]
    p50: timedelta | None
    p99: timedelta | None


RESULT_COLUMNS = ["Time", *_RESULTS.values(), _FAILED]


def attempt_charts(past: PastAttempts, window: Window, now: datetime) -> AttemptCharts:
    """Return the charts of the attempts that ended within a window.

    If not all attempts of the window were read, the charts begin at the first that is complete, with shorter steps.
    """
    shown = _shown(past, window, now)
    starts = shown.starts(now)
    counts: Counter[tuple[datetime, str]] = Counter()
    latencies: dict[datetime, list[timedelta]] = defaultdict(list)
    for one in past.attempts:
        if not starts[0] <= one.ended_at:
            continue
        at = starts[0] + (one.ended_at - starts[0]) // shown.step * shown.step
        counts[at, _RESULTS.get(one.kind, _FAILED)] += 1
        if one.kind is OutcomeKind.ACCEPTED:
            latencies[at].append(one.latency)
    accepted = sorted(latency for some in latencies.values() for latency in some)
    columns = RESULT_COLUMNS[1:]
    return AttemptCharts(
        words=shown.words,
        accepted=len(accepted),
        tried=counts.total(),
        results=[(at, *(counts[at, name] for name in columns)) for at in starts] if counts else [],
        latencies=[_latency_row(at, sorted(latencies[at])) for at in starts] if accepted else [],
        p50=percentile(accepted, 50),
        p99=percentile(accepted, 99),
    )


def _shown(past: PastAttempts, window: Window, now: datetime) -> Window:
    """Return the part of a window of which all attempts were read."""
    if past.since is None or now - past.since >= window.length:
        return window
    span = max(now - past.since, _STEPS[0])
    step = next((step for step in _STEPS if span / step <= _MOST), _STEPS[-1])
    words = f"latest {len(past.attempts):,} attempts"
    return Window(name=window.name, words=words, length=max(span // step, 1) * step, step=step)


def _latency_row(at: datetime, ordered: Sequence[timedelta]) -> Row:
    return at, milliseconds_of(percentile(ordered, 50)), milliseconds_of(percentile(ordered, 99))
