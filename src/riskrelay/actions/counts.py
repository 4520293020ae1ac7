"""Counts for the console: count what each account holds, and record the number of new findings."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from riskrelay.core.integrations import AccountId
from riskrelay.ports import FindingCounts, Services, Stock, Store, Transaction

FRESH = timedelta(seconds=5)  # chosen: current enough for a person
_MINUTE = timedelta(minutes=1)


async def take_stock(services: Services) -> None:
    """Count what each account holds, and store changed counts, and all counts once a minute.

    Counting locks nothing. If several processes do this, usually one of them counts an account.

    Raises: Unavailable.
    """
    accounts = await services.store.read_installation(lambda tx: tx.accounts.all())
    for account in accounts:
        latest = await services.store.read(account.account_id, lambda tx: tx.stocks.latest())
        now = services.clock.now()
        if latest is not None and now - latest.taken_at < FRESH:
            services.user_counts.set(account.account_id, latest.known_users)
            continue
        stock = await services.store.read(account.account_id, lambda tx: tx.stocks.count())
        services.user_counts.set(account.account_id, stock.known_users)
        if latest is None or _is_news(latest, stock):
            await services.store.write(account.account_id, partial(_keep, stock))


def _keep(stock: Stock, tx: Transaction) -> None:
    tx.stocks.keep(stock)


def _is_news(latest: Stock, stock: Stock) -> bool:
    grown_old = stock.taken_at - latest.taken_at >= _MINUTE
    return grown_old or replace(stock, taken_at=latest.taken_at) != latest


async def record_finding_counts(store: Store, counts: Mapping[AccountId, FindingCounts]) -> None:
    """Add counts of findings to the stored counts, account by account.

    Raises: Unavailable: the counts of this account and of the following ones were not stored.
    """
    for account_id, of_account in counts.items():
        await store.write(account_id, partial(_add, of_account))


def _add(counts: FindingCounts, tx: Transaction) -> None:
    tx.stocks.add_findings(counts)
