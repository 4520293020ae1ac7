"""The summary without paging: a bounded number at a time, and no client keeps one for ever."""

import asyncio
from typing import Any

import pytest
from starlette.responses import Response

from riskrelay.core.errors import RateLimited
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Store
from riskrelay.web.account_api import spooled_answers
from riskrelay.web.account_api.whole_summary import WholeSummaries
from support.services import services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record


def row(standing: Any) -> dict[str, Any]:
    return {"email": standing.email, "padding": "x" * 40_000}


SCOPE = {"type": "http", "asgi": {"spec_version": "2.4"}}


async def _receive() -> Any:
    await asyncio.Event().wait()


async def _drop(message: Any) -> None:
    return None


async def send_all(*responses: Response) -> None:
    """Send them to a client that reads everything at once."""
    for response in responses:
        await response(SCOPE, _receive, _drop)


@pytest.fixture
async def summaries(sqlite_store: Store) -> WholeSummaries:
    """Of two accounts; the answer of the first is larger than one piece."""
    services = services_of(sqlite_store)
    for account in (ACCOUNT, OTHER):
        await account_with_integration(services, account)
        await record(services, *(finding(f"u{number}@x.org") for number in range(3)), account_id=account)
    return WholeSummaries(services)


async def test_an_account_gets_two_at_once_and_then_429(summaries: WholeSummaries) -> None:
    """Other accounts still get theirs; when one has been sent, there is room again."""
    first = await summaries.answer(ACCOUNT, row)
    second = await summaries.answer(ACCOUNT, row)
    with pytest.raises(RateLimited) as refused:
        await summaries.answer(ACCOUNT, row)
    assert refused.value.wait_seconds == 2
    other = await summaries.answer(OTHER, row)
    await send_all(first)
    await send_all(second, other, await summaries.answer(ACCOUNT, row))


async def test_a_process_answers_a_bounded_number(summaries: WholeSummaries, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all accounts together."""
    monkeypatch.setattr(spooled_answers, "_AT_ONCE", 3)
    running = [await summaries.answer(account, row) for account in (ACCOUNT, OTHER, ACCOUNT)]
    with pytest.raises(RateLimited):
        await summaries.answer(OTHER, row)
    with pytest.raises(RateLimited):
        await summaries.answer(AccountId("third"), row)
    await send_all(*running)


async def test_a_client_that_reads_too_slowly_is_cut_off(
    summaries: WholeSummaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the deadline the file is closed, and the next request is answered."""
    monkeypatch.setattr(spooled_answers, "_SEND_SECONDS", 0.01)
    slow = [await summaries.answer(ACCOUNT, row) for _ in range(2)]

    async def send(message: Any) -> None:
        await asyncio.Event().wait()

    for response in slow:
        with pytest.raises(TimeoutError):
            await response(SCOPE, _receive, send)
    monkeypatch.undo()
    await send_all(await summaries.answer(ACCOUNT, row))
