"""What a lane pushes next and what it writes down, without a database."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from riskrelay.core.delivery.lanes import (
    MAX_HELD_EVENTS,
    NOW,
    HeldEvent,
    LaneWork,
    Settlement,
    chains,
    following,
    settle,
)
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from support.services import NOON

ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)
FAILED = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500)
OURS = Outcome(kind=OutcomeKind.LOCAL, reason="resolver_unavailable")
THROTTLED = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(seconds=90))
LATER = timedelta(seconds=30)


def event(seq: int, subject: str = "a", attempts: int = 0, due_in: timedelta = timedelta(0)) -> QueuedEvent:
    return QueuedEvent(
        seq=seq,
        jti=Jti(f"jti-{seq}"),
        subject_key=subject,
        claims=b"{}",
        queued_at=NOON,
        attempts=attempts,
        due_in=due_in,
    )


def work(held: list[QueuedEvent] | None = None, fresh: list[QueuedEvent] | None = None, failures: int = 0) -> LaneWork:
    held, fresh = held or [], fresh or []
    cursor = fresh[0].seq - 1 if fresh else max((e.seq for e in held), default=0)
    last_seq = fresh[-1].seq if fresh else cursor
    return LaneWork(stream=None, cursor=cursor, failures=failures, held=held, fresh=fresh, last_seq=last_seq)


def seqs(chosen: list[list[QueuedEvent]]) -> list[list[int]]:
    return [[event.seq for event in chain] for chain in chosen]


def done(lane: LaneWork, outcomes: dict[int, Outcome]) -> Settlement:
    return settle(lane, outcomes, lambda: 0.0)


def test_subjects_go_side_by_side_and_each_in_order() -> None:
    """One chain per subject, in the order of the lane."""
    lane = work(fresh=[event(1, "a"), event(2, "b"), event(3, "a")])
    assert seqs(chains(lane)) == [[1, 3], [2]]


def test_a_subject_with_a_waiting_event_is_left_alone() -> None:
    """Nothing of a subject is pushed before its first held event is due."""
    lane = work([event(1, "a", 1, LATER)], [event(2, "a"), event(3, "b")])
    assert seqs(chains(lane)) == [[3]]


def test_a_failing_lane_probes_with_the_event_tried_least() -> None:
    """One event only, and not always the same one."""
    lane = work([event(1, "a", 5), event(2, "b", 2)], [event(3, "c"), event(4, "d")], failures=3)
    assert seqs(chains(lane)) == [[3]]


def test_a_slow_start_takes_the_oldest_events() -> None:
    """The limit counts events, and the oldest come first."""
    lane = work(fresh=[event(1, "a"), event(2, "b"), event(3, "a"), event(4, "b")])
    assert seqs(chains(lane, limit=3)) == [[1, 3], [2]]


def test_the_cursor_stops_before_what_was_not_reached() -> None:
    """An event after the last one that was reached stays above the cursor."""
    settlement = done(work(fresh=[event(1, "a"), event(2, "b"), event(3, "c")]), {1: ACCEPTED, 2: ACCEPTED})
    assert (settlement.cursor, settlement.delivered, settlement.due_in) == (2, 2, timedelta(0))
    assert settlement.held == []


def test_what_was_skipped_below_the_cursor_gets_a_row() -> None:
    """The cursor passes an event only when it is settled or has a row of its own."""
    settlement = done(work(fresh=[event(1, "a"), event(2, "b"), event(3, "c")]), {1: ACCEPTED, 3: ACCEPTED})
    assert settlement.cursor == 3
    assert [(held.seq, held.attempts, held.due_in) for held in settlement.held] == [(2, 0, timedelta(0))]


def test_a_lane_whose_every_event_waits_behind_one_does_not_spin() -> None:
    """Events of a blocked subject are stored as held events, and the lane is due when the first of them is."""
    settlement = done(work([event(1, "a", 1, LATER)], [event(2, "a"), event(3, "a")]), {})
    assert settlement.cursor == 3
    assert [held.seq for held in settlement.held] == [2, 3]
    assert settlement.due_in == LATER


def test_a_full_lane_takes_no_new_events_and_does_not_spin() -> None:
    """With too many held events the lane waits for those."""
    held = [event(seq, "a", 1, LATER) for seq in range(1, MAX_HELD_EVENTS + 1)]
    lane = LaneWork(stream=None, cursor=MAX_HELD_EVENTS, failures=0, held=held, fresh=[], last_seq=MAX_HELD_EVENTS + 50)
    assert done(lane, {}).due_in == LATER


def test_a_batch_of_nothing_but_failures_counts_against_the_lane() -> None:
    """The wait grows with each such batch, from the fourth on as that of a breaker; one success ends the count."""
    lane = work(fresh=[event(1)])
    assert (done(lane, {1: FAILED}).failures, done(lane, {1: FAILED}).quiet_for) == (1, timedelta(seconds=1))
    fourth = done(replace(lane, failures=3), {1: FAILED})
    assert (fourth.failures, fourth.quiet_for) == (4, timedelta(seconds=10))
    assert done(replace(lane, failures=3), {1: ACCEPTED}).failures == 0


def test_a_refusal_shows_that_the_receiver_works() -> None:
    """400 with an err is not a failure of the receiver."""
    settlement = done(work(fresh=[event(1)], failures=2), {1: REFUSED})
    assert (settlement.failures, [dead.seq for dead in settlement.dead]) == (0, [1])


def test_what_is_ours_does_not_count_against_the_receiver() -> None:
    """A resolver that is down opens no breaker."""
    settlement = done(work(fresh=[event(1)]), {1: OURS})
    assert (settlement.failures, settlement.quiet_for) == (0, timedelta(seconds=1))


@given(attempts=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_what_is_ours_uses_up_nobodys_budget(attempts: int, jitter: float) -> None:
    """However long our own part was away, an event is tried again within 10 s."""
    settlement = settle(work([event(1, attempts=attempts)]), {1: OURS}, lambda: jitter)
    (held,) = settlement.held
    assert settlement.failures == 0
    assert timedelta(seconds=0.5) <= settlement.quiet_for <= held.due_in <= timedelta(seconds=10)
    assert settlement.due_in == held.due_in


def test_who_sheds_load_is_left_alone_and_then_probed() -> None:
    """One of many was accepted, the others were answered 429 without a time: quiet first, then one event."""
    throttled = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429)
    lane = work(fresh=[event(seq, str(seq)) for seq in range(1, 33)])
    settlement = done(lane, {1: ACCEPTED, **dict.fromkeys(range(2, 33), throttled)})
    assert (settlement.delivered, settlement.failures) == (1, 1)
    assert settlement.quiet_for == settlement.due_in == timedelta(seconds=1)
    assert all(held.due_in >= settlement.quiet_for for held in settlement.held)


def test_retry_after_is_honoured_for_the_whole_lane() -> None:
    """Nothing is due before the time the receiver asked for."""
    settlement = done(work(fresh=[event(1, "a"), event(2, "b")]), {1: THROTTLED})
    assert settlement.quiet_for == timedelta(seconds=90)
    assert settlement.due_in == timedelta(seconds=90)


def test_when_the_receiver_is_back_everything_held_is_due_at_once() -> None:
    """The waits that grew while it was down are forgotten."""
    settlement = done(work([event(1, "a", 7, LATER)], [event(2, "b")], failures=5), {2: ACCEPTED})
    assert [(held.seq, held.attempts, held.due_in) for held in settlement.held] == [(1, 7, timedelta(0))]


def test_a_dead_receiver_costs_no_rows_for_what_waits() -> None:
    """A lane that probes leaves the events behind a failed one above the cursor, even those of the same subject."""
    fresh = [event(seq, "a") for seq in range(2, 202)]
    settlement = done(work([event(1, "a", 5, LATER)], fresh, failures=5), {1: FAILED})
    assert (settlement.cursor, [held.seq for held in settlement.held]) == (1, [1])


def test_a_full_lane_goes_on_as_soon_as_a_held_event_is_settled() -> None:
    """Accepted, refused or expired: there is room for new events, so the lane is due at once."""
    held = [event(seq, str(seq), 1, LATER) for seq in range(1, MAX_HELD_EVENTS)]
    for last, outcomes in (
        (event(MAX_HELD_EVENTS), {MAX_HELD_EVENTS: ACCEPTED}),
        (event(MAX_HELD_EVENTS), {MAX_HELD_EVENTS: REFUSED}),
        (structs.replace(event(MAX_HELD_EVENTS), expired=True), {}),
    ):
        lane = replace(work([*held, last]), last_seq=MAX_HELD_EVENTS + 50)
        assert lane.full
        assert done(lane, outcomes).due_in == timedelta(0)
        assert done(lane, {1: FAILED}).due_in != timedelta(0)


def test_a_held_event_that_has_expired_blocks_nothing() -> None:
    """The next event of its subject stays above the cursor and is pushed by the next batch."""
    gone = structs.replace(event(1, "a", 3, LATER), expired=True)
    settlement = done(work([gone], [event(2, "a")]), {})
    assert (settlement.cursor, settlement.held, settlement.due_in) == (1, [], timedelta(0))
    assert [dead.seq for dead in settlement.expired] == [1]


def test_a_failed_event_is_not_due_before_its_lane() -> None:
    """What people see as the next attempt is true: neither Retry-After nor the wait of the lane is undercut."""
    settlement = done(work(fresh=[event(1, "a"), event(2, "b")]), {1: FAILED, 2: THROTTLED})
    assert [held.due_in for held in settlement.held] == [timedelta(seconds=90)] * 2
    settlement = done(work([event(1, "a")], failures=9), {1: FAILED})
    assert [held.due_in for held in settlement.held] == [settlement.quiet_for] == [timedelta(seconds=640)]


def test_a_subject_is_due_when_its_first_pending_event_is() -> None:
    """A later event of the subject with a shorter wait does not make the lane due before."""
    lane = work([event(1, "a", 4), event(2, "a", 1, LATER), event(3, "b", 1, 2 * LATER)])
    settlement = done(lane, {1: FAILED, 3: ACCEPTED})
    assert [(held.seq, held.attempts) for held in settlement.held] == [(1, 5)]
    assert settlement.due_in == timedelta(seconds=16)


def test_an_event_that_is_not_reached_keeps_its_row() -> None:
    """Only what changed is written: a held event that waits on gets no new row, and loses no wait."""
    settlement = done(work([event(1, "a", 2, LATER), event(2, "b", 1)]), {2: ACCEPTED})
    assert (settlement.held, settlement.released, settlement.due_in) == ([], [2], LATER)


def test_dead_and_expired_events_keep_their_reason_and_count() -> None:
    """A refusal counts as an attempt, an expiry does not."""
    expired = structs.replace(event(1, "a", 3), expired=True, reason="http_500")
    settlement = done(work([expired, event(2, "b", 4)]), {2: REFUSED})
    assert [(dead.seq, dead.attempts, dead.reason) for dead in settlement.expired] == [(1, 3, "http_500")]
    assert [(dead.seq, dead.attempts, dead.reason) for dead in settlement.dead] == [(2, 5, "invalid_audience")]
    assert [dead.jti for dead in settlement.dead] == [Jti("jti-2")]


def test_an_expired_event_is_never_chosen_nor_signed_ahead() -> None:
    """Neither held nor fresh; what follows it of its subject may go."""
    gone = structs.replace(event(1, "a"), expired=True)
    lane = work(fresh=[gone, event(2, "a"), structs.replace(event(3, "b"), expired=True), event(4, "c")])
    assert seqs(chains(lane)) == [[2], [4]]
    assert [one.seq for one in following(lane, chains(lane, limit=1))] == [4]


def test_what_follows_the_batch_begins_after_its_last_event() -> None:
    """A lane that has failed signs nothing ahead; one that chose nothing begins at its cursor."""
    lane = work(fresh=[event(1), event(2), event(3)])
    assert [one.seq for one in following(lane, chains(lane, limit=2))] == [3]
    assert [one.seq for one in following(lane, [])] == [1, 2, 3]
    assert following(replace(lane, failures=1), []) == []


def test_the_probe_prefers_the_oldest_of_those_tried_least() -> None:
    """Of the first events of their subjects; with nothing left there is no probe."""
    lane = work([event(1, "a", 2), event(2, "b", 1), event(3, "c", 1)], failures=1)
    assert seqs(chains(lane)) == [[2]]
    assert chains(replace(lane, held=[])) == []


def test_a_settlement_waits_when_anything_does() -> None:
    """Then the store looks whether the stream was edited meanwhile."""
    assert not Settlement(cursor=1).waits
    assert not Settlement(cursor=1, due_in=timedelta(0)).waits
    held = HeldEvent(seq=1, jti=Jti("j"), attempts=1, due_in=LATER, reason="http_500")
    late = timedelta(seconds=1)
    for waiting in (
        Settlement(cursor=1, held=[held]),
        Settlement(cursor=1, failures=1),
        Settlement(cursor=1, quiet_for=late),
        Settlement(cursor=1, due_in=late),
    ):
        assert waiting.waits


def test_an_edit_ends_all_waits_and_keeps_what_became_of_the_events() -> None:
    """The receiver of before the edit says nothing about the one that the stream has now."""
    settlement = done(
        replace(work([event(1, "a", 7)], [event(2, "b")], failures=2), recent_answers="rr"), {1: THROTTLED, 2: ACCEPTED}
    )
    edited = settlement.without_waits()
    assert (edited.failures, edited.quiet_for, edited.asked_for, edited.recent_answers) == (0, NOW, NOW, "")
    assert [(held.seq, held.attempts, held.due_in) for held in edited.held] == [(1, 8, NOW)]
    assert (edited.due_in, edited.cursor, edited.delivered) == (NOW, 2, 1)
    assert Settlement(cursor=1).without_waits().due_in is None


def test_the_answers_of_a_batch_are_added_to_the_latest() -> None:
    """Responses are added in the order in which the attempts ended."""
    lane = replace(work(fresh=[event(1, "a"), event(2, "b")]), recent_answers="a")
    assert done(lane, {2: REFUSED, 1: ACCEPTED}).recent_answers == "ara"


class Simulation:
    """A lane in memory that keeps the books of what a receiver saw."""

    def __init__(self, subjects: list[str]) -> None:
        self.log = [event(seq, subject) for seq, subject in enumerate(subjects, 1)]
        self.cursor = 0
        self.failures = 0
        self.held: dict[int, QueuedEvent] = {}
        self.delivered: list[int] = []
        self.dead: set[int] = set()

    def read(self) -> LaneWork:
        fresh = self.log[self.cursor : self.cursor + 8]
        held = [self.held[seq] for seq in sorted(self.held)]
        return LaneWork(
            stream=None, cursor=self.cursor, failures=self.failures, held=held, fresh=fresh, last_seq=len(self.log)
        )

    def apply(self, lane: LaneWork, settlement: Settlement, outcomes: dict[int, Outcome]) -> None:
        assert settlement.cursor >= self.cursor
        assert settlement.delivered == sum(o.kind is OutcomeKind.ACCEPTED for o in outcomes.values())
        by_seq = {e.seq: e for e in [*lane.held, *lane.fresh]}
        self.delivered += [seq for seq, outcome in outcomes.items() if outcome.kind is OutcomeKind.ACCEPTED]
        for row in settlement.held:
            self.held[row.seq] = structs.replace(by_seq[row.seq], attempts=row.attempts, due_in=row.due_in)
        for dead in settlement.dead:
            self.held.pop(dead.seq, None)
            self.dead.add(dead.seq)
        for seq in settlement.released:
            del self.held[seq]
        self.cursor, self.failures = settlement.cursor, settlement.failures

    def let_time_pass(self) -> None:
        self.held = {seq: structs.replace(e, due_in=timedelta(0)) for seq, e in self.held.items()}


OUTCOMES = st.sampled_from([ACCEPTED, ACCEPTED, FAILED, REFUSED, OURS, None])


@given(
    subjects=st.lists(st.sampled_from("abc"), min_size=1, max_size=30),
    fates=st.lists(st.lists(OUTCOMES, min_size=1, max_size=6), min_size=1, max_size=40),
    crashes=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_whatever_happens_nothing_is_lost_and_order_holds(
    subjects: list[str], fates: list[list[Outcome | None]], crashes: list[bool]
) -> None:
    """Every event is delivered, dead, held or above the cursor, in exactly one of these; each subject's events are
    first received in order, also when a worker dies between push and settlement."""
    lane = Simulation(subjects)
    received: list[int] = []
    for fate, crash in zip(fates, crashes, strict=False):
        outcomes = push(lane.read(), fate, received)
        if not crash:
            now = lane.read()
            lane.apply(now, done(now, outcomes), outcomes)
        lane.let_time_pass()
        books = [*lane.delivered, *lane.dead, *lane.held, *range(lane.cursor + 1, len(subjects) + 1)]
        assert sorted(books) == list(range(1, len(subjects) + 1))
    for subject in "abc":
        first = list(dict.fromkeys(seq for seq in received if subjects[seq - 1] == subject))
        assert first == sorted(first)


def push(lane: LaneWork, fate: list[Outcome | None], received: list[int]) -> dict[int, Outcome]:
    """Push the chosen chains, each until one is not accepted; None: the worker did not get so far."""
    outcomes: dict[int, Outcome] = {}
    turn = 0
    for chain in chains(lane, limit=6):
        for queued in chain:
            outcome = fate[turn % len(fate)]
            turn += 1
            if outcome is None:
                break
            outcomes[queued.seq] = outcome
            if outcome.kind is OutcomeKind.ACCEPTED:
                received.append(queued.seq)
            if outcome.kind is not OutcomeKind.ACCEPTED:
                break
    return outcomes


def test_a_settlement_has_the_delay_that_the_receiver_asked_for() -> None:
    """So that every lane of the stream waits."""
    assert done(work(fresh=[event(1)]), {1: THROTTLED}).asked_for == timedelta(seconds=90)
    assert done(work(fresh=[event(1)]), {1: ACCEPTED}).asked_for == NOW


def test_a_held_event_is_stored_with_its_jti_and_the_reason_of_its_last_attempt() -> None:
    """One that was attempted gets the new reason; one that waits behind it keeps its own."""
    (tried, waiting) = done(work(fresh=[event(1), event(2)]), {1: FAILED, 2: OURS}).held
    assert (tried.jti, tried.reason, tried.attempts) == ("jti-1", "http_500", 1)
    assert (waiting.jti, waiting.reason, waiting.attempts) == ("jti-2", "resolver_unavailable", 1)


def test_an_erased_event_is_settled_without_an_attempt() -> None:
    """The cursor passes it, and it gets the row of an erased event."""
    settlement = done(work([event(1, "")], [event(2, ""), event(3)]), {3: ACCEPTED})
    assert [(erased.seq, erased.attempts) for erased in settlement.erased] == [(1, 0), (2, 0)]
    assert (settlement.cursor, settlement.held, settlement.expired) == (3, [], [])


def test_the_cursor_passes_blocked_events_behind_an_attempted_one() -> None:
    """An event that waits behind a held one of its subject gets a row; one behind an event that is due does not."""
    blocked = work([event(1, "b", 1, LATER)], [event(2, "a"), event(3, "b")])
    assert done(blocked, {2: ACCEPTED}).cursor == 3
    assert done(work([event(1, "a", 1, NOW)], [event(2, "a")]), {}).cursor == 1


def test_one_failed_batch_is_a_failure_to_recover_from() -> None:
    """The first accepted event ends the waits of the held ones."""
    settlement = done(work([event(1, "a", 3, LATER)], [event(2, "b")], failures=1), {2: ACCEPTED})
    assert [(held.seq, held.due_in) for held in settlement.held] == [(1, NOW)]
