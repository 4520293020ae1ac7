"""Wake the long polls whose streams have events."""

from collections.abc import Sequence
from functools import partial

from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports import Bell, Installation, Services

_AT_ONCE = 1_000  # streams of one query: databases limit the number of parameters


async def wake_polls(services: Services, bell: Bell) -> None:
    """Wake polls for events that other nodes queued, with one query for every thousand polled streams.

    Waiting polls do not query, so thousands of them cost as much as one.

    Raises: Unavailable.
    """
    streams = bell.listened()
    for start in range(0, len(streams), _AT_ONCE):
        query = partial(_undelivered, streams=streams[start : start + _AT_ONCE])
        bell.ring(await services.store.read_installation(query))


def _undelivered(tx: Installation, streams: Sequence[tuple[AccountId, StreamId]]) -> list[LaneKey]:
    return tx.undelivered(streams)
