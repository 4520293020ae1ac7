"""Large requests are written in parts: short transactions, all or nothing, exactly once. The same on both engines."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace as replace_finding
from sqlalchemy import update

from riskrelay.actions import large_writes as large_writes_action
from riskrelay.actions.applying import PART_ROWS
from riskrelay.actions.behaviors import set_behaviors
from riskrelay.actions.large_writes import LARGE, finish_abandoned_writes
from riskrelay.actions.record_activity import record_activity
from riskrelay.actions.record_findings import record_findings
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import FaultKind, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.activity import Activity, ActivityId, Login
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.findings import Finding, UserId, UserRef
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import LargeWriteLost, Services, Store, Transaction, Writes
from riskrelay.storage.tables import large_writes
from support.services import NOON, services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

T = TypeVar("T")
MANY = 3 * LARGE


class Crash(Exception):
    """The process ends."""


class WatchedStore:
    """A store that counts what each writing transaction inserts, and fails from one of them on when it is told to.

    Attributes:
        rows: inserted or updated by each transaction that wrote users, findings, activity or events.
    """

    def __init__(self, store: Store, fails_at: int | None = None) -> None:
        self._store = store
        self._fails_at = fails_at
        self.writes = 0
        self.rows: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        self.writes += 1
        if self._fails_at is not None and self.writes >= self._fails_at:
            raise Crash
        count = 0

        def watched(tx: Transaction) -> T:
            nonlocal count
            count = 0
            for rows, name in ((tx.users, "add"), (tx.users, "save"), (tx.findings, "add"), (tx.activities, "add")):
                _count(rows, name, lambda added: add(added))
            _count(tx.events, "queue", lambda added: add(added))
            return work(tx)

        def add(added: Sequence[Any]) -> None:
            nonlocal count
            count += len(added)

        try:
            return await self._store.write(account_id, watched)
        finally:
            self.rows.append(count)


def _count(rows: Any, name: str, add: Callable[[Any], None]) -> None:
    method = getattr(rows, name)

    def counted(given: Any, **options: Any) -> Any:
        add(given)
        return method(given, **options)

    setattr(rows, name, counted)


async def world(store: Store, fails_at: int | None = None) -> tuple[Services, WatchedStore]:
    """An account with an integration, over a store that is watched from now on."""
    services = services_of(store)
    await account_with_integration(services)
    watched = WatchedStore(store, fails_at)
    return replace(services, store=watched), watched


def many(users: int, prefix: str = "f") -> list[Finding]:
    """Findings of so many users, round and round."""
    return [finding(f"u{number % users}@example.com", finding_id=f"{prefix}{number}") for number in range(MANY)]


def logins(users: int) -> dict[int, Activity]:
    """Logins of so many users, none of which can be where the one before was."""
    return {
        number: Activity(
            activity_id=ActivityId(f"a{number}"),
            user=UserRef(f"u{number % users}@example.com"),
            seen=Login(
                at=NOON - timedelta(seconds=number),
                latitude=0.37 + number * 37 % 80,
                longitude=0.41 + number * 91 % 170,
                application="x",
            ),
            digest=bytes(32),
        )
        for number in range(MANY)
    }


def stored(tx: Transaction, users: int) -> tuple[int, int, int]:
    """How many findings, users with a level, and events the first users have, and whether a large write is left."""
    found = tx.users.find([UserRef(f"u{number}@example.com") for number in range(users)])
    tallies = tx.findings.tally([one.user_id for one in found.values()])
    return sum(one.count for one in tallies.values()), sum(one.level is not None for one in found.values()), len(found)


async def events_queued(services: Services) -> int:
    return sum(ledger.queued for ledger in await services.store.read_installation(lambda tx: tx.ledgers()))


@pytest.fixture
def small_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small requests are in work all the time."""
    monkeypatch.setattr(large_writes_action, "small_requests_wait", lambda: True)


