"""The ledger under everything that can happen to it, in any order, over the real embedded store.

Record, claim, push, settle, crash, pause, resume, retry, replay, poll, acknowledge, expire, purge: after each step
every stream's ledger balances, agrees with what the list of deliveries shows, and no event overtook one of its subject.
"""

import asyncio
import atexit
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from riskrelay.actions.continue_replays import continue_replays
from riskrelay.actions.create_stream import create_stream
from riskrelay.actions.expire_events import expire_events
from riskrelay.actions.pause_integration import pause_integration
from riskrelay.actions.poll_stream import poll_stream
from riskrelay.actions.purge_events import purge_events
from riskrelay.actions.resume_integration import resume_integration
from riskrelay.actions.retry_delivery import retry_delivery
from riskrelay.actions.start_replay import start_replay
from riskrelay.actions.steer_replay import steer_replay
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Attempt, Delivery, DeliveryState
from riskrelay.core.delivery.lanes import LaneLease, LaneWork, QueuedEvent, chains, settle
from riskrelay.core.delivery.replays import REPLAYABLE, Replay, ReplayFilter, ReplayStatus
from riskrelay.core.errors import Invalid, LeaseLost
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.ssf.access import CredentialId, Receiver
from riskrelay.core.ssf.event_types import CAEP_RISK_LEVEL_CHANGE
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.polling import PollRequest
from riskrelay.core.ssf.receiver_errors import SetError
from riskrelay.core.ssf.stream_documents import PushRules
from riskrelay.storage.engines.sqlite import SqliteStore
from support.database_time import pass_time
from support.databases import migrated_sqlite
from support.outside import HandClock, outside_of
from support.receiver_world import ssf_integration
from support.transmitting import VAULT, polling_of
from support.world import ACCOUNT, account_with_integration, finding, record

T = TypeVar("T")

RETENTION = timedelta(days=7)
KEPT = timedelta(days=14)
LEASE = timedelta(minutes=1)
OUTCOMES = (
    Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202),
    Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400),
    Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500),
    Outcome(kind=OutcomeKind.OURS, reason="no_signing_key"),
)
USERS = ("ana@example.com", "ben@example.com", "kai@example.com")
BEHAVIORS = ("high_risk_domain", "imp_travel", "high_dlp")
SOAK = bool(os.environ.get("RISKRELAY_SOAK"))
DIRECTORY = Path(tempfile.mkdtemp(prefix="riskrelay-machine-"))
atexit.register(shutil.rmtree, DIRECTORY, ignore_errors=True)


