"""Security events on request: queued once, on the streams that take them. The same on both engines."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from riskrelay.actions import security_events
from riskrelay.actions.integrations import NewIntegration, create_integration, update_integration
from riskrelay.actions.security_events import queue_security_events
from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import Invalid, UnknownToken
from riskrelay.core.integrations import AccountId, IntegrationType
from riskrelay.core.ssf.event_requests import AnsweredRequest, EventRequest, EventRequestId
from riskrelay.core.ssf.event_type import CAEP, OKTA_USER_RISK_CHANGE
from riskrelay.core.ssf.event_types import EVENT_TYPES
from riskrelay.ports import Services, Store
from support.event_examples import minimal_example
from support.services import Wakes, services_of
from support.world import ACCOUNT, ORIGIN, OTHER, account_with_integration


def request(
    request_id: str | None = None, event_type: str = OKTA_USER_RISK_CHANGE, digest: bytes = b"d" * 32, **more: Any
) -> EventRequest:
    row = EVENT_TYPES[event_type]
    known = None if request_id is None else EventRequestId(request_id)
    return replace(
        EventRequest(
            request_id=known,
            event_type=event_type,
            subject=row.subject_example,
            event=minimal_example(row),
            txn=None,
            digest=digest,
        ),
        **more,
    )


async def queue(services: Services, asked: EventRequest, account_id: AccountId = ACCOUNT) -> AnsweredRequest:
    (answer,) = await queue_security_events(services, account_id, COMMAND_LINE, [asked])
    return answer


async def queued_of(store: Store) -> list[int]:
    return [ledger.queued for ledger in await store.read_installation(lambda tx: tx.ledgers())]


async def audited(store: Store) -> list[AuditEntry]:
    return await store.read(ACCOUNT, lambda tx: tx.audit.page(Kind.SECURITY_EVENT, None, 10))


async def test_an_event_is_queued_woken_and_audited(store: Store) -> None:
    """One delivery, whose jti is the one that was answered; the log names the txn, not the subject."""
    services = services_of(store)
    integration = await account_with_integration(services)
    answer = await queue(services, request(txn="incident-17"))
    (one,) = answer.deliveries
    assert one.integration_id == integration.integration_id
    deliveries = await store.read(ACCOUNT, lambda tx: tx.events.deliveries(integration.integration_id, None, None, 10))
    assert [delivery.jti for delivery in deliveries] == [one.jti]
    assert isinstance(services.wake, Wakes)
    assert [lane.stream_id for lane in services.wake.lanes] == [one.stream_id]
    (entry,) = await audited(store)
    assert (entry.verb, entry.thing_id, entry.actor) == (Verb.SENT, "incident-17", COMMAND_LINE)


async def test_a_repeat_answers_as_the_first_time(store: Store) -> None:
    """The same id and content: the same jtis and txn, nothing queued, nothing audited."""
    services = services_of(store)
    await account_with_integration(services)
    first = await queue(services, request("once"))
    assert await queue(services, request("once")) == first
    assert await queued_of(store) == [1]
    assert len(await audited(store)) == 1


@pytest.mark.fault(35)
async def test_an_id_with_another_body_is_refused(store: Store) -> None:
    """And nothing of it stays. The pointer has its place in the request, which one object does not have."""
    services = services_of(store)
    await account_with_integration(services)
    await queue(services, request("once"))
    with pytest.raises(Invalid) as refused:
        await queue(services, request("once", digest=b"e" * 32))
    assert [fault.pointer for fault in refused.value.faults] == ["/0/id"]
    assert await queued_of(store) == [1]


@pytest.mark.fault(35)
async def test_ids_of_accounts_are_independent(store: Store) -> None:
    """faults.md 35: the same id, another account."""
    services = services_of(store)
    await account_with_integration(services)
    await account_with_integration(services, OTHER)
    mine = await queue(services, request("same"))
    theirs = await queue(services, request("same", digest=b"e" * 32), OTHER)
    assert mine.deliveries != theirs.deliveries
    assert await queued_of(store) == [1, 1]


async def test_the_same_request_at_once_is_queued_once(store: Store) -> None:
    """Whoever comes second waits for the first, and answers what it answered."""
    services = services_of(store)
    await account_with_integration(services)
    answers = await asyncio.gather(*(queue(services, request("once")) for _ in range(20)))
    assert answers == [answers[0]] * 20
    assert await queued_of(store) == [1]


async def test_requests_without_an_id_are_never_repeats(store: Store) -> None:
    """Each is an event of its own."""
    services = services_of(store)
    await account_with_integration(services)
    one, other = await queue(services, request()), await queue(services, request())
    assert one.deliveries[0].jti != other.deliveries[0].jti
    assert one.txn != other.txn


async def test_only_streams_that_take_it_get_it(store: Store) -> None:
    """An Okta integration's own stream takes Okta's type only; an inactive integration takes nothing."""
    services = services_of(store)
    integration = await account_with_integration(services)
    assert (await queue(services, request(event_type=CAEP + "session-revoked"))).deliveries == ()
    await update_integration(
        services, ACCOUNT, COMMAND_LINE, integration.integration_id, integration.tenant_url, None, False
    )
    assert (await queue(services, request())).deliveries == ()
    assert await queued_of(store) == [0]


async def test_concurrent_requests_share_a_transaction(store: Store) -> None:
    """Each gets its own answer: an event, a repeat, or the refusal of its own id."""
    services = services_of(store)
    await account_with_integration(services)
    first = await queue(services, request("one"))
    asked = [request(), request("one"), request("two"), request("one", digest=b"e" * 32), request("two")]
    answers = await asyncio.gather(*(queue(services, one) for one in asked), return_exceptions=True)
    fresh, again, second, reused, repeated = answers
    assert isinstance(fresh, AnsweredRequest)
    assert again == first
    assert isinstance(reused, Invalid)
    assert second == repeated
    assert await queued_of(store) == [3]
    assert len(await audited(store)) == 3


async def test_a_revoked_token_queues_nothing(store: Store) -> None:
    """Its requests are refused in the transaction that would queue their events."""
    services = services_of(store)
    await account_with_integration(services)
    with pytest.raises(UnknownToken):
        await queue_security_events(services, ACCOUNT, COMMAND_LINE, [request()], unconfirmed=b"h" * 32)
    assert await queued_of(store) == [0]


async def test_many_events_are_answered_in_their_order(store: Store) -> None:
    """A repeat within the request is answered like the first of its id; each other one has a delivery of its own."""
    services = services_of(store)
    await account_with_integration(services)
    asked = [request(), request("one"), request("two"), request("one"), request(event_type=CAEP + "session-revoked")]
    answers = await queue_security_events(services, ACCOUNT, COMMAND_LINE, asked)
    assert [len(answer.deliveries) for answer in answers] == [1, 1, 1, 1, 0]
    assert answers[3] == answers[1]
    assert len({answer.deliveries[0].jti for answer in answers[:3]}) == 3
    assert await queued_of(store) == [3]
    assert len(await audited(store)) == 4


@pytest.mark.parametrize("others", [0, 2, 150], ids=["alone", "gathered", "a transaction of their own"])
async def test_many_events_are_queued_all_or_none(store: Store, others: int) -> None:
    """An id that was used with another body refuses its request, and no other that runs at the same time."""
    services = services_of(store)
    await account_with_integration(services)
    await queue(services, request("used"))
    refused = [*(request() for _ in range(others)), request("used", digest=b"e" * 32), request()]
    beside, error = await asyncio.gather(
        queue(services, request()),
        queue_security_events(services, ACCOUNT, COMMAND_LINE, refused),
        return_exceptions=True,
    )
    assert isinstance(beside, AnsweredRequest)
    assert isinstance(error, Invalid)
    assert [fault.pointer for fault in error.faults] == [f"/{others}/id"]
    assert await queued_of(store) == [2]


async def test_events_times_streams_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One event is always taken; more of them only as many as a short transaction can queue on all streams."""
    services = services_of(store)
    await account_with_integration(services)
    for host in ("two", "three"):
        new = NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=f"https://{host}.example.com")
        await create_integration(services, ACCOUNT, COMMAND_LINE, new, public_origin=ORIGIN)
    monkeypatch.setattr(security_events, "_MOST_DELIVERIES", 6)
    assert len(await queue_security_events(services, ACCOUNT, COMMAND_LINE, [request(), request()])) == 2
    with pytest.raises(Invalid) as refused:
        await queue_security_events(services, ACCOUNT, COMMAND_LINE, [request()] * 3)
    assert [fault.message for fault in refused.value.faults] == [
        "the body must have 1 to 2 security events, because each goes to up to 3 streams; it has 3"
    ]
    monkeypatch.setattr(security_events, "_MOST_DELIVERIES", 1)
    assert len((await queue(services, request())).deliveries) == 3
    assert await queued_of(store) == [3, 3, 3]
