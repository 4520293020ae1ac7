"""Coalescing under every sequence of level changes, outages, attempts, polls and crashes, over the embedded store.

After each step the ledger balances. When everything is delivered, each receiver's last level is the user's level, each
receipt continues where the last one ended, and no event overtook one of its subject.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from riskrelay.actions import coalesce
from riskrelay.actions.integrations import limit_integration
from riskrelay.actions.poll_stream import poll_stream
from riskrelay.actions.security_events import queue_security_events
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.integrations import DeliveryLimits, OpenedTls
from riskrelay.core.ssf.event_requests import EventRequest
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.polling import PollRequest
from riskrelay.core.ssf.subjects import email_subject
from riskrelay.engine import deliver
from riskrelay.ports import Store
from riskrelay.storage.engines.sqlite import SqliteStore
from support.database_time import pass_time
from support.delivery_machine import BEHAVIORS, LEASE, USERS, DeliveryMachine
from support.machines import SOAK
from support.transmitting import FOR_EVER, claims_in, polling_of
from support.world import ACCOUNT, finding, record

SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)
FAILURES = (
    Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(minutes=5)),
    Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500),
    Outcome(kind=OutcomeKind.TRANSIENT, reason="timeout"),  # the receiver has processed the event
    Outcome(kind=OutcomeKind.LOCAL, reason="no_signing_key"),
)
COALESCING = DeliveryLimits(coalesces_level_changes=True)


class Inbox:
    """What one receiver processed, in order: each SET once, as receivers do."""

    def __init__(self) -> None:
        self.jtis: set[str] = set()
        self.by_user: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def take(self, token: bytes | str) -> None:
        claims = claims_in(token)
        if claims["jti"] not in self.jtis:
            self.jtis.add(claims["jti"])
            self.by_user[claims["sub_id"].get("email", "")].append(claims)

    def levels(self, user: str) -> list[tuple[str, str]]:
        """The previous and the current level of each level change."""
        events = [event for claims in self.by_user[user] for event in claims["events"].values()]
        return [(event["previous_level"], event["current_level"]) for event in events if "current_level" in event]


class PushedInbox(Inbox):
    """Implements ports.Pusher: an inbox that answers as an example says, over and over."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: Sequence[Outcome] = (ACCEPTED,)
        self.pushes = 0

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        self.pushes += 1
        outcome = self.outcomes[self.pushes % len(self.outcomes)]
        if outcome.kind is OutcomeKind.ACCEPTED or outcome.reason == "timeout":
            self.take(token)
        return outcome


class Crash(Exception):
    """The process dies before a transaction."""


