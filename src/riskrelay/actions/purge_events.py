"""Forget what was settled long ago, so that the database does not grow for ever."""

from datetime import timedelta

from riskrelay.ports import Outside

_LANES = 100  # guessed: lanes that one call looks after; the rest are found by the next
_EVENTS = 1_000  # guessed: events of a lane that one transaction forgets


async def purge_events(outside: Outside, kept: timedelta) -> int:
    """Forget settled events that were queued longer ago than *kept*, with their attempts, in bounded transactions. The
    ledger goes on counting them.

    Returns: how many events that were; zero: nothing is left to do for now.
    """
    keys = await outside.store.read_installation(lambda tx: tx.retention.lanes_to_purge(kept, _LANES))
    purged = 0
    for key in keys:
        purged += await outside.store.write_installation(
            lambda tx, key=key: tx.retention.purge(key, kept, _EVENTS)  # type: ignore[misc]
        )
    return purged
