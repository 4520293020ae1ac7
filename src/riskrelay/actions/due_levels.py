"""Decide levels again when time has passed or findings were recorded: by what expires, and by the account's rules."""

from collections import defaultdict
from collections.abc import Sequence

from riskrelay.actions.applying import PART_ROWS, apply
from riskrelay.actions.rule_rounds import RuleRounds
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import ChangeKind, Standing, decided_again
from riskrelay.core.risk.explaining import level_change
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.rules import LevelRules
from riskrelay.ports import DueUser, Services, Transaction, Writes

_USERS_AT_ONCE = 1_000  # chosen: a large batch of findings; a scan reads some milliseconds
_WALKS_AT_ONCE = 10  # guessed: accounts with changed rules in one scan; the next scan takes the others


class DueLevels:
    """Decides the levels of due users again, and notifies the receivers of each change.

    Several processes may do this at the same time: each user is locked, and moves only if its level is still due.
    An account whose users are being moved by a large write comes later.

    Args:
        per_second: the largest number of users per second that move, of all processes together.
    """

    def __init__(self, services: Services, per_second: int) -> None:
        self._services = services
        self._per_second = per_second
        self._rounds = RuleRounds(services, per_second)

    async def decide(self) -> int:
        """Decide some due users, and some users of accounts whose rules were changed.

        Returns: the number of due users and of such accounts that were found; zero if no more can be decided at once.
        Raises: Unavailable.
        """
        due, walking = await self._services.store.read_installation(
            lambda tx: (tx.due_levels.users(self._rounds.owner, _USERS_AT_ONCE), tx.due_levels.walking(_WALKS_AT_ONCE))
        )
        await self._lower_all([one for one in due if not one.has_rules])
        may_go_on = True
        for account_id, user_ids in _by_account([one for one in due if one.has_rules]).items():
            may_go_on &= await self._rounds.look(account_id, user_ids)
        for account_id, place in walking if may_go_on else ():
            may_go_on &= await self._rounds.walk(account_id, place)
        return len(due) + len(walking) if may_go_on else 0

    async def stop(self) -> None:
        """Let other processes evaluate rules at once.

        Raises: Unavailable.
        """
        await self._rounds.stop()

    async def _lower_all(self, due: Sequence[DueUser]) -> None:
        """Lower the levels of users in accounts without rules, as far as they may move in this second."""
        if due:
            granted = await self._services.store.write_installation(
                lambda tx: tx.due_levels.take_turn(len(due), self._per_second)
            )
            for account_id, user_ids in _by_account(due[:granted]).items():
                await self._lower(account_id, user_ids)

    async def _lower(self, account_id: AccountId, user_ids: Sequence[UserId]) -> None:
        """Decide users of one account again, in short transactions."""
        services = self._services
        streams = len(await services.store.read(account_id, lambda tx: tx.streams.taking_events()))
        at_once = max(PART_ROWS // max(streams, 1), 1)
        for start in range(0, len(user_ids), at_once):
            some = user_ids[start : start + at_once]

            def store(tx: Transaction, some: Sequence[UserId] = some) -> list[WokenLane]:
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


def _by_account(due: Sequence[DueUser]) -> dict[AccountId, list[UserId]]:
    by_account: dict[AccountId, list[UserId]] = defaultdict(list)
    for one in due:
        by_account[one.account_id].append(one.user_id)
    return by_account


def _is_due(standing: Standing, rules: LevelRules) -> bool:
    """Return whether a locked user is still due, which another process may have decided again meanwhile."""
    due = standing.next_change_at
    return due is not None and (rules.as_of is None or due <= rules.as_of)
