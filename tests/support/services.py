"""A clock that stands still, ids that count, and what goes with them."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from riskrelay.core.delivery.handover import WokenLane, lane_of
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.local.finding_counts import PendingFindingCounts
from riskrelay.local.gathering import Together
from riskrelay.local.known_tokens import RememberedTokens
from riskrelay.local.missed_names import PendingMissedNames
from riskrelay.local.rate_limits import MemoryRateLimits
from riskrelay.local.token_uses import PendingTokenUses
from riskrelay.local.user_counts import CountedUsers
from riskrelay.ports import Services, Store
from riskrelay.telemetry.metrics import PrometheusMetrics
from riskrelay.telemetry.observing import Observers

NOON = datetime(2026, 3, 17, 12, 0, tzinfo=UTC)


class HandClock:
    """A clock that moves when the test says so."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now
        self._seconds = 0.0
        self._runs_since: float | None = None

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds + (0.0 if self._runs_since is None else time.monotonic() - self._runs_since)

    def run(self) -> None:
        """Let the seconds run from now on, for a worker that must scan again. The date stands still."""
        self._runs_since = time.monotonic()

    async def sleep(self, seconds: float) -> None:
        self.pass_time(timedelta(seconds=seconds))

    def pass_time(self, duration: timedelta) -> None:
        self._now += duration
        self._seconds += duration.total_seconds()


class CountingIds:
    """Ids in order: the first UUID ends in 1."""

    def __init__(self) -> None:
        self._count = 0

    def uuid(self) -> str:
        self._count += 1
        return f"00000000-0000-4000-8000-{self._count:012d}"

    def ordered_uuid(self) -> str:
        return self.uuid()

    def secret(self) -> str:
        self._count += 1
        return f"secret-{self._count:036d}"

    def jitter(self) -> float:
        return 0.0


class Wakes:
    """Remembers who was woken."""

    def __init__(self) -> None:
        self.lanes: list[LaneKey] = []

    def __call__(self, lanes: Sequence[WokenLane]) -> None:
        self.lanes.extend(map(lane_of, lanes))


def services_of(store: Store, clock: HandClock | None = None) -> Services:
    """What actions need, over a real store."""
    clock = clock or HandClock()
    metrics = PrometheusMetrics()
    return Services(
        store=store,
        clock=clock,
        ids=CountingIds(),
        metrics=metrics,
        observer=Observers(metrics),
        wake=Wakes(),
        rate_limits=MemoryRateLimits(clock, None),
        token_uses=PendingTokenUses(),
        known_tokens=RememberedTokens(),
        finding_counts=PendingFindingCounts(),
        missed_names=PendingMissedNames(),
        user_counts=CountedUsers(),
        gathering=Together(),
    )
