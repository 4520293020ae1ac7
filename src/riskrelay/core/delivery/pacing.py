"""The pace of a lane, from the delivery limits of its integration. Pure."""

from dataclasses import dataclass

from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.ssf.streams import Stream


@dataclass(frozen=True, slots=True)
class Pace:
    """The share of one lane in its stream's limits; several lanes divide them evenly.

    Attributes:
        concurrency: the number of concurrent pushes.
        interval: seconds between the starts of two pushes; 0: no limit.
        batch: the largest number of events in a batch: about one second of them, so that no batch takes long.
    """

    concurrency: int
    interval: float
    batch: int


def pace_of(stream: Stream, concurrency: int) -> Pace:
    """Return the pace of each lane of *stream*.

    Args:
        concurrency: the service's own limit, for each lane.
    """
    limits = stream.integration.limits
    if limits.concurrency is not None:
        concurrency = min(concurrency, max(limits.concurrency // stream.lanes, 1))
    if limits.pushes_per_second is None:
        return Pace(concurrency, 0.0, BATCH_EVENTS)
    rate = limits.pushes_per_second / stream.lanes
    return Pace(concurrency, 1 / rate, min(max(int(rate), 1), BATCH_EVENTS))