class MortalStore:
    """Implements ports.Store over another one. The process can die between two transactions of a collapse."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.writes_left: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write_installation(self, work: Any) -> Any:
        if self.writes_left == 0:
            raise Crash
        if self.writes_left is not None:
            self.writes_left -= 1
        return await self._store.write_installation(work)


class CoalescingMachine(DeliveryMachine):
    """Both integrations coalesce.

    A read takes three events and a transaction changes one row, so that a collapse takes several transactions.
    """

    def __init__(self) -> None:
        self.pushed_to, self.polls = PushedInbox(), Inbox()
        super().__init__(self.pushed_to, FOR_EVER, [CAEP_RISK_LEVEL_CHANGE, SESSION_REVOKED])
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(coalesce, "MAX_READ_EVENTS", 3)
        self.patch.setattr(deliver, "MAX_READ_EVENTS", 3)
        self.patch.setattr(coalesce, "_PAGE", 2)
        self.patch.setattr(coalesce, "_ROWS", 1)
        self.mortal = MortalStore(self.store)
        self.services = replace(self.services, store=cast(Store, self.mortal))
        for integration_id in (self.okta, self.ssf):
            self.run(limit_integration(self.services, ACCOUNT, COMMAND_LINE, integration_id, COALESCING))
        self.polling = polling_of()

    def teardown(self) -> None:
        self.patch.undo()
        super().teardown()

    @rule(user=st.sampled_from(USERS), behavior=st.sampled_from(BEHAVIORS))
    def rise(self, user: str, behavior: str) -> None:
        self.run(record(self.services, finding(user, behavior)))

    @rule(user=st.sampled_from(USERS))
    def reset(self, user: str) -> None:
        self.run(self._reset(user))

    async def _reset(self, email: str) -> None:
        users = await self.store.read(ACCOUNT, lambda tx: tx.users.find([finding(email).user]))
        for standing in users.values():
            await reset_user(self.services, ACCOUNT, COMMAND_LINE, standing.user_id)

    @rule(user=st.sampled_from(USERS), times=st.integers(1, 4))
    def rise_and_fall(self, user: str, times: int) -> None:
        for number in range(times):
            self.run(record(self.services, finding(user, BEHAVIORS[number % len(BEHAVIORS)])))
            self.run(self._reset(user))

    @rule(user=st.sampled_from(USERS))
    def revoke_sessions(self, user: str) -> None:
        """An event of another kind about the user, which a client sends."""
        request = EventRequest(
            request_id=None,
            event_type=SESSION_REVOKED,
            subject=email_subject(user),
            event={},
            txn=None,
            digest=b"d" * 32,
        )
        self.run(queue_security_events(self.services, ACCOUNT, COMMAND_LINE, [request]))

    @precondition(lambda self: self.pushed is None)
    @rule(
        failures=st.lists(st.sampled_from((ACCEPTED, *FAILURES)), min_size=1, max_size=6),
        limit=st.sampled_from([1, 2, BATCH_EVENTS]),
        writes=st.sampled_from([None, 0, 1, 2, 3]),
    )
    def claim_and_push(self, failures: list[Outcome], limit: int, writes: int | None) -> None:
        """Push a batch as the worker does. Its outcomes are not written yet, so a crash may follow.

        Args:
            writes: the process dies after this many transactions of the collapse; None: it lives.
        """
        self.pushed_to.outcomes = failures
        lease = self.claim()
        self.mortal.writes_left = writes
        try:
            self.pushed = None if lease is None else self.run(self.push(lease, limit))
        except Crash:
            self.crash()
        self.mortal.writes_left = None

    @rule()
    def let_time_pass(self) -> None:
        self.run(pass_time(self.store, timedelta(hours=1)))

    @rule(most=st.integers(0, 4), acknowledged=st.integers(0, 4), writes=st.sampled_from([None, 0, 1, 2, 3]))
    def poll(self, most: int, acknowledged: int, writes: int | None) -> None:
        """Fetch, and acknowledge some of it. The process may die in the middle of a collapse."""
        self.mortal.writes_left = writes
        try:
            got = self._poll(PollRequest(max_events=most, return_immediately=True))
        except Crash:
            got = {}
        self.mortal.writes_left = None
        if got:
            taken = frozenset(list(got)[:acknowledged])
            self._poll(PollRequest(max_events=0, return_immediately=True, acknowledged=taken))

    def _poll(self, request: PollRequest) -> dict[Any, bytes]:
        answer = self.run(poll_stream(self.services, self.polling, self.receiver, self.stream.stream_id, request))
        for token in answer.sets.values():
            self.polls.take(token)
        return dict(answer.sets)

    @precondition(lambda self: self.pushed is None)
    @rule()
    def deliver_everything(self) -> None:
        """After that, each receiver knows the level of each user."""
        self.pushed_to.outcomes = (ACCEPTED,)
        if self.paused:
            self.pause_or_resume()
        self.crash()
        self.run(self._deliver_everything())
        while got := self._poll(PollRequest(max_events=3, return_immediately=True)):
            self._poll(PollRequest(max_events=0, return_immediately=True, acknowledged=frozenset(got)))
        ledgers = self.run(self.store.read_installation(lambda tx: tx.ledgers()))
        assert [ledger.pending for ledger in ledgers] == [0] * len(ledgers)
        self._check_levels()

    async def _deliver_everything(self) -> None:
        for _ in range(1_000):
            await pass_time(self.store, timedelta(hours=1))
            leases = await self.store.write_installation(lambda tx: tx.lanes.claim(1, LEASE))
            if not leases:
                return
            pushed = await self.push(leases[0], BATCH_EVENTS)
            if pushed is not None:
                await self.settle_and_release(pushed)
        raise AssertionError("the backlog does not end")

    def _check_levels(self) -> None:
        references = [finding(user).user for user in USERS]
        found = self.run(self.store.read(ACCOUNT, lambda tx: tx.users.find(references)))
        for user in USERS:
            level = found[user].level if user in found else None
            for inbox, word in (
                (self.pushed_to, level.word if level else "none"),
                (self.polls, level.name if level else "LOW"),
            ):
                levels = inbox.levels(user)
                last = levels[-1][1] if levels else ("none" if inbox is self.pushed_to else "LOW")
                assert last == word, (user, levels)

    @invariant()
    def each_receipt_continues_where_the_last_one_ended(self) -> None:
        """Unless it says the same level: then it was not certain that the receiver knew it."""
        for inbox in (self.pushed_to, self.polls):
            for user in USERS:
                levels = inbox.levels(user)
                for (_, known), (previous, current) in pairwise(levels):
                    assert known in (previous, current), (user, levels)

    @invariant()
    def no_event_overtook_one_of_its_subject(self) -> None:
        for integration_id, inbox in ((self.okta, self.pushed_to), (self.ssf, self.polls)):
            place = {delivery.jti: delivery.seq for delivery in self.deliveries(integration_id)}
            for received in inbox.by_user.values():
                places = [place[claims["jti"]] for claims in received]
                assert places == sorted(places)


CoalescingMachine.TestCase.settings = settings(
    max_examples=100 if SOAK else 8,
    stateful_step_count=60 if SOAK else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCoalescing = CoalescingMachine.TestCase
