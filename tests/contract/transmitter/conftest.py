"""A receiver and the application it calls, over each engine."""

from collections.abc import AsyncIterator

import pytest

from riskrelay.ports import Store
from support.receiver_world import ReceiverWorld, receiver_world
from support.services import services_of


@pytest.fixture
async def world(store: Store) -> AsyncIterator[ReceiverWorld]:
    """On both engines."""
    async with receiver_world(services_of(store)) as world:
        yield world
