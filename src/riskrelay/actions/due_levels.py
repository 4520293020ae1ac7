"""Decide levels again when time has passed: lower those whose findings have expired."""

from collections import defaultdict
from collections.abc import Sequence

from riskrelay.actions.applying import PART_ROWS, apply
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import ChangeKind, Standing, decided_again, level_change
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.rules import LevelRules
from riskrelay.ports import Services, Transaction, Writes

_USERS_AT_ONCE = PART_ROWS


async def lower_due_levels(services: Services, per_second: int) -> int:
    """Decide the levels of due users again, and notify the receivers of each change.

    Several processes may do this at the same time: each user is locked, and moves only if its level is still due.
    An account whose users are being moved by a large write comes later.

    Args:
        per_second: the largest number of users per second, of all processes together.

    Returns: the number of due users that were found; zero: no level is due.
    Raises: Unavailable.
    """
    due = await services.store.read_installation(lambda tx: tx.due_levels.users(_USERS_AT_ONCE))
    if not due:
        return 0
    granted = await services.store.write_installation(lambda tx: tx.due_levels.take_turn(len(due), per_second))
    by_account: dict[AccountId, list[UserId]] = defaultdict(list)
    for account_id, user_id in due[:granted]:
        by_account[account_id].append(user_id)
    for account_id, user_ids in by_account.items():
        await _lower(services, account_id, user_ids)
    return len(due)


async def _lower(services: Services, account_id: AccountId, user_ids: Sequence[UserId]) -> None:
    """Decide users of one account again, in short transactions."""
    streams = len(await services.store.read(account_id, lambda tx: tx.streams.taking_events()))
    at_once = max(PART_ROWS // max(streams, 1), 1)
    for start in range(0, len(user_ids), at_once):
        some = user_ids[start : start + at_once]

        def store(tx: Transaction, some: Sequence[UserId] = some) -> list[LaneKey]:
            if tx.large_writes.is_running():
                return []
            rules, now = tx.levels.rules(), services.clock.now()
            due = [one for one in tx.users.due(some) if _is_due(one, rules)]
            rules = tx.levels.with_groups(rules, [one.email_key for one in due])
            steps = [(old, decided_again(old, rules, now)) for old in due]
            changes = [level_change(old, new, rules, ChangeKind.EXPIRY, at=now) for old, new in steps]
            writes = Writes(
                standings=[new for _, new in steps], changes=[change for change in changes if change is not None]
            )
            return apply(tx, writes, services)

        services.wake(await services.store.write(account_id, store))


def _is_due(standing: Standing, rules: LevelRules) -> bool:
    """Return whether a locked user is still due, which another process may have decided again meanwhile."""
    due = standing.next_change_at
    return due is not None and (rules.as_of is None or due <= rules.as_of)
