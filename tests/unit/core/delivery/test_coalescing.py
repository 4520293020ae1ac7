"""Which waiting level changes are superseded, what the survivors say, and what is admitted, without a database."""

from datetime import timedelta

import msgspec
import pytest

from riskrelay.core.delivery import coalescing
from riskrelay.core.delivery.coalescing import (
    Admission,
    BacklogPlan,
    BacklogScan,
    Knowledge,
    admission,
    collapse,
    room,
)
from riskrelay.core.delivery.lanes import LaneWork
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.ssf.events import Jti
from support.services import NOON

LATER = timedelta(seconds=30)


def change(seq: int, levels: str, subject: str = "ana", known_level: str | None = None) -> QueuedEvent:
    """A level change; *levels* such as "none high"."""
    previous, current = levels.split()
    claims = {"events": {"uri": {"previous_level": previous, "current_level": current}}}
    return QueuedEvent(
        seq=seq,
        jti=Jti(f"jti-{seq}"),
        subject_key=subject,
        claims=msgspec.json.encode(claims),
        queued_at=NOON,
        is_level_change=True,
        known_level=known_level,
    )


def other(seq: int, subject: str = "ana", attempts: int = 0, due_in: timedelta = timedelta(0)) -> QueuedEvent:
    """An event of another kind."""
    return QueuedEvent(
        seq=seq,
        jti=Jti(f"jti-{seq}"),
        subject_key=subject,
        claims=b'{"events":{"uri":{}}}',
        queued_at=NOON,
        attempts=attempts,
        due_in=due_in,
    )


def decided(
    *events: QueuedEvent, knowledge: Knowledge = Knowledge.OTHER, start: int = 0
) -> tuple[list[int], dict[int, str]]:
    """The superseded events, and the stored previous levels."""
    scan = BacklogScan(start)
    scan.add(events)
    asked = {run.last.subject_key: knowledge for run in scan.runs() if run.returns}
    changed = collapse(scan.plan, scan.runs(), asked)
    superseded = [event.seq for event in events if scan.plan.is_superseded(event.seq)]
    return superseded, {one.event.seq: one.level for one in changed}


def test_the_last_change_of_a_user_survives_with_the_first_previous_level() -> None:
    assert decided(change(1, "none low"), change(2, "low high"), change(3, "high medium")) == ([1, 2], {3: "none"})


def test_one_change_stays_as_it_is() -> None:
    assert decided(change(1, "none low"), change(2, "none high", "ben")) == ([], {})


def test_users_collapse_on_their_own() -> None:
    events = change(1, "none low"), change(2, "none high", "ben"), change(3, "low high"), change(4, "high low", "ben")
    assert decided(*events) == ([1, 2], {3: "none", 4: "none"})


def test_an_event_of_another_kind_keeps_its_place() -> None:
    """The changes before it and after it collapse separately; another user's event does not matter."""
    events = change(1, "none low"), change(2, "low high"), other(3), change(4, "high low"), change(5, "low medium")
    assert decided(*events) == ([1, 4], {2: "none", 5: "high"})
    assert decided(change(1, "none low"), other(2, "ben"), change(3, "low high")) == ([1], {3: "none"})


def test_a_clients_event_with_levels_is_no_level_change_of_this_service() -> None:
    sent = msgspec.structs.replace(change(2, "low high"), is_level_change=False)
    assert decided(change(1, "none low"), sent, change(3, "high none")) == ([], {})


@pytest.mark.parametrize(
    ("levels", "knowledge", "is_void"),
    [
        (("high low", "low high"), Knowledge.LEVEL, True),
        (("high low", "low high"), Knowledge.OTHER, False),
        (("high low", "low high"), Knowledge.NOTHING, False),
        (("none low", "low none"), Knowledge.NOTHING, True),
        (("LOW HIGH", "HIGH LOW"), Knowledge.NOTHING, True),
        (("none low", "low none"), Knowledge.OTHER, False),
    ],
)
def test_a_return_is_void_only_if_the_receiver_knows_the_level(
    levels: tuple[str, str], knowledge: Knowledge, is_void: bool
) -> None:
    """If it is not certain, the last event is sent as it was queued."""
    superseded, known = decided(change(1, levels[0]), change(2, levels[1]), knowledge=knowledge)
    assert superseded == ([1, 2] if is_void else [1])
    assert known == ({2: levels[0].split()[0]} if is_void else {})


def test_an_erased_event_has_no_user() -> None:
    """It is passed by a settlement, and neither collapses nor ends a run."""
    erased = msgspec.structs.replace(change(2, "none high"), subject_key="")
    assert decided(change(1, "none low"), erased, change(3, "low high")) == ([1], {3: "none"})


def test_a_return_behind_an_event_of_another_kind_is_never_void() -> None:
    events = other(1), change(2, "high low"), change(3, "low high")
    assert decided(*events, knowledge=Knowledge.LEVEL) == ([2], {})


