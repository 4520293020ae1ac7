"""Write down how many findings came in."""

from collections.abc import Mapping
from functools import partial

from riskrelay.core.integrations import AccountId
from riskrelay.ports import FindingCounts, Store, Transaction


async def record_finding_counts(store: Store, counts: Mapping[AccountId, FindingCounts]) -> None:
    """Add to what is stored, account by account.

    Raises: Unavailable: of the accounts from that one on nothing was stored.
    """
    for account_id, of_account in counts.items():
        await store.write(account_id, partial(_add, of_account))


def _add(counts: FindingCounts, tx: Transaction) -> None:
    tx.stocks.add_findings(counts)
