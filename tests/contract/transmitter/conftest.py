"""A receiver and the application it calls, over each engine."""

from collections.abc import AsyncIterator

import pytest

from riskrelay.ports import Store
from support.outside import outside_of
from support.receiver_world import ReceiverWorld, receiver_world


@pytest.fixture
async def world(store: Store) -> AsyncIterator[ReceiverWorld]:
    """On both engines."""
    async with receiver_world(outside_of(store)) as world:
        yield world
