"""Polling against a model: random acknowledgements, lost answers, two pollers at once, every status (RFC 8936)."""

import asyncio
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskrelay.actions.accounts import create_account
from riskrelay.actions.poll_stream import poll_stream
from riskrelay.actions.streams import create_stream, set_stream_status
from riskrelay.actions.wake_polls import wake_polls
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId
from riskrelay.core.signals import Signal
from riskrelay.core.ssf.access import CredentialId, Receiver
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE
from riskrelay.core.ssf.events import Jti, SecurityEvent
from riskrelay.core.ssf.polling import PollRequest
from riskrelay.core.ssf.receiver_errors import SetError
from riskrelay.core.ssf.stream_documents import PushRules
from riskrelay.core.ssf.streams import Stream, StreamStatus
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.local.ids import SystemIds
from riskrelay.ports import Services, Store
from riskrelay.web.transmitter.bell import StreamBell
from support.database_time import pass_time
from support.receiver_world import ssf_integration
from support.services import services_of
from support.statements import statements
from support.transmitting import VAULT, polling_of

POLLING = polling_of()
RULES = PushRules(lambda url: None, lambda secret: VAULT.seal(secret, "a row"))
ACCOUNTS = itertools.count()
EXAMPLES = 500 if os.environ.get("RISKRELAY_SOAK") else 25


@dataclass
class Model:
    """What must be true of one polled stream.

    Attributes:
        subject_of: of every event that was queued, in that order.
        settled: what was acknowledged or refused.
        seen: in the order of the first receipts.
    """

    status: StreamStatus = StreamStatus.ENABLED
    subject_of: dict[Jti, str] = field(default_factory=dict)
    delivered: set[Jti] = field(default_factory=set)
    dead: set[Jti] = field(default_factory=set)
    cancelled: set[Jti] = field(default_factory=set)
    seen: list[Jti] = field(default_factory=list)

    @property
    def waiting(self) -> list[Jti]:
        gone = self.delivered | self.dead | self.cancelled
        return [jti for jti in self.subject_of if jti not in gone]

    def receive(self, jtis: Sequence[Jti], waiting: Sequence[Jti]) -> None:
        """An answer: only what waited, the oldest, in order."""
        assert list(jtis) == list(waiting[: len(jtis)])
        self.seen += [jti for jti in jtis if jti not in self.seen]

    def check(self, ledger: Ledger) -> None:
        """C1, and each event in the state it must be in."""
        assert ledger.imbalance == 0
        counted = (ledger.queued, ledger.delivered, ledger.dead, ledger.cancelled, ledger.pending)
        known = (self.subject_of, self.delivered, self.dead, self.cancelled, self.waiting)
        assert counted == tuple(map(len, known))

    def check_order(self) -> None:
        """C5: per subject, first receipts are in the order in which the events were queued."""
        place = {jti: number for number, jti in enumerate(self.subject_of)}
        for subject in set(self.subject_of.values()):
            places = [place[jti] for jti in self.seen if self.subject_of[jti] == subject]
            assert places == sorted(places)


class Polled:
    """A stream of an account of its own, and its model."""

    def __init__(self, services: Services, receiver: Receiver, stream: Stream) -> None:
        self.services, self.receiver, self.stream = services, receiver, stream
        self.model = Model()

    async def queue(self, subjects: Sequence[str]) -> None:
        now = self.services.clock.now()
        signals = []
        status = self.model.status
        for email in subjects:
            subject = email_subject(email)
            jti = Jti(self.services.ids.uuid())
            event = SecurityEvent(
                jti=jti, txn="txn", issued_at=now, event_type=CAEP_RISK_LEVEL_CHANGE, event={}, sub_id=subject
            )
            self.model.subject_of[jti] = email
            if status is StreamStatus.DISABLED:
                self.model.cancelled.add(jti)
            signals.append((event, subject_key(subject)))

        def work(tx: Any) -> None:
            (stream,) = tx.streams.taking_events()
            tx.events.queue([Signal(stream=stream, subject_key=key, event=event) for event, key in signals])

        await self.services.store.write(self.receiver.account_id, work)

    async def poll(self, request: PollRequest) -> list[Jti]:
        answer = await poll_stream(self.services, POLLING, self.receiver, self.stream.stream_id, request)
        return list(answer.sets)

    async def set_status(self, status: StreamStatus) -> None:
        await set_stream_status(self.services, self.receiver, self.stream.stream_id, status, None)
        if status is StreamStatus.DISABLED:
            self.model.cancelled |= set(self.model.waiting)
        self.model.status = status

    async def ledger(self) -> Ledger:
        ledgers = await self.services.store.read_installation(lambda tx: tx.ledgers())
        (ledger,) = [ledger for ledger in ledgers if ledger.stream_id == self.stream.stream_id]
        return ledger


