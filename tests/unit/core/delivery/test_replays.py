"""How many events a replay puts back at a time."""

import pytest

from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.delivery.replays import MAX_BESIDE_NEW, MAX_WITHOUT_NEW, room_in_batch, superseded_delivery
from riskrelay.core.errors import FaultKind


@pytest.mark.parametrize(
    ("waiting", "has_new", "room"),
    [
        (0, False, MAX_WITHOUT_NEW),
        (MAX_WITHOUT_NEW - 1, False, 1),
        (MAX_WITHOUT_NEW, False, 0),
        (MAX_WITHOUT_NEW + 1, False, 0),
        (0, True, MAX_BESIDE_NEW),
        (MAX_BESIDE_NEW - 1, True, 1),
        (MAX_BESIDE_NEW, True, 0),
        (BATCH_EVENTS, True, 0),
    ],
)
def test_replayed_events_fill_a_batch_but_leave_half_of_it_to_new_events(
    waiting: int, has_new: bool, room: int
) -> None:
    """The room never falls below zero, however many events wait."""
    assert room_in_batch(waiting, has_new=has_new) == room


def test_a_superseded_delivery_is_not_retried() -> None:
    """The refusal names the member and what to do instead."""
    (fault,) = superseded_delivery().faults
    assert (fault.kind, fault.pointer) == (FaultKind.WRONG_VALUE, "/jti")
    assert fault.message == (
        "a later level change of the user replaced this delivery before it was sent; retry that one instead"
    )
