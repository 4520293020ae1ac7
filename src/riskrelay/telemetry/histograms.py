"""Histograms of durations for Prometheus.

Delivery makes four observations an event. Measured side by side in one run: 0.6 us an event here, 4.4 us with the
histograms of prometheus_client. The difference is 3.8 % of the CPU that an event signed with ES256 costs (102 us,
docs/benchmarks.md), 1.3 % of one signed with RS256.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

LIMITS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 86_400)
_BOUNDS = [*(str(float(bound)) for bound in LIMITS_SECONDS), "+Inf"]


class Durations:
    """Observed durations. One thread observes; any thread may read.

    Attributes:
        total_seconds: the sum of all durations.
    """

    def __init__(self) -> None:
        self._counts = [0] * len(_BOUNDS)
        self.total_seconds = 0.0

    def observe(self, seconds: Sequence[float]) -> None:
        """Count durations."""
        for one in seconds:
            self._counts[bisect_left(LIMITS_SECONDS, one)] += 1
        self.total_seconds += sum(seconds)

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative count of each bucket, by its upper bound."""
        return list(zip(_BOUNDS, accumulate(self._counts), strict=True))


class Histogram(Collector):
    """Durations by label values."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._durations: dict[tuple[str, ...], Durations] = {}

    def of(self, *values: str) -> Durations:
        """Return the durations of these label values. They are exposed from now on."""
        return self._durations.setdefault(values, Durations())

    def describe(self) -> list[HistogramMetricFamily]:
        """Return its name, before it has values."""
        return [HistogramMetricFamily(self._name, self._documentation, labels=self._labels)]

    def collect(self) -> list[HistogramMetricFamily]:
        """Return the observed durations."""
        (family,) = self.describe()
        for values, durations in self._durations.items():
            family.add_metric(values, durations.buckets, durations.total_seconds)
        return [family]
