"""Count beforehand what the console shows."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from riskrelay.ports import Outside, Stock, Transaction

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
