"""Let events expire that nobody works on, such as those of paused streams and behind dead receivers."""

from datetime import timedelta

from riskrelay.ports import Outside

_LANES = 100  # guessed: lanes that one call looks after; the rest are found by the next
_EVENTS = 1_000  # guessed: events of a lane that one transaction lets expire


async def expire_events(outside: Outside, retention: timedelta) -> int:
    """Let what is older than *retention* expire, in bounded transactions.

    Returns: how many events that were; zero: nothing is left to do for now.
    Rule: design 6: whoever works on a lane does the same (delivery.lanes.settle).
    """
    keys = await outside.store.read_installation(lambda tx: tx.retention.lanes_to_expire(retention, _LANES))
    expired = 0
    for key in keys:
        expired += await outside.store.write_installation(
            lambda tx, key=key: tx.retention.expire(key, retention, _EVENTS)  # type: ignore[misc]
        )
    return expired