async def polled(store: Store) -> Polled:
    """A new account with one polled stream whose verification event is settled already."""
    base = services_of(store)
    services = replace(base, ids=SystemIds())
    account_id = AccountId(f"account-{next(ACCOUNTS)}")
    await create_account(services, account_id, COMMAND_LINE)
    integration = await ssf_integration(services, account_id)
    receiver = Receiver(
        account_id=account_id,
        integration_id=integration.integration_id,
        credential_id=CredentialId("c"),
        scopes=frozenset(),
    )
    stream = await create_stream(services, receiver, {"events_requested": [CAEP_RISK_LEVEL_CHANGE]}, RULES)
    it = Polled(services, receiver, stream)
    (hello,) = await it.poll(PollRequest(return_immediately=True))
    await it.poll(PollRequest(max_events=0, return_immediately=True, acknowledged=frozenset({hello})))
    it.model.subject_of[hello] = "the stream"
    it.model.delivered.add(hello)
    return it


SUBJECTS = st.sampled_from([f"{name}@example.com" for name in "abc"])
PICKS = st.sets(st.integers(0, 11))  # places among what waits
STEPS = st.one_of(
    st.tuples(st.just("queue"), st.lists(SUBJECTS, min_size=1, max_size=6)),
    st.tuples(st.just("poll"), st.tuples(st.integers(0, 5), PICKS, PICKS, st.booleans())),
    st.tuples(st.just("two"), st.tuples(PICKS, PICKS)),
    st.tuples(st.just("status"), st.sampled_from(list(StreamStatus))),
)


def request(model: Model, most: int, acked: set[int], refused: set[int]) -> PollRequest:
    """A poll that says something of some events that wait, of some that do not, and of unknown ones."""
    waiting = model.waiting
    taken = {waiting[n] for n in acked if n < len(waiting)}
    errors = {waiting[n]: SetError("invalid_key") for n in refused if n < len(waiting)}
    settled = set(itertools.islice(model.delivered | model.dead | model.cancelled, 2))
    return PollRequest(
        max_events=most,
        return_immediately=True,
        acknowledged=frozenset(taken | settled | {Jti("unknown")}),
        refused=errors,
    )


def settle(model: Model, said: PollRequest) -> None:
    """What a poll changes before it is answered."""
    waiting = set(model.waiting)
    model.dead |= waiting & said.refused.keys()
    model.delivered |= (waiting & said.acknowledged) - model.dead


async def step(it: Polled, verb: str, details: Any) -> None:
    model = it.model
    if verb == "queue":
        await it.queue(details)
    elif verb == "status":
        await it.set_status(details)
    elif verb == "poll":
        most, acked, refused, is_lost = details
        said = request(model, most, acked, refused)
        got = await it.poll(said)
        settle(model, said)
        expected = min(most, len(model.waiting)) if model.status is StreamStatus.ENABLED else 0
        assert len(got) == expected
        if not is_lost:
            model.receive(got, model.waiting)
    else:
        one, two = (request(model, 3, picks, set()) for picks in details)
        before = model.waiting
        answers = await asyncio.gather(it.poll(one), it.poll(two))
        settle(model, one)
        settle(model, two)
        for got in answers:  # whichever came first, it got what waited then or what waits now
            assert set(got) <= set(before)
            assert [jti for jti in before if jti in got] == got


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12))
async def test_polling_is_what_a_naive_model_says(store: Store, steps: list[tuple[str, Any]]) -> None:
    """After each step the ledger balances and each event is in its one state; at the end everything that was not
    refused or cancelled is delivered, and per subject it was first seen in order."""
    it = await polled(store)
    for verb, details in steps:
        await step(it, verb, details)
        it.model.check(await it.ledger())
    await it.set_status(StreamStatus.ENABLED)
    while got := await it.poll(PollRequest(max_events=2, return_immediately=True)):
        it.model.receive(got, it.model.waiting)
        said = PollRequest(max_events=0, return_immediately=True, acknowledged=frozenset(got))
        await it.poll(said)
        settle(it.model, said)
    it.model.check(await it.ledger())
    assert it.model.waiting == []
    it.model.check_order()


