"""Make room for the days to come, and forget whole days that are over."""

from datetime import timedelta

from riskrelay.ports import Outside


async def turn_partitions(outside: Outside, kept: timedelta) -> bool:
    """On an engine that keeps events by days, make those to come and drop one that ended longer ago than *kept*.

    Returns: whether one was dropped, so that there may be more. The ledger goes on counting its events.
    Raises: Unavailable: somebody reads what would have to be locked; nothing waited for it, the next call may succeed.
    """
    await outside.store.write_installation(lambda tx: tx.engine.make_partitions(kept))
    return await outside.store.write_installation(lambda tx: tx.engine.drop_partition(kept))
