"""Counts that the console shows: take stock, and record how many findings arrived."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from riskrelay.core.integrations import AccountId
from riskrelay.ports import FindingCounts, Outside, Stock, Store, Transaction

FRESH = timedelta(seconds=5)  # chosen: what people call "now"
_MINUTE = timedelta(minutes=1)


async def take_stock(outside: Outside) -> None:
    """Count what each account holds, and keep it: what changed, and every minute once.

    Counting is done while nothing is locked. Of several processes that do this, one counts an account, mostly.

    Raises: Unavailable.
    """
    accounts = await outside.store.read_installation(lambda tx: tx.accounts.all())
    for account in accounts:
        latest = await outside.store.read(account.account_id, lambda tx: tx.stocks.latest())
        now = outside.clock.now()
        if latest is not None and now - latest.taken_at < FRESH:
            outside.user_counts.set(account.account_id, latest.known_users)
            continue
        stock = await outside.store.read(account.account_id, lambda tx: tx.stocks.count())
        outside.user_counts.set(account.account_id, stock.known_users)
        if latest is None or _is_news(latest, stock):
            await outside.store.write(account.account_id, partial(_keep, stock))


def _keep(stock: Stock, tx: Transaction) -> None:
    tx.stocks.keep(stock)


def _is_news(latest: Stock, stock: Stock) -> bool:
    grown_old = stock.taken_at - latest.taken_at >= _MINUTE
    return grown_old or replace(stock, taken_at=latest.taken_at) != latest


async def record_finding_counts(store: Store, counts: Mapping[AccountId, FindingCounts]) -> None:
    """Add to what is stored, account by account.

    Raises: Unavailable: of the accounts from that one on nothing was stored.
    """
    for account_id, of_account in counts.items():
        await store.write(account_id, partial(_add, of_account))


def _add(counts: FindingCounts, tx: Transaction) -> None:
    tx.stocks.add_findings(counts)
