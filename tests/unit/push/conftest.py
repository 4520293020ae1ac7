"""Both push clients are held to the same tests."""

import pytest

from riskrelay.push.aiohttp_client import HttpPusher
from riskrelay.push.client import DirectPusher
from support.receivers import Pushers


@pytest.fixture(params=[HttpPusher, DirectPusher])
def pusher(request: pytest.FixtureRequest) -> Pushers:
    """Makes clients, once of each kind."""
    return Pushers(request.param)
