"""Keep the database in shape: expire, purge, partition, analyze."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from riskrelay.core.delivery.lanes import CANCELLED_AT_ONCE, LaneKey
from riskrelay.core.sources.sources import SAMPLES_KEPT_FOR
from riskrelay.ports import Installation, Services, Transaction

_LANES = 100  # guessed: lanes that one call handles; the next call handles the rest
_EVENTS = 1_000  # guessed: events of a lane that one transaction expires or deletes
_ROWS = 1_000  # guessed: rows that one transaction deletes


async def expire_events(services: Services, retention: timedelta) -> int:
    """Expire events that are older than *retention*, in bounded transactions.

    Returns: the number of expired events; zero: no event is left to expire now.
    Rule: design 6: a worker expires the events of its lanes too (delivery.lanes.settle).
    """
    keys = await services.store.read_installation(lambda tx: tx.retention.lanes_to_expire(retention, _LANES))
    return await _lane_by_lane(services, keys, lambda key, tx: tx.retention.expire(key, retention, _EVENTS))


async def purge_events(services: Services, kept: timedelta) -> int:
    """Delete settled events that were queued longer ago than *kept*, with their attempts, in bounded transactions.

    Returns: the number of deleted events; zero: no event is left to delete now. The ledger still counts them.
    """
    keys = await services.store.read_installation(lambda tx: tx.retention.lanes_to_purge(kept, _LANES))
    return await _lane_by_lane(services, keys, lambda key, tx: tx.retention.purge(key, kept, _EVENTS))


async def cancel_events(services: Services) -> bool:
    """Cancel events of disabled and deleted streams whose cancellation was begun, in bounded transactions.

    Returns: whether events were left to cancel, so that more may be left.
    """
    keys = await services.store.read_installation(lambda tx: tx.retention.lanes_to_cancel(_LANES))
    for key in keys:

        def step(tx: Transaction, key: LaneKey = key) -> list[LaneKey]:
            return tx.streams.continue_cancelling(key, CANCELLED_AT_ONCE)

        services.wake(await services.store.write(key.account_id, step))
    return bool(keys)


async def _lane_by_lane(
    services: Services, keys: Sequence[LaneKey], step: Callable[[LaneKey, Installation], int]
) -> int:
    """Run *step* for each lane in a transaction of its own, and return the sum of the results."""
    return sum([await services.store.write_installation(partial(step, key)) for key in keys])


async def purge_records(services: Services, history: timedelta, audit: timedelta) -> bool:
    """Delete old audit entries, event requests, replays, bulk resets and samples, and rows of deleted streams and
    integrations.

    Each kind of record is deleted in one bounded transaction.

    Args:
        history: how long replays, bulk resets, event requests, and deleted streams and integrations are kept. A deleted
            stream also stays until its last event has been purged.
        audit: how long audit entries are kept.

    Returns: whether rows were deleted, so that more may be left.
    Raises: Unavailable.
    """
    steps: tuple[Callable[[Installation], int], ...] = (
        lambda tx: tx.purging.audit_entries(audit, _ROWS),
        lambda tx: tx.purging.event_requests(history, _ROWS),
        lambda tx: tx.purging.replays(history, _ROWS),
        lambda tx: tx.purging.samples(SAMPLES_KEPT_FOR, _ROWS),
        lambda tx: tx.purging.bulk_resets(history, _ROWS),
        lambda tx: tx.purging.streams(history, _ROWS),
        lambda tx: tx.purging.integrations(history, _ROWS),
    )
    purged = [await services.store.write_installation(step) for step in steps]
    return any(purged)


async def turn_partitions(services: Services, kept: timedelta) -> bool:
    """Create the partitions of the next days, and drop one that ended longer ago than *kept*.

    Returns: whether a partition was dropped, so that more may be left. The ledger still counts its events.
    Raises: Unavailable: another transaction reads a table that must be locked. The call does not wait; a later call
        may succeed.
    """
    await services.store.write_installation(lambda tx: tx.engine.make_partitions(kept))
    return await services.store.write_installation(lambda tx: tx.engine.drop_partition(kept))


async def analyze_tables(services: Services) -> None:
    """Analyze tables that have grown and have no statistics, as in a new installation or a new partition.

    Raises: Unavailable: the next call tries again.
    """
    await services.store.write_installation(lambda tx: tx.engine.analyze_new())