async def test_expired_events_are_not_handed_out(store: Store) -> None:
    """Older than the retention: a poll settles them as expired."""
    it = await polled(store)
    await it.queue(["a@example.com", "b@example.com"])
    strict = replace(polling_of(), retention=timedelta(0), longest_wait=timedelta(0))
    answer = await poll_stream(
        it.services,
        strict,
        it.receiver,
        it.stream.stream_id,
        PollRequest(max_events=BATCH_EVENTS, return_immediately=True),
    )
    assert answer.sets == {}
    ledger = await it.ledger()
    assert (ledger.expired, ledger.pending, ledger.imbalance) == (2, 0, 0)


async def test_a_poll_with_nothing_to_settle_only_reads(store: Store) -> None:
    """It takes no turn of the database's writer: thousands of idle receivers delay no other request."""
    it = await polled(store)
    await it.queue(["a@example.com"])
    it.services = replace(it.services, store=cast(Store, Reading(store)))
    assert len(await it.poll(PollRequest(return_immediately=True))) == 1
    with pytest.raises(AssertionError, match="wrote"):
        await it.poll(PollRequest(return_immediately=True, acknowledged=frozenset({Jti("unknown")})))


async def test_polls_without_events_that_arrive_together_share_one_statement(store: Store) -> None:
    """Thousands of idle receivers cost little. A poll of another receiver's stream is not found, as before."""
    it, other = await polled(store), await polled(store)
    await it.poll(PollRequest(return_immediately=True))
    with statements() as executed:
        answers = await asyncio.gather(*(it.poll(PollRequest(return_immediately=True)) for _ in range(20)))
    assert answers == [[]] * 20
    assert sum(statement.startswith("SELECT") for statement in executed) == 1
    with pytest.raises(NotFound):
        await poll_stream(
            it.services, POLLING, it.receiver, other.stream.stream_id, PollRequest(return_immediately=True)
        )


async def test_a_held_event_alone_is_returned_by_a_poll(store: Store) -> None:
    """The cursor may have passed it: another event after it was acknowledged first."""
    it = await polled(store)
    await it.queue(["a@example.com", "b@example.com"])
    first, second = await it.poll(PollRequest(return_immediately=True))
    assert await it.poll(PollRequest(return_immediately=True, acknowledged=frozenset({second}))) == [first]
    assert await it.poll(PollRequest(return_immediately=True)) == [first]


class Reading:
    """A store that fails a test which writes."""

    def __init__(self, store: Store) -> None:
        self.read = store.read
        self.read_installation = store.read_installation

    async def write(self, account_id: AccountId, work: object) -> None:
        raise AssertionError(f"{account_id} wrote")


async def test_polling_many_times_notes_activity_once_a_minute(store: Store) -> None:
    """The stream's row is not written by every poll: what reads streams stays quick while a snapshot is held."""
    it = await polled(store)

    async def is_idle(for_longer_than: timedelta) -> bool:
        idle = await store.read_installation(lambda tx: tx.idle_streams(for_longer_than, 10))
        return any(stream.stream_id == it.stream.stream_id for stream in idle)

    await pass_time(store, timedelta(seconds=20))
    await it.poll(PollRequest(return_immediately=True))
    assert await is_idle(timedelta(seconds=19))
    await pass_time(store, timedelta(seconds=41))
    await it.poll(PollRequest(return_immediately=True))
    assert not await is_idle(timedelta(seconds=19))


async def test_the_streams_that_have_something_undelivered_are_found_in_one_query(store: Store) -> None:
    """Of those named, whoever queued it and however many are named; what is settled is not found."""
    with_something, settled, other = await polled(store), await polled(store), await polled(store)
    await with_something.queue(["kai@example.com"])
    await settled.queue(["kai@example.com"])
    await settled.poll(PollRequest(return_immediately=True, acknowledged=frozenset(settled.model.waiting)))
    await other.queue(["kai@example.com"])
    named = [(it.receiver.account_id, it.stream.stream_id) for it in (with_something, settled)]
    found = await store.read_installation(lambda tx: tx.undelivered(named))
    assert {lane.stream_id for lane in found} == {with_something.stream.stream_id}
    assert await store.read_installation(lambda tx: tx.undelivered([])) == []
    bell = StreamBell()
    with bell.listen(*named[0]) as heard, bell.listen(*named[1]) as nothing:
        await wake_polls(with_something.services, bell)
        async with asyncio.timeout(60):
            await heard.wait(timedelta(minutes=10))
        waiting = asyncio.create_task(nothing.wait(timedelta(seconds=20)))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        waiting.cancel()
