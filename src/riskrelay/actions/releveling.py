"""Change the rules that decide an account's levels, and decide the levels of its users again."""

from collections.abc import AsyncIterator, Callable
from functools import partial

from msgspec.structs import replace

from riskrelay.actions.large_writes import write_in_parts, write_users
from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import ChangeKind, Standing, decided_again
from riskrelay.core.risk.explaining import level_change
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.rules import LevelRules
from riskrelay.ports import Services, Transaction, Writes

_USERS_AT_ONCE = 200  # guessed: users read in one query, some milliseconds


class _UsersMove(Exception):
    """Raised when the rules change, so that users' levels may change too."""

    def __init__(self, rules: LevelRules) -> None:
        super().__init__()
        self.rules = rules


async def change_rules(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    change: Callable[[Transaction, LevelRules], None],
    kind: ChangeKind = ChangeKind.SETTINGS,
) -> LevelRules:
    """Store changed rules, and update the users whose level or next change follows from them.

    Args:
        actor: the person, for the histories of the users.
        change: stores the changes, from the rules before. It may run several times.
        kind: the kind of the level changes that follow.

    Returns: the rules after the change.
    """

    # A change that moves no user is one transaction. Another one may change many users: their rows are stored in parts
    # first, and the rules in the transaction that accepts these parts.

    def store(tx: Transaction, *, refusing_moves: bool = False) -> LevelRules:
        before = tx.levels.rules()
        change(tx, before)
        after = tx.levels.rules()
        if refusing_moves and not after.decides_like(before):
            raise _UsersMove(after)
        if after.policies and not after.decides_like(before):
            tx.rule_work.begin_walk()  # findings count otherwise, so the account's rules have to see all users again
        return after

    async def moved() -> AsyncIterator[Writes]:
        try:
            await services.store.write(account_id, partial(store, refusing_moves=True))
        except _UsersMove as moving:
            async for writes in _moved_users(services, account_id, actor, moving.rules, kind=kind):
                yield writes

    try:
        return await write_users(services, account_id, partial(store, refusing_moves=True))
    except _UsersMove:
        return await write_in_parts(services, account_id, moved, store)


async def _moved_users(
    services: Services, account_id: AccountId, actor: Actor, rules: LevelRules, *, kind: ChangeKind
) -> AsyncIterator[Writes]:
    """Find the users whose standing differs under *rules*, a page at a time, with the changes for receivers."""
    now, last = services.clock.now(), UserId("")

    def read(tx: Transaction) -> tuple[list[Standing], LevelRules]:
        standings = tx.users.at_risk(last, _USERS_AT_ONCE)
        return standings, tx.levels.with_groups(rules, [one.email_key for one in standings])

    while True:
        standings, of_these = await services.store.read(account_id, read)
        if not standings:
            return
        last = standings[-1].user_id
        steps = [(old, decided_again(old, of_these, now)) for old in standings]
        changes = [level_change(old, new, of_these, kind, at=now) for old, new in steps]
        yield Writes(
            standings=[new for old, new in steps if new != old],
            changes=[replace(change, actor=actor.name) for change in changes if change is not None],
        )
