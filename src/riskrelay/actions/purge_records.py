"""Delete records that are older than they are kept, so that the database does not grow for ever."""

from collections.abc import Callable
from datetime import timedelta

from riskrelay.ports import Installation, Outside

_ROWS = 1_000  # guessed: rows that one transaction deletes
_GONE = 100  # guessed: deleted streams or integrations of one transaction; each has rows in several tables


async def purge_records(outside: Outside, history: timedelta, audit: timedelta) -> bool:
    """Delete old audit entries, event requests and replays, and streams and integrations that were deleted long ago,
    each in one bounded transaction.

    Args:
        history: how long replays, event requests, and deleted streams and integrations are kept. A deleted stream also
            stays until its last event has been purged.
        audit: how long audit entries are kept.

    Returns: whether something was deleted, so that there may be more.
    Raises: Unavailable.
    """
    steps: tuple[Callable[[Installation], int], ...] = (
        lambda tx: tx.purging.audit_entries(audit, _ROWS),
        lambda tx: tx.purging.event_requests(history, _ROWS),
        lambda tx: tx.purging.replays(history, _ROWS),
        lambda tx: tx.purging.streams(history, _GONE),
        lambda tx: tx.purging.integrations(history, _GONE),
    )
    purged = [await outside.store.write_installation(step) for step in steps]
    return any(purged)
