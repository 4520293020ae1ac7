"""Which new events a worker pushes without a read of their lane."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from riskrelay.core.delivery.handover import Handover, Rest, can_be_handed_over, rest_after, rest_of, work_of
from riskrelay.core.delivery.lanes import MAX_READ_EVENTS, HeldEvent, LaneKey, LaneLease, LaneWork, Settlement
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.integrations import DeliveryLimits, Pause
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.streams import CONTROL_LANE, Configuration, Poll, Stream, StreamId, StreamStatus
from support.services import NOON
from support.ssf_streams import INTEGRATION

STREAM = Stream(stream_id=StreamId("s"), integration=INTEGRATION, status=StreamStatus.ENABLED, lanes=1)
KEY = LaneKey(INTEGRATION.account_id, STREAM.stream_id, 0)
LEASE = LaneLease(KEY, 7)
REST = Rest(epoch=7, cursor=2, replayed=1, edits=3, recent_answers="aa")


def event(seq: int) -> QueuedEvent:
    return QueuedEvent(seq=seq, jti=Jti(f"jti-{seq}"), subject_key="kai", claims=b"{}", queued_at=NOON)


def handover(seqs: Sequence[int], **changes: Any) -> Handover:
    row = Handover(key=KEY, epoch=7, stream=STREAM, events=[*map(event, seqs)], replayed=1, edits=3, blocked_until=NOON)
    return replace(row, **changes)


def test_events_that_follow_the_cursor_are_pushed_together() -> None:
    """The work equals that of a read: the lane's cursor and answers, the stream of the latest transaction."""
    paused = replace(STREAM, lanes=2)
    assert work_of(REST, [handover([3]), handover([4, 5], stream=paused)]) == LaneWork(
        stream=paused,
        cursor=2,
        failures=0,
        held=(),
        fresh=[event(3), event(4), event(5)],
        last_seq=5,
        replayed=1,
        edits=3,
        blocked_until=NOON,
        recent_answers="aa",
        admitted=2,
    )


def test_events_that_a_read_returned_before_are_left_out() -> None:
    """A wake may arrive after the read that returned its events."""
    work = work_of(REST, [handover([1, 2, 3])])
    assert work is not None
    assert [one.seq for one in work.fresh] == [3]


@pytest.mark.parametrize(
    "handovers",
    [
        [],
        [handover([1, 2])],
        [handover([4])],
        [handover([3]), handover([5])],
        [handover([3], epoch=6)],
        [handover([3], edits=4)],
        [handover([3]), handover([4], replayed=2)],
        [handover(range(3, 4 + MAX_READ_EVENTS))],
    ],
    ids=["nothing", "old", "gap", "later gap", "other lease", "edited", "replayed", "too many"],
)
def test_any_other_lane_is_read(handovers: Sequence[Handover]) -> None:
    """Then something besides the new events may have changed, or memory would grow."""
    assert work_of(REST, handovers) is None


@pytest.mark.parametrize(
    ("stream", "lane", "count", "expected"),
    [
        (STREAM, 0, 1, True),
        (STREAM, 0, MAX_READ_EVENTS, True),
        (STREAM, 0, MAX_READ_EVENTS + 1, False),
        (STREAM, CONTROL_LANE, 1, False),
        (replace(STREAM, status=StreamStatus.PAUSED), 0, 1, False),
        (replace(STREAM, integration=replace(INTEGRATION, pause=Pause(NOON))), 0, 1, False),
        (replace(STREAM, configuration=Configuration(audience="a", delivery=Poll())), 0, 1, False),
        (
            replace(STREAM, integration=replace(INTEGRATION, limits=DeliveryLimits(coalesces_level_changes=True))),
            0,
            1,
            False,
        ),
    ],
)
def test_only_events_that_can_be_pushed_now_are_handed_over(
    stream: Stream, lane: int, count: int, *, expected: bool
) -> None:
    """Not for a stopped, polled or coalescing stream, a notice about the stream, or more events than a read returns."""
    assert can_be_handed_over(stream, lane, count) is expected


def test_a_lane_rests_when_a_batch_leaves_nothing() -> None:
    """A held event or a wait needs a read, which knows when the event is due."""
    work = LaneWork(stream=STREAM, cursor=2, failures=0, held=(), fresh=[event(3)], last_seq=3, replayed=1, edits=3)
    done = Settlement(cursor=3, delivered=1, recent_answers="aaa")
    assert rest_after(LEASE, work, done) == replace(REST, cursor=3, recent_answers="aaa")
    held = HeldEvent(seq=3, jti=Jti("jti-3"), attempts=1, due_in=NOON - NOON, reason="http_500")
    assert rest_after(LEASE, work, Settlement(cursor=3, held=[held])) is None
    assert rest_after(LEASE, replace(work, held=[event(1)]), done) is None


def test_an_empty_lane_rests_unless_its_receiver_failed() -> None:
    """A receiver that failed gets one event as a probe."""
    empty = LaneWork(
        stream=STREAM, cursor=2, failures=0, held=(), fresh=(), last_seq=2, replayed=1, edits=3, recent_answers="aa"
    )
    assert rest_of(LEASE, empty) == REST
    assert rest_of(LEASE, replace(empty, failures=1)) is None
