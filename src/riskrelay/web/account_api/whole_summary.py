"""The summary without paging: all users at risk in one response, for any number.

The published clients cannot page, so the response has to be complete.
"""

from collections.abc import Callable
from typing import IO, Any

import msgspec
from starlette.responses import Response

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.paging import PER_PAGE, Page
from riskrelay.web.account_api.spooled_answers import SpooledAnswers

_BATCH = 250  # measured: 2 ms of Python for each batch, which is how long the event loop can wait

Row = Callable[[Standing], dict[str, Any]]


class WholeSummaries:
    """Answers requests for the whole summary, a bounded number at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._answers = SpooledAnswers()

    async def answer(self, account_id: AccountId, row: Row) -> Response:
        """Answer with all users at risk.

        Args:
            row: one user as JSON.

        Raises:
            RateLimited: this account, or this process, answers too many such requests now.
            Unavailable: the database refused.
        """

        async def write(file: IO[bytes]) -> None:
            await self._services.store.read(account_id, lambda tx: _write(tx, file, row))

        return await self._answers.answer(account_id, write)


def _write(tx: Transaction, file: IO[bytes], row: Row) -> None:
    """Write the envelope with all users. A transaction can run again, so it starts at the beginning of the file."""
    file.seek(0)
    file.truncate()
    file.write(b'{"errors":[],"messages":[],"result":{"users":[')
    count = 0
    for standings in tx.user_views.each_at_risk(_BATCH):
        file.write(b"," if count else b"")
        file.write(msgspec.json.encode([row(standing) for standing in standings])[1:-1])
        count += len(standings)
    info = Page(1, max(count, PER_PAGE)).result_info(count, count)
    file.write(b']},"success":true,"result_info":' + msgspec.json.encode(info) + b"}")
