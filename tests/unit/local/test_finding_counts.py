"""Findings are counted in passing, and written down later."""

from datetime import timedelta

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.local.finding_counts import PendingFindingCounts
from riskrelay.ports import FindingCounts, Store
from support.services import NOON, services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

MINUTE = timedelta(minutes=1)
DLP, TRAVEL = BehaviorId("high_dlp"), BehaviorId("imp_travel")


async def written(store: Store, account_id: AccountId = ACCOUNT) -> FindingCounts:
    return await store.read(account_id, lambda tx: tx.stocks.findings(NOON, MINUTE))


async def test_what_was_noted_is_written_once(sqlite_store: Store) -> None:
    """By account, behavior and minute; a second flush adds nothing."""
    services = services_of(sqlite_store)
    await account_with_integration(services)
    await account_with_integration(services, OTHER)
    counts = PendingFindingCounts()
    counts.note(ACCOUNT, {DLP: 2, TRAVEL: 1}, NOON)
    counts.note(ACCOUNT, {DLP: 3}, NOON + MINUTE - timedelta(microseconds=1))
    counts.note(ACCOUNT, {DLP: 4}, NOON + MINUTE)
    counts.note(OTHER, {DLP: 5}, NOON)
    for _ in range(2):
        await counts.flush(sqlite_store)
    assert await written(sqlite_store) == {(NOON, DLP): 5, (NOON, TRAVEL): 1, (NOON + MINUTE, DLP): 4}
    assert await written(sqlite_store, OTHER) == {(NOON, DLP): 5}


async def test_only_findings_that_were_stored_count(sqlite_store: Store) -> None:
    """A repeat does not."""
    services = services_of(sqlite_store)
    await account_with_integration(services)
    for _ in range(2):
        await record(services, finding("a@x.org", DLP, "one"), finding("b@x.org", DLP, "two"))
    assert isinstance(services.finding_counts, PendingFindingCounts)
    await services.finding_counts.flush(sqlite_store)
    assert await written(sqlite_store) == {(NOON, DLP): 2}


async def test_what_the_database_refuses_is_missing_and_nothing_else_happens(sqlite_store: Store) -> None:
    """An account that is not there: nothing is raised, and what comes later is written."""
    services = services_of(sqlite_store)
    await account_with_integration(services)
    counts = PendingFindingCounts()
    counts.note(AccountId("nobody"), {DLP: 1}, NOON)
    await counts.flush(sqlite_store)
    counts.note(ACCOUNT, {DLP: 1}, NOON)
    await counts.flush(sqlite_store)
    assert await written(sqlite_store) == {(NOON, DLP): 1}