def test_a_collapse_that_was_cut_short_continues_from_the_level_that_was_stored() -> None:
    """Event 1, from none to low, is superseded already; event 3 has the level before it."""
    rest = change(2, "low high"), change(3, "none medium", known_level="none")
    assert decided(*rest, start=1) == ([2], {})
    assert decided(*rest, change(4, "medium low"), start=1) == ([2, 3], {4: "none"})
    assert decided(change(3, "none none", known_level="none"), start=2, knowledge=Knowledge.LEVEL) == ([3], {})


def test_a_scan_ends_at_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """By users, and by events."""
    scan = BacklogScan(0)
    monkeypatch.setattr(coalescing, "MAX_SCANNED_USERS", 2)
    scan.add([change(1, "none low")])
    assert not scan.is_full
    scan.add([other(2, "ben")])
    assert scan.is_full
    monkeypatch.setattr(coalescing, "MAX_SCANNED_USERS", 100)
    monkeypatch.setattr(coalescing, "MAX_SCANNED_EVENTS", 2)
    assert scan.is_full


def test_a_plan_knows_single_events() -> None:
    plan = BacklogPlan(10, 40)
    for seq in (11, 18, 40):
        plan.supersede(seq)
    assert [seq for seq in range(11, 60) if plan.is_superseded(seq)] == [11, 18, 40]


def work(
    *fresh: QueuedEvent, held: tuple[QueuedEvent, ...] = (), cursor: int = 0, admitted: int = 0, failures: int = 0
) -> LaneWork:
    return LaneWork(
        stream=None,
        cursor=cursor,
        failures=failures,
        held=held,
        fresh=fresh,
        last_seq=fresh[-1].seq if fresh else cursor,
        admitted=max(admitted, cursor),
    )


def plan(*superseded: int, through: int = 100) -> BacklogPlan:
    found = BacklogPlan(0, through)
    for seq in superseded:
        found.supersede(seq)
    return found


def test_events_are_admitted_until_enough_are_ready() -> None:
    """Without a superseded event the cursor stays, and no row is needed."""
    step = admission(work(other(1), other(2), other(3)), plan(), 2)
    assert step == Admission(cursor=0, admitted=2, superseded=(), kept=())


def test_the_cursor_moves_over_superseded_events_only_with_rows_for_the_others() -> None:
    """Also for those that were admitted before; superseded events behind the last one are passed, too."""
    events = other(1), other(2), other(3), other(4), other(5), other(6)
    step = admission(work(*events, admitted=1), plan(2, 4, 5), 2)
    assert step == Admission(cursor=5, admitted=5, superseded=(2, 4, 5), kept=(1, 3))


def test_ready_events_count_and_waiting_ones_do_not() -> None:
    due, late = other(1, "ben"), other(2, "kai", due_in=LATER)
    lane = work(other(3), other(4), held=(due, late), cursor=2)
    assert room(lane, 2) == 1
    assert room(lane, 1) == 0
    assert admission(lane, plan(3), 1) is None
    step = admission(lane, plan(), 2)
    assert step is not None
    assert step.admitted == 3


def test_nothing_is_admitted_beyond_the_plan() -> None:
    assert admission(work(other(1), other(2)), plan(through=0), 5) is None
    step = admission(work(other(1), other(2)), plan(through=1), 5)
    assert step is not None
    assert step.admitted == 1


def test_a_failing_lane_admits_one_probe_of_another_user() -> None:
    """When each admitted event was attempted. What lies between has to be admitted with it."""
    tried = other(1, attempts=1)
    lane = work(other(2), other(3, "ben"), other(4, "kai"), held=(tried,), cursor=1, failures=1)
    assert admission(lane, plan(), 384) == Admission(cursor=1, admitted=3, superseded=(), kept=())
    assert admission(lane, plan(2), 384) == Admission(cursor=3, admitted=3, superseded=(2,), kept=(3,))


def test_a_failing_lane_with_an_event_to_try_admits_nothing() -> None:
    lane = work(other(2, "ben"), held=(other(1),), cursor=1, failures=1)
    assert room(lane, 384) == 0
    assert admission(lane, plan(), 384) is None


def test_a_failing_lane_passes_superseded_events_before_a_blocked_one() -> None:
    tried = other(1, attempts=1)
    lane = work(other(2, "ben"), other(3), other(4, "kai"), held=(tried,), cursor=1, failures=1)
    assert admission(lane, plan(2, 4), 384) == Admission(cursor=2, admitted=2, superseded=(2,), kept=())
    assert admission(lane, plan(4), 384) == Admission(cursor=1, admitted=2, superseded=(), kept=())
    assert admission(work(other(2), held=(tried,), cursor=1, failures=1), plan(), 384) is None


def test_a_plan_has_one_bit_for_each_event() -> None:
    """A plan of a million events takes 125 kB."""
    plan = BacklogPlan(0, 0)
    for seq in (1, 999, 998):
        plan.supersede(seq)
    assert len(plan._bits) == 125
    assert [seq for seq in range(1_100) if plan.is_superseded(seq)] == [1, 998, 999]


def test_an_empty_scan_ends_where_it_starts() -> None:
    """Nothing behind the admitted events was read."""
    scan = BacklogScan(5)
    assert (scan.plan.start, scan.plan.through, scan.is_full, scan.runs()) == (5, 5, False, [])
