"""One running service over https, one receiver's endpoint in another process, and an account for each module."""

import asyncio
import os
import uuid
from collections.abc import Iterator

import pytest

from riskrelay.signing.sealing import new_master_key
from support.certificates import Authority, new_authority
from support.databases import PostgresServer
from support.service import Oracle, Service
from support.ssf_operator import Operator
from support.ssf_receiver import SsfReceiver


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificate authority that everybody here trusts."""
    return new_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Oracle]:
    """An endpoint for pushes, over https."""
    oracle = Oracle(tmp_path_factory.mktemp("oracle"), tls=authority)
    oracle.start()
    yield oracle
    oracle.stop()


SOAK = bool(os.environ.get("RISKRELAY_SOAK"))


@pytest.fixture(scope="session", params=[pytest.param("postgres", marks=pytest.mark.soak) if SOAK else "sqlite"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Service]:
    """The service, over https; it pushes over https only. In a soak on PostgreSQL."""
    settings = {"RISKRELAY_ALLOW_HTTP_TARGETS": "false"}
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings["RISKRELAY_DATABASE_URL"] = asyncio.run(server.new_database())
        settings["RISKRELAY_MASTER_KEY"] = new_master_key()
    service = Service(tmp_path_factory.mktemp("service"), tls=authority, **settings)
    service.start()
    yield service
    assert service.stop() == 0


def new_operator(service: Service, authority: Authority) -> Operator:
    """The operator of a new account."""
    account_id = f"account-{uuid.uuid4()}"
    return Operator(service.url, authority.client(), account_id, service.new_token(account_id))


@pytest.fixture(scope="module")
def operator(service: Service, authority: Authority) -> Operator:
    """The operator of the module's account."""
    return new_operator(service, authority)


@pytest.fixture(scope="module")
def other_operator(service: Service, authority: Authority) -> Operator:
    """The operator of another account."""
    return new_operator(service, authority)


@pytest.fixture
def receiver(operator: Operator) -> Iterator[SsfReceiver]:
    """The receiver of an integration of its own, which is gone after the test."""
    receiver = operator.new_receiver()
    yield receiver
    integration_id = receiver.well_known_url.rpartition("/")[2]
    operator.call("DELETE", f"/integrations/{integration_id}")
