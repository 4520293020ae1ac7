"""Write down when tokens were last used."""

from collections.abc import Sequence
from datetime import datetime

from riskrelay.core.credentials import StoredToken
from riskrelay.ports import Store


async def record_token_uses(store: Store, uses: Sequence[tuple[StoredToken, datetime]]) -> None:
    """Store the last use of many tokens in one transaction; those that were revoked meanwhile are passed over.

    Raises: Unavailable: nothing was written.
    """
    await store.write_installation(lambda tx: tx.tokens.record_uses(uses))
