"""A running service that the tests of this folder share; each test uses an account of its own."""

import uuid
from collections.abc import Iterator

import pytest

from support.service import Service, running


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for all modules of this folder that a process runs, which together send many wrong credentials."""
    with running(tmp_path_factory.mktemp("service"), RISKRELAY_FAILED_AUTHENTICATION_LIMIT="0") as service:
        yield service


@pytest.fixture
def base_path(request: pytest.FixtureRequest) -> str:
    """Where `Service.call` finds the account API; modules that prove the contract run at both of its base paths."""
    path: str = getattr(request, "param", "")
    return path


@pytest.fixture
def service(shared_service: Service, base_path: str) -> Iterator[Service]:
    """The shared service, with a fresh account and its token."""
    shared_service.base_path = base_path
    before = shared_service.account_id, shared_service.token
    shared_service.account_id = f"account-{uuid.uuid4()}"
    shared_service.token = shared_service.new_token(shared_service.account_id)
    yield shared_service
    shared_service.account_id, shared_service.token = before
