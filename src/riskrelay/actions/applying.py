"""Write the rows that a request decided about users, all at once or in parts."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from riskrelay.actions.recording import queue_level_changes
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.risk.assessment import Standing, with_latest
from riskrelay.ports import Services, Transaction, Writes

PART_ROWS = 100  # chosen: SQLite's writer and PostgreSQL's locks are held for some milliseconds
_ROW_BYTES = 1_024  # guessed: details of this size take as long to write as another row
_TRIMMED_AT_MOST = 500  # guessed: findings that an older version stored above the quota are deleted in steps
# In the order in which rows refer to each other. A user's level change is last, after its findings are stored.
_LISTS = ("new_users", "replaced", "detected", "findings", "joined", "activity", "standings", "changes")
_MAPPINGS = frozenset({"replaced", "joined"})
_OF_OTHER_SIZES = frozenset({"changes", "findings", "detected"})


def apply(tx: Transaction, writes: Writes, services: Services) -> list[WokenLane]:
    """Write rows of users, and queue a security event for each level change on every stream that takes it.

    Returns: the lanes to wake after the commit.
    """
    tx.users.add(writes.new_users)
    tx.findings.replace(writes.replaced, writes.detected)
    tx.findings.add(writes.findings)
    tx.activities.join(writes.joined, writes.replaced)
    tx.activities.add(writes.activity)
    tx.users.save(_counted(tx, writes))
    for user_id in sorted(writes.trimmed):
        tx.findings.trim(user_id, services.quotas.findings_per_user, _TRIMMED_AT_MOST)
    return queue_level_changes(tx, writes.changes, services)


def _counted(tx: Transaction, writes: Writes) -> list[Standing]:
    """Return the standings to save. Findings are counted again for users whose episodes were merged."""
    if not writes.tallied:
        return list(writes.standings)
    rules = tx.levels.with_groups(tx.levels.rules(), [one.email_key for one in writes.standings])
    tallies = tx.findings.tally(writes.tallied)

    def counted(standing: Standing) -> Standing:
        tally = tallies.get(standing.user_id)
        if tally is None:
            return standing
        standing = replace(standing, event_count=tally.count, last_event_at=tally.last_at)
        return with_latest(standing, tally.latest, rules)

    return [counted(one) for one in writes.standings]


def cut(writes: Writes, streams: int) -> Iterator[Writes]:
    """Cut *writes* into parts that each take a short transaction, to be applied in this order.

    Args:
        streams: the number of streams, so the number of events of a level change.
    """
    part: dict[str, Any] = {}
    size = 0
    for name in _LISTS:
        rows = getattr(writes, name)
        for row in rows.items() if name in _MAPPINGS else rows:
            part.setdefault(name, []).append(row)
            size += _size(name, row, streams) if name in _OF_OTHER_SIZES else 1
            if size >= PART_ROWS:
                yield _part_of(writes, part)
                part, size = {}, 0
    if part:
        yield _part_of(writes, part)


def _size(name: str, row: Any, streams: int) -> int:
    """Return the cost of writing *row*, in units of a small row."""
    if name == "changes":
        return max(streams, 1)
    return 1 + len(row.details_json or "") // _ROW_BYTES


def _part_of(writes: Writes, rows: dict[str, Any]) -> Writes:
    """Return a part with *rows* and the related members of *writes*."""
    lists: dict[str, Any] = {name: dict(found) if name in _MAPPINGS else found for name, found in rows.items()}
    if not writes.tallied and not writes.trimmed:
        return Writes(**lists)
    written = {one.user_id for one in rows.get("findings", ())}
    saved = {one.user_id for one in rows.get("standings", ())}
    return Writes(**lists, tallied=writes.tallied & saved, trimmed=writes.trimmed & (written | saved))
