"""Histograms of durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as LibraryHistogram
from prometheus_client.parser import text_string_to_metric_families

from riskrelay.telemetry.histograms import LIMITS_SECONDS, Histogram

_SECONDS = st.lists(st.sampled_from(LIMITS_SECONDS) | st.floats(0, 1e6))


@given(_SECONDS, _SECONDS)
def test_they_read_as_those_of_the_library(one: list[float], other: list[float]) -> None:
    """Prometheus gets the same text for the same observations, also of values at a bucket's limit."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("took_seconds", "How long it took.", ["phase"])
    ours.register(histogram)
    library = LibraryHistogram("took_seconds", "How long it took.", ["phase"], buckets=LIMITS_SECONDS, registry=theirs)
    for phase, seconds in (("one", one), ("other", other)):
        histogram.of(phase).observe(seconds)
        child = library.labels(phase)
        for value in seconds:
            child.observe(value)
    assert _samples(ours) == pytest.approx(_samples(theirs))


def _samples(registry: CollectorRegistry) -> dict[str, float]:
    """Every sample but the moments at which the library made its histograms; sums may differ in their last digit."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples if not sample.name.endswith("_created")]
    return {f"{sample.name} {sorted(sample.labels.items())}": sample.value for sample in samples}
