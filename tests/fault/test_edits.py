"""An integration is edited, disabled or deleted while its receiver holds pushes open (row 34)."""

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import jwt
import pytest

from riskrelay.core.products.okta import EVENTS_PATH as OKTA_EVENTS_PATH
from riskrelay.engine.pushing import SNAPSHOT
from support.clients import send_batch
from support.ledger_checks import Checked, Responses, check_ledger, wait_until_quiet
from support.oracle import SLOW_SECONDS
from support.service import Oracle, Service
from support.ssf_receiver import PUSH
from support.waiting import until

AT_ONCE = 4
EVENTS = 120  # at most 14 a second: a batch of all of them would take 9 s
MOST_OF_A_SNAPSHOT = int(AT_ONCE * (SNAPSHOT.total_seconds() / SLOW_SECONDS + 1))
"""What a receiver as slow as this can be sent within that second."""
RISK = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change"


@dataclass
class World:
    """An account of its own, whose integration has a slow receiver."""

    service: Service
    oracle: Oracle
    responses: Responses = field(default_factory=Responses)
    own: str = ""

    @property
    def slow(self) -> str:
        """A URL of the slow receiver."""
        return f"{self.oracle.url}/slow/{self.service.account_id}"

    @property
    def fast(self) -> str:
        """A URL of one that is not."""
        return f"{self.oracle.url}/{self.service.account_id}"

    def integrate(self, integration_type: str, tenant: str) -> None:
        """Create the integration, with a limit of pushes at once."""
        body = {"integration_type": integration_type, "tenant_url": tenant}
        self.own = f"/integrations/{self.service.result('POST', '/integrations', body)['id']}"
        limits = {"pushes_per_second": None, "concurrency": AT_ONCE}
        self.service.result("PUT", f"{self.own}/limits", limits)

    def create_stream(self) -> None:
        """Create a push stream, as the integration's receiver does."""
        token = self.service.result("POST", f"{self.own}/credentials", {"kind": "static_token"})["token"]
        body = {"events_requested": [RISK], "delivery": {"method": PUSH, "endpoint_url": self.slow}}
        path = self.own.replace("/integrations/", "/ssf/") + "/streams"
        assert self.service.exchange("POST", path, body, Authorization=f"Bearer {token}")[0] == 201

    def begin(self) -> None:
        """Queue the events; return when the receiver holds some."""
        self.responses = send_batch(self.service, [f"u{number}@example.com" for number in range(EVENTS)])
        until(lambda: len(self.received()) >= 2 * AT_ONCE)

    def edit(self, tenant: str, *, active: bool = True) -> None:
        self.service.result("PUT", self.own, {"tenant_url": tenant, "active": active})

    def received(self) -> list[dict[str, Any]]:
        """What came for this account, in order."""
        return [one for one in self.oracle.requests() if self.service.account_id in one["path"]]

    def received_from_now_on(self) -> int:
        """How many come from now on, beyond the snapshot's end; on a busy machine fewer."""
        before = len(self.received())
        time.sleep(2.5 * SNAPSHOT.total_seconds())
        return len(self.received()) - before

    def check(self) -> Checked:
        """All six, once nothing waits any more."""
        wait_until_quiet(self.service)
        return check_ledger(self.service, self.oracle, self.responses, at_most_copies=0)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Oracle]]:
    directory = tmp_path_factory.mktemp("edits")
    service, oracle = Service(directory), Oracle(directory)
    oracle.start()
    service.start()
    yield service, oracle
    oracle.stop()
    service.kill()


@pytest.fixture
def world(running: tuple[Service, Oracle]) -> World:
    service, oracle = running
    service.account_id = f"account-{uuid.uuid4()}"
    service.token = service.new_token(service.account_id)
    service.enable_behaviors()
    return World(service, oracle)


def changes(values: Iterable[str]) -> list[str]:
    """Each value where it begins."""
    return [value for value, _ in groupby(values)]


@pytest.mark.fault(34)
def test_address_and_audience_change_together(world: World) -> None:
    """What is under way goes to the old address with the old audience, what comes to the new one with the new."""
    world.integrate("Okta", world.slow)
    world.begin()
    world.edit(world.fast)
    world.check()
    received = world.received()
    audiences = [jwt.decode(one["token"], options={"verify_signature": False})["aud"] for one in received]
    assert [one["url"] for one in received] == [audience + OKTA_EVENTS_PATH for audience in audiences]
    assert changes(audiences) == [world.slow, world.fast]


@pytest.mark.fault(34)
def test_the_algorithm_changes_from_one_set_to_the_next(world: World) -> None:
    """Each verifies with a key of the algorithm that it names."""
    world.integrate("SSF", world.oracle.url)
    world.create_stream()
    world.begin()
    world.service.result("PUT", f"{world.own}/settings", {"signing_algorithm": "ES256"})
    world.service.result("PUT", f"{world.own}/limits", {"pushes_per_second": None, "concurrency": None})
    world.check()
    assert changes(jwt.get_unverified_header(one["token"])["alg"] for one in world.received()) == ["RS256", "ES256"]


@pytest.mark.fault(34)
def test_a_disabled_integration_gets_no_more_events(world: World) -> None:
    """Of a batch that would take 9 s only what starts within the second that a snapshot holds; the backlog is kept."""
    world.integrate("Okta", world.slow)
    world.begin()
    world.edit(world.slow, active=False)
    assert world.received_from_now_on() <= MOST_OF_A_SNAPSHOT
    world.edit(world.fast)
    assert world.check().states["cancelled"] == 0


@pytest.mark.fault(34)
def test_a_deleted_integration_gets_no_more_events(world: World) -> None:
    """Its backlog is cancelled, and of the batch under way only what starts within that second is sent."""
    world.integrate("Okta", world.slow)
    world.begin()
    world.service.result("DELETE", world.own)
    assert world.received_from_now_on() <= MOST_OF_A_SNAPSHOT
    assert world.check().states["cancelled"] >= EVENTS - len(world.received())
