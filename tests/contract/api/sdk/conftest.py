"""What the tests of the SDKs start from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.node import NodeProject
from support.proxy import Proxy
from support.retrying import Sdk, python_sdk, python_sdk_async, typescript_sdk
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


@pytest.fixture
def proxy(service: Service) -> Iterator[Proxy]:
    """A proxy before the service."""
    proxy = Proxy(service.url)
    yield proxy
    proxy.stop()


@pytest.fixture(params=["python", "typescript"])
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """Each SDK. Python's other client, whose retries are written apart, is `python_async`, where a test asks for it."""
    if request.param == "typescript":
        return typescript_sdk(request.getfixturevalue("typescript"))
    return python_sdk if request.param == "python" else python_sdk_async