class LedgerMachine(RuleBasedStateMachine):
    """One account with an Okta integration that is pushed, and an SSF integration whose stream is polled."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp(dir=DIRECTORY))
        shutil.copy(template(), self.directory / "riskrelay.db")
        self.store = SqliteStore(self.directory / "riskrelay.db")
        self.clock = HandClock(datetime.now(UTC))  # as the database, whose clock measures ages; it stands still
        self.outside = outside_of(self.store, self.clock)
        self.okta = self.run(account_with_integration(self.outside)).integration_id
        self.run(self._make_stream())
        self.working: tuple[LaneLease, LaneWork] | None = None
        self.replays: list[Replay] = []
        self.purged = 0
        self.paused = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def _make_stream(self) -> None:
        integration = await ssf_integration(self.outside)
        self.ssf = integration.integration_id
        self.receiver = Receiver(
            account_id=ACCOUNT, integration_id=self.ssf, credential_id=CredentialId("c"), scopes=frozenset()
        )
        body = {"events_requested": [CAEP_RISK_LEVEL_CHANGE]}
        rules = PushRules(lambda url: None, lambda secret: VAULT.seal(secret, "a row"))
        self.stream = await create_stream(self.outside, self.receiver, body, rules)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        shutil.rmtree(self.directory)

    @rule(user=st.sampled_from(USERS), behavior=st.sampled_from(BEHAVIORS))
    def queue(self, user: str, behavior: str) -> None:
        self.run(record(self.outside, finding(user, behavior)))

    @precondition(lambda self: self.working is None)
    @rule()
    def claim(self) -> None:
        async def work() -> None:
            leases = await self.store.write_installation(lambda tx: tx.lanes.claim(1, LEASE))
            if leases:
                (lease,) = leases
                read = await self.store.read_installation(lambda tx: tx.lanes.read(lease, 8, RETENTION))
                self.working = lease, read

        self.run(work())

    @precondition(lambda self: self.working is not None)
    @rule(outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=8))
    def push_and_settle(self, outcomes: list[Outcome]) -> None:
        """As a worker does: chains side by side, each until something is not accepted."""
        assert self.working is not None
        lease, read = self.working
        self.working = None
        taken: dict[int, Outcome] = {}
        tried: list[Attempt] = []
        events = {event.seq: event for event in [*read.held, *read.fresh]}
        is_pushed = read.stream is not None and not read.stream.is_polled
        for chain in chains(read) if is_pushed else []:
            self._check_order(chain, events)
            for event in chain:
                outcome = outcomes[len(tried) % len(outcomes)]
                taken[event.seq] = outcome
                tried.append(attempt(event, outcome, self.clock))
                if outcome.kind is not OutcomeKind.ACCEPTED:
                    break
        settlement = settle(read, taken, lambda: 0.0)

        async def write_down() -> None:
            try:
                if is_pushed:
                    await self.store.write_installation(
                        lambda tx: tx.lanes.settle(lease, read, settlement, tried, LEASE)
                    )
                await self.store.write_installation(lambda tx: tx.lanes.release(lease))
            except LeaseLost:
                return

        self.run(write_down())

    def _check_order(self, chain: list[QueuedEvent], events: dict[int, QueuedEvent]) -> None:
        """A chain starts with the oldest of its subject that still waits, and leaves none out."""
        same = [seq for seq, event in events.items() if event.subject_key == chain[0].subject_key and not event.expired]
        assert [event.seq for event in chain] == sorted(same)[: len(chain)]

    @rule()
    def crash(self) -> None:
        """What was pushed and not settled comes again; the next start frees what the dead process held."""
        self.working = None
        self.run(self.store.write_installation(lambda tx: tx.lanes.release_all()))

    @rule(hours=st.sampled_from([1, 30, 200]))
    def let_time_pass(self, hours: int) -> None:
        self.run(pass_time(self.store, timedelta(hours=hours)))

    @rule()
    def pause_or_resume(self) -> None:
        place = (self.outside, ACCOUNT, COMMAND_LINE, self.okta)
        self.run(resume_integration(*place) if self.paused else pause_integration(*place, None))
        self.paused = not self.paused

    @rule(number=st.integers(0, 1_000), polled=st.booleans())
    def retry(self, number: int, polled: bool) -> None:
        integration_id = self.ssf if polled else self.okta
        found = self._deliveries(integration_id)
        if found:
            jti = found[number % len(found)].jti
            self.run(retry_delivery(self.outside, ACCOUNT, COMMAND_LINE, integration_id, jti))

    @rule(state=st.sampled_from(REPLAYABLE), polled=st.booleans())
    def replay(self, state: DeliveryState, polled: bool) -> None:
        integration_id = self.ssf if polled else self.okta
        wanted = ReplayFilter(
            state=state, reason=None, queued_from=None, queued_to=self.clock.now() + timedelta(hours=1)
        )
        started = self.run(start_replay(self.outside, ACCOUNT, COMMAND_LINE, integration_id, wanted, 0))
        self.replays.append(started)

    @precondition(lambda self: self.replays)
    @rule(number=st.integers(0, 100), status=st.sampled_from(list(ReplayStatus)))
    def steer(self, number: int, status: ReplayStatus) -> None:
        if status is ReplayStatus.COMPLETED:
            return
        replay = self.replays[number % len(self.replays)]
        place = (replay.integration_id, replay.replay_id, status)
        try:
            self.run(steer_replay(self.outside, ACCOUNT, COMMAND_LINE, *place))
        except Invalid:
            return  # it is over

    @rule()
    def go_on_with_replays(self) -> None:
        self.run(continue_replays(self.outside))

    @rule()
    def tidy(self) -> None:
        self.run(expire_events(self.outside, RETENTION))
        self.purged += self.run(purge_events(self.outside, KEPT))

    @rule(take=st.integers(0, 4), refuse=st.booleans())
    def poll(self, take: int, refuse: bool) -> None:
        """Fetch, and say what became of some of it."""
        polling, place = polling_of(), (self.receiver, self.stream.stream_id)
        request = PollRequest(return_immediately=True)
        got = list(self.run(poll_stream(self.outside, polling, *place, request)).sets)
        refused = {Jti(jti): SetError("invalid_request") for jti in got[take : take + 1]} if refuse else {}
        answer = PollRequest(
            max_events=0, return_immediately=True, acknowledged=frozenset(map(Jti, got[:take])), refused=refused
        )
        self.run(poll_stream(self.outside, polling, *place, answer))

    @invariant()
    def every_ledger_balances_and_agrees_with_the_list(self) -> None:
        ledgers = self.run(self.store.read_installation(lambda tx: tx.ledgers()))
        assert [ledger.imbalance for ledger in ledgers] == [0] * len(ledgers)
        listed = [delivery for one in (self.okta, self.ssf) for delivery in self._deliveries(one)]
        assert sum(ledger.queued for ledger in ledgers) == len(listed) + self.purged
        states = Counter(delivery.state for delivery in listed)
        counted = Counter({state: sum(getattr(ledger, state.value) for ledger in ledgers) for state in DeliveryState})
        assert counted[DeliveryState.PENDING] == states[DeliveryState.PENDING]
        gone = counted - states
        assert gone.total() == self.purged
        assert counted - gone == states

    def _deliveries(self, integration_id: IntegrationId) -> list[Delivery]:
        return self.run(self.store.read(ACCOUNT, lambda tx: tx.events.deliveries(integration_id, None, None, 1_000)))


@cache
def template() -> Path:
    """A database with the newest schema and nothing in it."""
    path = DIRECTORY / "template.db"
    asyncio.run(migrated_sqlite(path).close())
    return path


def attempt(event: QueuedEvent, outcome: Outcome, clock: HandClock) -> Attempt:
    return Attempt(
        seq=event.seq,
        jti=event.jti,
        number=event.attempts + 1,
        queued_at=event.queued_at,
        started_at=clock.now(),
        duration=timedelta(0),
        outcome=outcome,
    )


LedgerMachine.TestCase.settings = settings(
    max_examples=500 if SOAK else 12,
    stateful_step_count=60 if SOAK else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLedger = LedgerMachine.TestCase
