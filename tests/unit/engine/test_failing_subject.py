"""One subject whose events always fail, and 100,000 events behind it (row 37)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.health import Condition
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import Store
from support.database_time import pass_time
from support.delivering import ACCEPTED, World, world_of
from support.fault_plugin import AT_LENGTH
from support.services import HandClock
from support.world import ACCOUNT, finding, record

BEHIND = 100_000 if AT_LENGTH else 2_000
BATCH = 10_000  # as many as one request may bring
BEHAVIORS = ("high_risk_domain", "imp_travel", "high_dlp")  # low, medium, high: each an event
BAD = "bad@example.com"
RULES = Path(__file__).parents[3] / "deploy/prometheus-rules.yml"
(ALERT,) = [
    rule for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"] if rule["alert"] == "RiskrelayUndelivered"
]


def threshold_of(rule: dict[str, Any]) -> float:
    """The age in seconds above which the rule fires."""
    metric, _, seconds = rule["expr"].partition(" > ")
    assert metric == "riskrelay_oldest_undelivered_seconds"
    return float(seconds)


@pytest.fixture
async def world(sqlite_store: Store) -> World:
    return await world_of(sqlite_store, HandClock())


@pytest.mark.fault(37)
async def test_only_the_failing_subject_waits(world: World) -> None:
    """All others arrive, those behind it in the same lane too; what waits has its age, reason and next try. The
    alert of the oldest undelivered event fires, and names the commands that show whose it is and why. When the receiver
    takes it, it arrives, in order."""
    for behavior in BEHAVIORS:
        await record(world.services, finding(BAD, behavior))
    for first in range(0, BEHIND, BATCH):
        emails = [f"u{number}@example.com" for number in range(first, min(first + BATCH, BEHIND))]
        await record(world.services, *[finding(email) for email in emails])
    failure = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500)
    world.receiver.answers = lambda email: failure if email == BAD else ACCEPTED
    lease = await world.claim()
    while (await world.ledger()).pending > len(BEHAVIORS):
        await world.deliver(lease)
    assert {email for email, _ in world.receiver.accepted} == {f"u{number}@example.com" for number in range(BEHIND)}
    (health,) = await world.services.store.read(ACCOUNT, lambda tx: tx.health.streams(None))
    assert health.ledger.pending == len(BEHAVIORS)
    assert health.ledger.oldest_pending is not None
    assert health.stream.integration.integration_id == world.integration.integration_id
    assert health.next_attempt_in is not None
    assert health.condition is Condition.HEALTHY  # the receiver is; one of its users is not
    waiting = await world.services.store.read(
        ACCOUNT,
        lambda tx: tx.events.deliveries(world.integration.integration_id, DeliveryState.PENDING, None, 10),
    )
    assert {one.seq: one.reason for one in waiting} == {1: "http_500", 2: "waiting", 3: "waiting"}
    await pass_time(world.services.store, timedelta(minutes=16))
    oldest = (await world.ledger()).oldest_pending
    assert oldest is not None
    assert oldest.total_seconds() > threshold_of(ALERT)
    said = ALERT["annotations"]["description"]
    assert "`riskrelay integration health`" in said  # the health read above
    assert "`riskrelay delivery list ID --state pending`" in said  # the deliveries read above

    world.receiver.answers = lambda email: ACCEPTED
    for _ in BEHAVIORS:
        await pass_time(world.services.store, timedelta(minutes=20))
        await world.deliver(lease)
    assert [level for email, level in world.receiver.accepted if email == BAD] == ["low", "medium", "high"]
    assert (await world.ledger()).pending == 0
    await world.check()
