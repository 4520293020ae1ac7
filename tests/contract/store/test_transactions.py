"""Transactions: atomic, isolated by account, safe side by side. The same on both engines."""

import asyncio
import itertools

import pytest
from msgspec.structs import replace

from riskrelay.actions.integrations import NewIntegration, create_integration
from riskrelay.actions.record_findings import Recorded, record_findings
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import Invalid, NotFound
from riskrelay.core.integrations import IntegrationId, IntegrationType
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Store, Transaction
from support.services import services_of
from support.world import ACCOUNT, ORIGIN, OTHER, account_with_integration, finding, record


class Stop(Exception):
    """Raised in the middle of a transaction."""


async def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    """Findings, users, levels and events go together."""
    services = services_of(store)
    await account_with_integration(services)

    def half_done(tx: Transaction) -> None:
        tx.users.add(
            [Standing(user_id=UserId("1"), email="kai@example.com", name=None, level=None, triggered=frozenset())]
        )
        raise Stop

    with pytest.raises(Stop):
        await store.write(ACCOUNT, half_done)
    recorded = await record(services, finding())
    assert recorded.changes[0].previous is None
    (ledger,) = await store.read_installation(lambda tx: tx.ledgers())
    assert ledger.queued == 1


async def test_one_failing_transaction_takes_no_other_with_it(store: Store) -> None:
    """Also when they share a commit."""
    services = services_of(store)
    await account_with_integration(services)

    def fail(tx: Transaction) -> None:
        tx.users.add(
            [Standing(user_id=UserId("2"), email="lost@example.com", name=None, level=None, triggered=frozenset())]
        )
        raise Stop

    good = [record(services, finding(f"u{n}@example.com")) for n in range(20)]
    bad = [store.write(ACCOUNT, fail) for _ in range(20)]
    results = await asyncio.gather(*good, *bad, return_exceptions=True)
    assert [isinstance(result, Stop) for result in results] == [False] * 20 + [True] * 20
    (ledger,) = await store.read_installation(lambda tx: tx.ledgers())
    assert ledger.queued == 20


@pytest.mark.fault(35)
async def test_accounts_do_not_see_each_other(store: Store) -> None:
    """The same ids in two accounts are two things; another account's id is nothing."""
    services = services_of(store)
    first = await account_with_integration(services)
    await account_with_integration(services, OTHER)
    assert await store.read(OTHER, lambda tx: tx.integrations.get(first.integration_id)) is None
    one = await record(services, finding(finding_id="same"))
    two = await record(services, finding("else@example.com", finding_id="same"), account_id=OTHER)
    assert (one.accepted, two.accepted) == (1, 1)
    with pytest.raises(NotFound):
        await reset_user(services, OTHER, COMMAND_LINE, one.changes[0].user_id)
    ledgers = await store.read_installation(lambda tx: tx.ledgers())
    assert [ledger.queued for ledger in ledgers] == [1, 1]


@pytest.mark.fault(35)
async def test_the_same_finding_at_once_is_stored_once(store: Store) -> None:
    """faults.md 35, on both engines."""
    services = services_of(store)
    await account_with_integration(services)
    results = await asyncio.gather(*(record(services, finding(finding_id="once")) for _ in range(30)))
    assert sum(result.accepted for result in results) == 1
    assert sum(result.duplicates for result in results) == 29
    assert sum(len(result.changes) for result in results) == 1


async def test_one_user_raised_by_many_at_once_has_one_history(store: Store) -> None:
    """Levels are decided one after the other: each change starts where the one before ended, and the queued events
    are in that order."""
    services = services_of(store)
    await account_with_integration(services)
    behaviors = ["high_risk_domain", "imp_travel", "high_dlp"] * 10
    results = await asyncio.gather(*(record(services, finding("kai@example.com", b)) for b in behaviors))
    steps = sorted((c.previous or 0, c.current) for result in results for c in result.changes)
    assert steps[0][0] == 0
    assert steps[-1][1] is RiskLevel.HIGH
    assert all(before[1] == after[0] for before, after in itertools.pairwise(steps))


async def test_small_requests_that_wait_share_a_transaction(store: Store) -> None:
    """Each is told of its own findings only."""
    services = services_of(store)
    await account_with_integration(services)
    before = store.load().transactions
    requests = [record(services, finding(f"a{n}@example.com"), finding(f"b{n}@example.com")) for n in range(50)]
    results = await asyncio.gather(*requests)
    assert store.load().transactions - before == 1
    assert {(result.accepted, result.duplicates, result.ignored) for result in results} == {(2, 0, 0)}
    told = [[change.email for change in result.changes] for result in results]
    assert told == [[f"a{n}@example.com", f"b{n}@example.com"] for n in range(50)]


