"""What the tests of the SDKs start from."""

from pathlib import Path

import pytest

from support.node import NodeProject
from support.sdk_world import World, make_world
from support.service import Service


@pytest.fixture
def world(service: Service) -> World:
    """A fresh account with an integration and a user at risk."""
    return make_world(service)


@pytest.fixture(scope="session")
def typescript() -> NodeProject:
    """The programs that use the TypeScript SDK, installed and compiled."""
    return NodeProject(Path(__file__).parents[1] / "typescript")
