"""What is counted beforehand for the console, on both engines."""

from datetime import timedelta

from riskrelay.actions.counts import FRESH, take_stock
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Services, Stock, Store
from support.services import NOON, HandClock, services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

MINUTE = timedelta(minutes=1)
DLP, TRAVEL = BehaviorId("high_dlp"), BehaviorId("imp_travel")


async def counted(services: Services) -> Stock:
    return await services.store.read(ACCOUNT, lambda tx: tx.stocks.count())


async def latest(services: Services) -> Stock | None:
    return await services.store.read(ACCOUNT, lambda tx: tx.stocks.latest())


async def test_a_stock_counts_the_accounts_ledger_and_users(store: Store) -> None:
    """Users by what they triggered and their level; a reset one is gone; another account's count nothing."""
    services = services_of(store)
    await account_with_integration(services)
    await account_with_integration(services, OTHER)
    await record(services, finding("a@x.org", DLP), finding("a@x.org", TRAVEL), finding("b@x.org", TRAVEL))
    await record(services, finding("c@x.org", TRAVEL), finding("d@x.org", DLP))
    await record(services, finding("z@x.org", DLP), account_id=OTHER)
    (user,) = await store.read(ACCOUNT, lambda tx: tx.user_views.by_email("d@", None, 1))
    await reset_user(services, ACCOUNT, COMMAND_LINE, user.user_id)
    stock = await counted(services)
    ledger = stock.ledger
    assert (ledger.queued, ledger.pending, ledger.delivered, ledger.imbalance) == (5, 5, 0, 0)
    assert ledger.oldest_pending is not None
    assert {(one.triggered, one.level): one.users for one in stock.standings} == {
        (frozenset({DLP, TRAVEL}), RiskLevel.HIGH): 1,
        (frozenset({TRAVEL}), RiskLevel.MEDIUM): 2,
    }
    assert [stock.users(level) for level in RiskLevel] == [0, 2, 1]
    assert (stock.receipts, stock.latency_p50, stock.latency_p99) == (0, None, None)


async def test_a_stock_is_kept_as_it_was_counted(store: Store) -> None:
    """The latest replaces the one before; its levels stay those of their minute."""
    services = services_of(store)
    await account_with_integration(services)
    assert await latest(services) is None
    await record(services, finding("a@x.org", DLP))
    stock = await counted(services)
    await store.write(ACCOUNT, lambda tx: tx.stocks.keep(stock))
    kept = await latest(services)
    assert kept is not None
    assert (kept.taken_at, kept.standings, kept.receipts) == (stock.taken_at, stock.standings, stock.receipts)
    assert (kept.ledger.queued, kept.ledger.oldest_pending) == (1, stock.ledger.oldest_pending)
    levels = await store.read(ACCOUNT, lambda tx: tx.stocks.levels(stock.taken_at - MINUTE, MINUTE))
    minute = stock.taken_at.replace(second=0, microsecond=0)
    assert levels == {minute: [0, 0, 1]}


async def test_counts_of_minutes_add_up_and_are_summed_over_steps(store: Store) -> None:
    """Two nodes' counts of one minute are one number; what is before *since* does not count."""
    services = services_of(store)
    await account_with_integration(services)
    for counts in ({(NOON, DLP): 2, (NOON + MINUTE, DLP): 3}, {(NOON, DLP): 5, (NOON, TRAVEL): 1}):
        await store.write(ACCOUNT, lambda tx, counts=counts: tx.stocks.add_findings(counts))  # type: ignore[misc]
    by_minute = await store.read(ACCOUNT, lambda tx: tx.stocks.findings(NOON, MINUTE))
    assert by_minute == {(NOON, DLP): 7, (NOON + MINUTE, DLP): 3, (NOON, TRAVEL): 1}
    by_step = await store.read(ACCOUNT, lambda tx: tx.stocks.findings(NOON, 5 * MINUTE))
    assert by_step == {(NOON, DLP): 10, (NOON, TRAVEL): 1}
    later = await store.read(ACCOUNT, lambda tx: tx.stocks.findings(NOON + MINUTE, 5 * MINUTE))
    assert later == {(NOON, DLP): 3}
    assert await store.read(OTHER, lambda tx: tx.stocks.findings(NOON, MINUTE)) == {}


async def test_stock_is_taken_of_every_account_but_not_all_the_time(store: Store) -> None:
    """Not again within seconds of the one before."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    await account_with_integration(services, OTHER)
    await take_stock(services)
    first = await latest(services)
    assert first is not None
    assert await store.read(OTHER, lambda tx: tx.stocks.latest()) is not None
    await record(services, finding("a@x.org", DLP))
    clock.pass_time(first.taken_at - clock.now() + FRESH / 2)  # the stock bears the database's time
    await take_stock(services)
    assert await latest(services) == first
    clock.pass_time(FRESH)
    await take_stock(services)
    second = await latest(services)
    assert second is not None
    assert second.users(RiskLevel.HIGH) == 1
