"""What the tests of faults share."""

import pytest

from support.fork_server import ForkServer, shared_fork_server


@pytest.fixture
def fork_server() -> ForkServer:
    """Starts commands fast: these tests start hundreds."""
    return shared_fork_server()
