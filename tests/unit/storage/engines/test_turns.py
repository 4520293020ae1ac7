"""Turns."""

from hypothesis import given
from hypothesis import strategies as st

from riskrelay.storage.engines.turns import Turns


@given(st.lists(st.sampled_from("abc")))
def test_each_owner_keeps_its_order_and_waits_for_one_item_of_each_other(owners: list[str]) -> None:
    """Everything is taken once. Between two items of an owner that waits, every other owner has one turn at most."""
    turns: Turns[tuple[str, int]] = Turns()
    for number, owner in enumerate(owners):
        turns.add(owner, (owner, number))
    taken = [turns.take() for _ in range(len(turns))]
    assert sorted(taken, key=lambda item: item[1]) == list(zip(owners, range(len(owners)), strict=True))
    for owner in set(owners):
        places = [place for place, item in enumerate(taken) if item[0] == owner]
        assert [taken[place] for place in places] == sorted(taken[place] for place in places)
        for one, other in zip([-1, *places], places, strict=False):
            between = [item[0] for item in taken[one + 1 : other]]
            assert len(between) == len(set(between))
    assert len(turns) == 0


def test_an_owner_that_was_served_lets_another_go_first() -> None:
    """Even when it is back before the other arrives."""
    turns: Turns[int] = Turns()
    turns.add("busy", 1)
    assert turns.take() == 1
    turns.add("busy", 2)
    turns.add("busy", 3)
    turns.add("quiet", 4)
    assert [turns.take() for _ in range(3)] == [4, 2, 3]