async def test_a_refused_request_takes_no_other_with_it(store: Store) -> None:
    """Though they wait together: who is at fault is told so, with the place in their own request; the others are
    stored, also what repeats another's id or user."""
    services = services_of(store)
    await account_with_integration(services)
    await record(services, finding(finding_id="used"))
    reused = replace(finding("b@example.com", finding_id="used"), digest=b"x" * 32)
    requests = [
        record(services, finding("first@example.com")),
        record(services, finding("c@example.com", finding_id="new")),
        record(services, finding("d@example.com"), reused),
        record(services, finding("c@example.com", finding_id="new")),
        record(services, finding("C@example.com")),
    ]
    answers = await asyncio.gather(*requests, return_exceptions=True)
    (refused,) = [answer for answer in answers if isinstance(answer, Invalid)]
    assert answers[2] is refused
    assert [fault.pointer for fault in refused.faults] == ["/1/id"]
    recorded = [answer for answer in answers if isinstance(answer, Recorded)]
    assert [answer.accepted + answer.duplicates for answer in recorded] == [1, 1, 1, 1]
    assert sum(answer.duplicates for answer in recorded) == 1
    (ledger,) = await store.read_installation(lambda tx: tx.ledgers())
    assert ledger.queued == 3


async def test_batches_of_shared_users_do_not_lock_each_other_out(store: Store) -> None:
    """Two orders of the same users at once: both are accepted."""
    services = services_of(store)
    await account_with_integration(services)
    emails = [f"u{n}@example.com" for n in range(40)]
    forward = [finding(email) for email in emails]
    backward = [finding(email, "high_dlp") for email in reversed(emails)]
    batches = [record(services, *batch) for _ in range(6) for batch in (forward, backward)]
    assert all(result.accepted == 40 for result in await asyncio.gather(*batches))


async def test_a_large_batch_is_one_transaction(store: Store) -> None:
    """Ten thousand findings of six thousand users."""
    services = services_of(store)
    await account_with_integration(services)
    batch = [finding(f"u{n % 6_000}@example.com", finding_id=f"f{n}") for n in range(10_000)]
    recorded = await record(services, *batch)
    assert (recorded.accepted, len(recorded.changes)) == (10_000, 6_000)
    again = await record(services, *batch)
    assert (again.accepted, again.duplicates, again.changes) == (0, 10_000, [])


async def test_the_same_create_at_once_makes_one_record(store: Store) -> None:
    """SDKs repeat a POST after a time-out (contract 8); the loser of the race sees the winner's record."""
    services = services_of(store)
    await account_with_integration(services)

    async def create(tenant: str) -> IntegrationId:
        made = await create_integration(
            services,
            ACCOUNT,
            COMMAND_LINE,
            NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=tenant, reference_id="ref"),
            public_origin=ORIGIN,
        )
        return made.integration_id

    made = await asyncio.gather(*(create("https://a.example") for _ in range(10)))
    assert len(set(made)) == 1
    with pytest.raises(Invalid):
        await create("https://b.example")


async def test_ids_that_do_not_fit_are_refused_with_their_place(store: Store) -> None:
    """A reused id with another body; a user id of somebody else; nothing is stored."""
    services = services_of(store)
    await account_with_integration(services)
    await record(services, finding(finding_id="f1"))
    changed = replace(finding(finding_id="f1"), digest=b"x" * 32)
    with pytest.raises(Invalid) as caught:
        await record_findings(services, ACCOUNT, [finding("b@example.com"), changed])
    assert [fault.pointer for fault in caught.value.faults] == ["/1/id"]
    stranger = replace(finding("b@example.com"), user=UserRef("kai@example.com", None, UserId("someone-else")))
    with pytest.raises(Invalid) as caught:
        await record_findings(services, ACCOUNT, [stranger])
    assert [fault.pointer for fault in caught.value.faults] == ["/0/user/user_id"]
    (ledger,) = await store.read_installation(lambda tx: tx.ledgers())
    assert ledger.queued == 1


@pytest.mark.fault(35)
async def test_the_same_finding_a_hundred_times_at_once_is_one(store: Store) -> None:
    """Rule: faults 35. Of a user that is new, too: whoever loses the race runs again, and sees the winner's."""
    services = services_of(store)
    await account_with_integration(services)
    results = await asyncio.gather(*(record(services, finding(finding_id="same")) for _ in range(100)))
    assert sum(result.accepted for result in results) == 1
    assert sum(result.duplicates for result in results) == 99
    assert sum(len(result.changes) for result in results) == 1
    (ledger,) = await store.read_installation(lambda tx: tx.ledgers())
    assert ledger.queued == 1
