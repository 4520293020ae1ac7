"""What the tests of faults share."""

from collections.abc import Iterator

import pytest

from support.fork_server import ForkServer
from support.service import environment


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """Starts services fast: these tests start hundreds."""
    server = ForkServer(environment())
    yield server
    server.stop()
