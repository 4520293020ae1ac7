"""Requests with findings that arrive at the same time, over a real store."""

import asyncio

from riskrelay.actions.record_findings import Recorded
from riskrelay.core.errors import Invalid
from riskrelay.ports import Store
from support.services import services_of
from support.world import account_with_integration, finding, record


async def test_an_id_that_two_requests_use_for_different_findings_hurts_no_third(store: Store) -> None:
    """One of the two is recorded and the other refused; a request that arrived with them is recorded."""
    services = services_of(store)
    await account_with_integration(services)
    answers = await asyncio.gather(
        record(services, finding("before@example.com")),
        record(services, finding("ana@example.com", finding_id="one")),
        record(services, finding("ben@example.com", finding_id="one")),
        record(services, finding("kai@example.com", finding_id="two")),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Recorded) and answer.accepted == 1 for answer in answers) == 3
    assert isinstance(answers[0], Recorded)
    assert isinstance(answers[3], Recorded)
    (refused,) = [answer for answer in answers if isinstance(answer, Exception)]
    assert isinstance(refused, Invalid)
    assert [fault.pointer for fault in refused.faults] == ["/0/id"]


async def test_a_finding_that_is_repeated_at_the_same_time_is_a_duplicate(store: Store) -> None:
    """Stored once, whichever request is first."""
    services = services_of(store)
    await account_with_integration(services)
    same = finding("ana@example.com", finding_id="one")
    answers = await asyncio.gather(*(record(services, same) for _ in range(3)))
    assert sorted((answer.accepted, answer.duplicates) for answer in answers) == [(0, 1), (0, 1), (1, 0)]


async def test_requests_that_arrive_together_share_no_large_transaction(sqlite_store: Store) -> None:
    """Ten requests of 90 findings take at least five transactions, so that other accounts get their turn in between."""
    services = services_of(sqlite_store)
    await account_with_integration(services)
    before = sqlite_store.load().transactions
    answers = await asyncio.gather(
        *(record(services, *(finding(f"u{number}-{n}@example.com") for n in range(90))) for number in range(10))
    )
    assert [answer.accepted for answer in answers] == [90] * 10
    assert sqlite_store.load().transactions - before >= 5