async def test_parts_share_transactions_while_no_small_request_waits(store: Store) -> None:
    """A few commits instead of one for each part, and still bounded."""
    services, watched = await world(store)
    await record_findings(services, ACCOUNT, many(MANY))
    written = [rows for rows in watched.rows if rows]
    assert PART_ROWS < max(written) <= 8 * PART_ROWS
    assert len(written) <= -(-sum(written) // (8 * PART_ROWS)) + 1
    assert await store.read(ACCOUNT, lambda tx: stored(tx, MANY)) == (MANY, MANY, MANY)
    assert await events_queued(services) == MANY


@pytest.mark.parametrize("users", [1, MANY // 2])
async def test_no_transaction_of_many_findings_is_long(store: Store, small_requests: None, users: int) -> None:
    """Beside small requests, none writes more than the rows of a part, and each user's level changes once."""
    services, watched = await world(store)
    recorded = await record_findings(services, ACCOUNT, many(users))
    assert (recorded.accepted, recorded.duplicates, len(recorded.changes)) == (MANY, 0, users)
    assert max(watched.rows) <= PART_ROWS
    assert await store.read(ACCOUNT, lambda tx: stored(tx, users)) == (MANY, users, users)
    assert await events_queued(services) == users
    repeated = await record_findings(services, ACCOUNT, many(users))
    assert (repeated.accepted, repeated.duplicates, repeated.changes) == (0, MANY, [])


@pytest.mark.parametrize("users", [1, MANY // 3])
async def test_no_transaction_of_much_activity_is_long(store: Store, small_requests: None, users: int) -> None:
    """Beside small requests, none writes more than the rows of a part; what is found is what would be found at once."""
    services, watched = await world(store)
    recorded = await record_activity(services, ACCOUNT, logins(users))
    assert recorded.exempt == {}
    assert (recorded.accepted, len(recorded.changes)) == (MANY, users)
    assert max(watched.rows) <= PART_ROWS
    found, at_risk, _ = await store.read(ACCOUNT, lambda tx: stored(tx, users))
    assert (found, at_risk) == (len(recorded.findings), users)
    assert await events_queued(services) == users
    repeated = await record_activity(services, ACCOUNT, logins(users))
    assert (repeated.accepted, repeated.duplicates, repeated.findings) == (0, MANY, [])


async def test_no_transaction_of_a_behavior_that_moves_many_users_is_long(store: Store, small_requests: None) -> None:
    """Beside small requests. Each user is moved and notified once, and the setting holds."""
    services, watched = await world(store)
    await record_findings(services, ACCOUNT, many(MANY))
    watched.rows.clear()
    high = {BehaviorId("high_risk_domain"): BehaviorSetting(True, RiskLevel.HIGH)}
    assert (await set_behaviors(services, ACCOUNT, COMMAND_LINE, high))[BehaviorId("high_risk_domain")].risk_level == 3
    assert max(watched.rows) <= PART_ROWS
    assert await events_queued(services) == 2 * MANY
    standings = await store.read(ACCOUNT, lambda tx: tx.users.at_risk(UserId(""), 2 * MANY))
    assert {one.level for one in standings} == {RiskLevel.HIGH}


async def test_mistakes_anywhere_in_a_large_request_are_all_named_and_nothing_is_stored(store: Store) -> None:
    """The request reuses an id with another body in its first and last findings, and one user id for two users."""
    services, _ = await world(store)
    await record(services, finding("other@example.com", finding_id="f3"), finding("o@example.com", finding_id="f590"))
    with pytest.raises(Invalid) as refused:
        await record_findings(services, ACCOUNT, many(MANY))
    assert [(fault.kind, fault.pointer) for fault in refused.value.faults] == [
        (FaultKind.ID_REUSED, "/3/id"),
        (FaultKind.ID_REUSED, "/590/id"),
    ]
    same = UserId("0d9b6c9e-6d3f-4b0c-9c58-52c2a80a8a11")
    mistaken = many(MANY, "g")
    for place in (0, MANY - 1):
        mistaken[place] = replace_finding(mistaken[place], user=UserRef(f"u{place}@example.com", None, same))
    with pytest.raises(Invalid) as refused:
        await record_findings(services, ACCOUNT, mistaken)
    assert {fault.kind for fault in refused.value.faults} == {FaultKind.USER_MISMATCH}
    assert await store.read(ACCOUNT, lambda tx: stored(tx, MANY)) == (0, 0, 0)
    assert (await record(services, finding("next@example.com"))).accepted == 1


async def test_a_process_that_dies_anywhere_leaves_all_or_nothing(store: Store) -> None:
    """Before the acceptance nothing is ever written, and the repeat is accepted whole; after it, all is written once.

    The process dies before each of its transactions in turn. Another one takes over when the lease has ended.
    """
    services, watched = await world(store)
    await record_findings(services, ACCOUNT, many(MANY // 2, "whole"))
    transactions = watched.writes
    outcomes = []
    for fails_at in range(1, transactions + 1):
        account = AccountId(f"a{fails_at}")
        await account_with_integration(replace(services, store=store), account)
        dying = replace(services, store=WatchedStore(store, fails_at))
        with suppress(Crash):
            await record_findings(dying, account, many(MANY // 2))
        await end_leases(store)
        await finish_abandoned_writes(services)
        found, at_risk, _ = await store.read(account, lambda tx: stored(tx, MANY // 2))
        outcomes.append(found)
        assert (found, at_risk) in [(0, 0), (MANY, MANY // 2)]
        repeated = await record_findings(services, account, many(MANY // 2))
        assert (repeated.accepted, repeated.duplicates) == (MANY - found, found)
        assert await store.read(account, lambda tx: stored(tx, MANY // 2)) == (MANY, MANY // 2, MANY // 2)
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {0, MANY}
    assert await events_queued(services) == (transactions + 1) * MANY // 2


async def test_other_requests_of_the_account_wait_and_those_of_other_accounts_do_not(store: Store) -> None:
    """A finding of a user in the batch comes after the batch, whenever it arrives."""
    services, _ = await world(store)
    await account_with_integration(services, OTHER)
    owner = "one"
    assert await store.write(ACCOUNT, lambda tx: tx.large_writes.begin(owner))
    waiting = asyncio.create_task(record(services, finding("u0@example.com")))
    assert (await record(services, finding("u0@example.com"), account_id=OTHER)).accepted == 1
    assert not waiting.done()
    await store.write(ACCOUNT, lambda tx: tx.large_writes.remove(owner))
    assert (await waiting).accepted == 1


async def test_two_large_requests_of_an_account_take_turns(store: Store) -> None:
    """Both are recorded whole."""
    services, _ = await world(store)
    both = await asyncio.gather(*(record_findings(services, ACCOUNT, many(7, name)) for name in ("f", "g")))
    assert [one.accepted for one in both] == [MANY, MANY]
    assert await store.read(ACCOUNT, lambda tx: stored(tx, 7)) == (2 * MANY, 7, 7)
    assert await events_queued(services) == 7


async def test_a_process_considered_dead_writes_nothing_more(store: Store) -> None:
    """Every write of the former owner is refused once another process has taken over."""
    await world(store)
    assert await store.write(ACCOUNT, lambda tx: tx.large_writes.begin("one"))
    await store.write(ACCOUNT, lambda tx: tx.large_writes.add_parts("one", 0, [Writes()]))
    assert not await store.write(ACCOUNT, lambda tx: tx.large_writes.begin("two"))
    assert not await store.write(ACCOUNT, lambda tx: tx.large_writes.take_over("two"))
    await store.write(ACCOUNT, lambda tx: tx.large_writes.accept("one"))
    await end_leases(store)
    assert not await store.write(ACCOUNT, lambda tx: tx.large_writes.begin("two"))
    assert await store.write(ACCOUNT, lambda tx: tx.large_writes.take_over("two"))
    for late in (
        lambda tx: tx.large_writes.take_part("one", {}),
        lambda tx: tx.large_writes.accept("one"),
        lambda tx: tx.large_writes.add_parts("one", 1, [Writes()]),
    ):
        with pytest.raises(LargeWriteLost):
            await store.write(ACCOUNT, late)
    assert await store.write(ACCOUNT, lambda tx: tx.large_writes.take_part("two", {})) == Writes()
    assert await store.write(ACCOUNT, lambda tx: tx.large_writes.take_part("two", {})) is None
    assert not await store.read(ACCOUNT, lambda tx: tx.large_writes.is_running())


async def end_leases(store: Store) -> None:
    """Let the leases of all large writes end: as if their processes had been silent for long."""
    await store.write(ACCOUNT, lambda tx: _end_leases(tx))


def _end_leases(tx: Any) -> None:
    tx._connection.execute(update(large_writes).values(lease_until=1))
