"""Old findings are removed in short steps. What they have caused stays. The same on both engines."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from riskrelay.actions import old_rows
from riskrelay.actions.old_rows import walk_findings
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.ports import Services, Store, UserProfile
from support.services import HandClock, services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

DAY = timedelta(days=1)
NOW = datetime.now(UTC)
KAI, LOU = "kai@example.com", "lou@example.com"


@pytest.fixture
async def services(store: Store) -> Services:
    services = services_of(store, HandClock(NOW))
    for account_id in (ACCOUNT, OTHER):
        await account_with_integration(services, account_id)
    return services


async def profile(services: Services, email: str = KAI) -> UserProfile:
    found = await services.store.read(ACCOUNT, lambda tx: tx.users.find([UserRef(email)]))
    user_id: UserId = found[email].user_id
    shown = await services.store.read(ACCOUNT, lambda tx: tx.users.profile(user_id, 0, 1_000))
    assert shown is not None
    return shown


async def remove(services: Services, kept: timedelta) -> int:
    """Walk through all findings once; the number of steps."""
    walk, steps = walk_findings(services, kept), 1
    while await walk.remove_some():
        steps += 1
    return steps


async def test_old_findings_go_and_the_level_stays(services: Services) -> None:
    """Of every user and account; the level, the behaviors and the count are those of before."""
    for account_id in (ACCOUNT, OTHER):
        old = replace(finding(KAI, "sentinel_one"), occurred_at=NOW - 10 * DAY)
        await record(services, old, replace(finding(KAI), occurred_at=NOW - 2 * DAY), account_id=account_id)
    before = await profile(services)
    assert await remove(services, 11 * DAY) == 1
    assert await profile(services) == before
    await remove(services, 5 * DAY)
    after = await profile(services)
    assert after.standing == before.standing
    assert [one.behavior for one in after.findings] == ["high_risk_domain"]
    await remove(services, DAY)
    assert (await profile(services)).findings == []
    assert (await profile(services)).standing == before.standing


async def test_a_step_deletes_a_bounded_number(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """And reads a bounded number, whether it deletes them or not; each finding is looked at once."""
    monkeypatch.setattr(old_rows, "_FINDINGS", 2)
    ages: list[Callable[[int], timedelta]] = [lambda n: 10 * DAY, lambda n: timedelta(0)]
    for email, age in zip((KAI, LOU), ages, strict=True):
        await record(services, *[replace(finding(email), occurred_at=NOW - age(n)) for n in range(25)])
    # 25 old ones, two in each step, and 25 recent ones, twenty in each step
    assert 13 <= await remove(services, DAY) <= 15
    assert (await profile(services)).findings == []
    assert len((await profile(services, LOU)).findings) == 25


async def test_a_removed_finding_can_be_sent_again(services: Services) -> None:
    """Its id is free, as that of any finding that is not stored."""
    old = replace(finding(KAI, finding_id="f1"), occurred_at=NOW - 10 * DAY)
    await record(services, old)
    await remove(services, DAY)
    assert (await record(services, old)).accepted == 1
