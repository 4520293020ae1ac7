"""Both push clients are held to the same tests."""

import pytest

from riskrelay.outbound.direct_push import DirectPusher
from riskrelay.outbound.push import HttpPusher
from support.receivers import Pushers


@pytest.fixture(params=[HttpPusher, DirectPusher])
def pusher(request: pytest.FixtureRequest) -> Pushers:
    """Makes clients, once of each kind."""
    return Pushers(request.param)
