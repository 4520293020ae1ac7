"""The ledger under everything that can happen to it, in any order, over the real embedded store.

Record, claim, push, settle, crash, pause, resume, retry, replay, poll, acknowledge, expire, purge: after each step
every stream's ledger balances, agrees with what the list of deliveries shows, and no event overtook one of its subject.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from riskrelay.actions.deliveries import retry_delivery
from riskrelay.actions.poll_stream import poll_stream
from riskrelay.actions.replays import continue_replays, control_replay, start_replay
from riskrelay.actions.upkeep import expire_events, purge_events
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Attempt, DeliveryState
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.delivery.replays import REPLAYABLE, Replay, ReplayFilter
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import OpenedTls
from riskrelay.core.jobs import JobStatus
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.polling import PollRequest
from riskrelay.core.ssf.receiver_errors import SetError
from riskrelay.engine.deliver import PushedBatch
from support.database_time import pass_time
from support.delivery_machine import BEHAVIORS, USERS, DeliveryMachine
from support.machines import SOAK
from support.transmitting import polling_of
from support.world import ACCOUNT, finding, record

RETENTION = timedelta(days=7)
KEPT = timedelta(days=14)
OUTCOMES = (
    Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202),
    Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400),
    Outcome(kind=OutcomeKind.AUTH, reason="http_401", status=401),
    Outcome(kind=OutcomeKind.GONE, reason="http_410", status=410),
    Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(minutes=5)),
    Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500),
    Outcome(kind=OutcomeKind.LOCAL, reason="no_signing_key"),
)


class Answers:
    """Implements ports.Pusher: gives the answers of an example, over and over."""

    def __init__(self) -> None:
        self.outcomes: Sequence[Outcome] = OUTCOMES
        self.pushes = 0

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        self.pushes += 1
        return self.outcomes[self.pushes % len(self.outcomes)]


class LedgerMachine(DeliveryMachine):
    """Every step, with receivers that give every response."""

    def __init__(self) -> None:
        self.answers = Answers()
        super().__init__(self.answers, RETENTION, [CAEP_RISK_LEVEL_CHANGE])
        self.replays: list[Replay] = []
        self.purged = 0

    @rule(user=st.sampled_from(USERS), behavior=st.sampled_from(BEHAVIORS))
    def queue(self, user: str, behavior: str) -> None:
        self.run(record(self.services, finding(user, behavior)))

    @rule(user=st.sampled_from(USERS))
    def queue_three_of_one_user(self, user: str) -> None:
        """Each raises the level once more, unless the user has it: so a chain of one subject waits."""
        for behavior in BEHAVIORS:
            self.run(record(self.services, finding(user, behavior)))

    @precondition(lambda self: self.pushed is None)
    @rule(
        outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=8),
        limit=st.sampled_from([1, 3, BATCH_EVENTS]),
    )
    def claim_and_push(self, outcomes: list[Outcome], limit: int) -> None:
        """Push a batch as the worker does. Nothing is written yet, so a crash may follow."""
        self.answers.outcomes = outcomes
        lease = self.claim()
        if lease is not None:
            self.pushed = self.run(self.push(lease, limit))
        if self.pushed is not None:
            self._check_order(self.pushed)

    def _check_order(self, pushed: PushedBatch) -> None:
        """Each subject's pushes start with its oldest event that waits, leave none out, and end with the first that
        was not accepted."""
        waiting: dict[str, list[int]] = defaultdict(list)
        subjects: dict[int, str] = {}
        for event in [*pushed.work.held, *pushed.work.fresh]:
            if not event.expired:
                waiting[event.subject_key].append(event.seq)
                subjects[event.seq] = event.subject_key
        tried: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in pushed.attempts:
            tried[subjects[attempt.seq]].append(attempt)
        for subject, attempts in tried.items():
            assert [attempt.seq for attempt in attempts] == sorted(waiting[subject])[: len(attempts)]
            assert all(attempt.outcome.kind is OutcomeKind.ACCEPTED for attempt in attempts[:-1])

    @rule(hours=st.sampled_from([1, 30, 200]))
    def let_time_pass(self, hours: int) -> None:
        self.run(pass_time(self.store, timedelta(hours=hours)))

    @rule(number=st.integers(0, 1_000), polled=st.booleans())
    def retry(self, number: int, polled: bool) -> None:
        integration_id = self.ssf if polled else self.okta
        found = self.deliveries(integration_id)
        if found:
            jti = found[number % len(found)].jti
            self.run(retry_delivery(self.services, ACCOUNT, COMMAND_LINE, integration_id, jti))

    @rule(state=st.sampled_from(REPLAYABLE), polled=st.booleans())
    def replay(self, state: DeliveryState, polled: bool) -> None:
        integration_id = self.ssf if polled else self.okta
        wanted = ReplayFilter(
            state=state, reason=None, queued_from=None, queued_to=self.clock.now() + timedelta(hours=1)
        )
        started = self.run(start_replay(self.services, ACCOUNT, COMMAND_LINE, integration_id, wanted, 0))
        self.replays.append(started)

    @precondition(lambda self: self.replays)
    @rule(number=st.integers(0, 100), status=st.sampled_from(list(JobStatus)))
    def control(self, number: int, status: JobStatus) -> None:
        if status is JobStatus.COMPLETED:
            return
        replay = self.replays[number % len(self.replays)]
        place = (replay.integration_id, replay.replay_id, status)
        try:
            self.run(control_replay(self.services, ACCOUNT, COMMAND_LINE, *place))
        except Invalid:
            return  # it is over

    @rule()
    def go_on_with_replays(self) -> None:
        self.run(continue_replays(self.services))

    @rule()
    def tidy(self) -> None:
        self.run(expire_events(self.services, RETENTION))
        self.purged += self.run(purge_events(self.services, KEPT))

    @rule(take=st.integers(0, 4), refuse=st.booleans())
    def poll(self, take: int, refuse: bool) -> None:
        """Fetch, and say what became of some of it."""
        polling, place = polling_of(), (self.receiver, self.stream.stream_id)
        request = PollRequest(return_immediately=True)
        got = list(self.run(poll_stream(self.services, polling, *place, request)).sets)
        refused = {Jti(jti): SetError("invalid_request") for jti in got[take : take + 1]} if refuse else {}
        answer = PollRequest(
            max_events=0, return_immediately=True, acknowledged=frozenset(map(Jti, got[:take])), refused=refused
        )
        self.run(poll_stream(self.services, polling, *place, answer))

    @invariant()
    def every_ledger_agrees_with_the_list(self) -> None:
        ledgers = self.run(self.store.read_installation(lambda tx: tx.ledgers()))
        listed = [delivery for one in (self.okta, self.ssf) for delivery in self.deliveries(one)]
        assert sum(ledger.queued for ledger in ledgers) == len(listed) + self.purged
        states = Counter(delivery.state for delivery in listed)
        counted = Counter({state: sum(getattr(ledger, state.value) for ledger in ledgers) for state in DeliveryState})
        assert counted[DeliveryState.PENDING] == states[DeliveryState.PENDING]
        gone = counted - states
        assert gone.total() == self.purged
        assert counted - gone == states


LedgerMachine.TestCase.settings = settings(
    max_examples=500 if SOAK else 8,
    stateful_step_count=60 if SOAK else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLedger = LedgerMachine.TestCase
