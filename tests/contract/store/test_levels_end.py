"""Levels end when findings expire: exactly once, by the database's clock, however many nodes look. On both engines."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from riskrelay.actions.behaviors import add_behavior, retire_behavior
from riskrelay.actions.due_levels import DueLevels
from riskrelay.actions.level_times import set_level_times
from riskrelay.actions.users import reset_user
from riskrelay.actions.watch_clock import ClockWatch
from riskrelay.core.audit import Kind
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.clock import CONFIRMED_AFTER
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import NO_TIMES, Duration, LevelTimes
from riskrelay.core.sources.mappings import SuggestedBehavior
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import Services, Store
from support.database_time import pass_time
from support.services import HandClock, services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DLP = BehaviorId("high_dlp")
DLP_FOR_A_DAY = LevelTimes(durations={DLP: Duration(expires_after=DAY)})
KAI = "kai@example.com"


@pytest.fixture
async def services(store: Store) -> Services:
    """An account in which findings of high_dlp count for a day; its clock is the database's."""
    services = services_of(store, HandClock(datetime.now(UTC)))
    await account_with_integration(services)
    await set_level_times(services, ACCOUNT, COMMAND_LINE, DLP_FOR_A_DAY)
    return services


async def found(
    services: Services, *emails: str, ago: timedelta, behavior: str = DLP, account_id: AccountId = ACCOUNT
) -> None:
    """Record a finding of each user, of some time ago."""
    at = services.clock.now() - ago
    findings = [replace(finding(email, behavior), occurred_at=at) for email in emails]
    await record(services, *findings, account_id=account_id)


async def standing(services: Services, email: str = KAI) -> Standing:
    (found,) = await services.store.read(ACCOUNT, lambda tx: tx.user_views.by_email(email, None, 10))
    return found


async def level(services: Services, email: str = KAI) -> RiskLevel | None:
    return (await standing(services, email)).level


async def events_about(services: Services, email: str = KAI) -> list[dict[str, object]]:
    """The members of the security events about a user, newest first."""
    key = subject_key(email_subject(email))
    events = await services.store.read(ACCOUNT, lambda tx: tx.user_views.events_page(key, None, 100))
    return [next(iter(one.event.values())) for one in events]


async def lower(services: Services, per_second: int = 500) -> int:
    return await DueLevels(services, per_second).decide()


async def test_a_level_ends_when_its_findings_have_expired(services: Services) -> None:
    """Until the scan, a user has the level that receivers know; the event says that it was no person."""
    await found(services, KAI, ago=DAY - HOUR)
    await found(services, "pat@example.com", ago=DAY - 3 * HOUR)
    assert await lower(services) == 0
    await pass_time(services.store, 2 * HOUR)
    await found(services, "pat@example.com", ago=HOUR)
    assert await level(services) is RiskLevel.HIGH
    assert await lower(services) == 1
    assert await level(services) is None
    assert await level(services, "pat@example.com") is RiskLevel.HIGH
    ended, raised = await events_about(services)
    assert (ended["previous_level"], ended["current_level"], raised["current_level"]) == ("high", "none", "high")
    assert ended["initiating_entity"] == "policy"
    assert ended["reason_admin"] == {"en": "Expired: High Number of DLP Policies Triggered"}
    assert await lower(services) == 0
    assert (await standing(services)).event_count == 1


async def test_many_nodes_lower_each_level_once(services: Services) -> None:
    """At the same moment; one event for each user, whoever was first."""
    emails = [f"u{number}@example.com" for number in range(30)]
    await found(services, *emails, ago=DAY - HOUR)
    await pass_time(services.store, 2 * HOUR)
    await asyncio.gather(*(lower(services) for _ in range(8)))
    while await lower(services):
        pass
    for email in emails:
        assert [event["current_level"] for event in await events_about(services, email)] == ["none", "high"]


async def test_only_so_many_levels_end_in_a_second(services: Services) -> None:
    """Of all processes together, and of all accounts; the longest due come first."""
    await account_with_integration(services, OTHER)
    await set_level_times(services, OTHER, COMMAND_LINE, DLP_FOR_A_DAY)
    for number in range(3):
        await found(services, f"u{number}@example.com", ago=DAY - HOUR + timedelta(minutes=number))
        await found(services, f"u{number}@example.com", ago=DAY - HOUR, account_id=OTHER)
    await pass_time(services.store, 2 * HOUR)
    grants = await services.store.write_installation(
        lambda tx: [tx.due_levels.take_turn(wanted, 5) for wanted in (3, 3, 3)]
    )
    assert grants in ([3, 2, 0], [3, 2, 3], [3, 3, 2])  # the second may end in between
    due = await services.store.read_installation(lambda tx: tx.due_levels.users("", 2))
    longest = [(await standing(services, f"u{number}@example.com")).user_id for number in (2, 1)]
    assert [(one.account_id, one.user_id) for one in due] == [(ACCOUNT, user_id) for user_id in longest]


async def test_a_clock_that_jumps_ends_no_level(services: Services) -> None:
    """Not by a reading that no process has compared, nor soon after the jump; when the clock keeps its course, it
    does."""
    watch = ClockWatch(services)
    await watch.check()
    await found(services, KAI, ago=timedelta(0))
    await pass_time(services.store, 20 * DAY)
    assert await lower(services) == 0
    restarted = ClockWatch(services)
    assert await restarted.check() > 19 * DAY
    assert await lower(services) == 0
    await found(services, KAI, ago=timedelta(0), behavior="high_risk_domain")
    assert await level(services) is RiskLevel.HIGH
    for _ in range(2):
        await pass_time(services.store, CONFIRMED_AFTER * 0.6)
        assert await ClockWatch(services).check() == timedelta(0)
    assert await lower(services) == 1
    assert await level(services) is RiskLevel.LOW


async def test_changed_durations_apply_to_recorded_findings(services: Services) -> None:
    """Shorter ones end levels and longer ones bring them back, with events; without any, levels last again."""
    await found(services, KAI, ago=HOUR)
    shorter = LevelTimes(durations={DLP: Duration(expires_after=HOUR)})
    await set_level_times(services, ACCOUNT, COMMAND_LINE, shorter)
    assert (await standing(services)).level is None
    await set_level_times(services, ACCOUNT, COMMAND_LINE, DLP_FOR_A_DAY)
    assert (await standing(services)).next_change_at == services.clock.now() - HOUR + DAY
    await set_level_times(services, ACCOUNT, COMMAND_LINE, NO_TIMES)
    assert ((await standing(services)).level, (await standing(services)).next_change_at) == (RiskLevel.HIGH, None)
    assert [event["current_level"] for event in await events_about(services)] == ["high", "none", "high"]
    entries = await services.store.read(ACCOUNT, lambda tx: tx.audit.page(Kind.LEVELS, None, 10))
    assert len(entries) == 4


async def test_settings_that_stay_leave_no_entry(services: Services) -> None:
    """The audit log names changes only."""
    before = await services.store.read(ACCOUNT, lambda tx: tx.audit.page(None, None, 100))
    await set_level_times(services, ACCOUNT, COMMAND_LINE, DLP_FOR_A_DAY)
    assert await services.store.read(ACCOUNT, lambda tx: tx.audit.page(None, None, 100)) == before


async def test_durations_of_retired_behaviors_are_kept(services: Services) -> None:
    """Their findings expire as before."""
    alpha = SuggestedBehavior(behavior_id="alpha", name="Alpha", description="", level=RiskLevel.LOW)
    await add_behavior(services, ACCOUNT, COMMAND_LINE, alpha, is_enabled=True)
    both = LevelTimes(durations={BehaviorId("alpha"): Duration(expires_after=HOUR), **DLP_FOR_A_DAY.durations})
    await set_level_times(services, ACCOUNT, COMMAND_LINE, both)
    await retire_behavior(services, ACCOUNT, COMMAND_LINE, BehaviorId("alpha"))
    rules = await set_level_times(services, ACCOUNT, COMMAND_LINE, NO_TIMES)
    assert rules.times.durations == {BehaviorId("alpha"): Duration(expires_after=HOUR)}


async def test_a_lower_level_waits_for_the_time_between_two_events(services: Services) -> None:
    """A new finding and a reset do not."""
    waiting = LevelTimes(durations=DLP_FOR_A_DAY.durations, between_events=4 * HOUR)
    await set_level_times(services, ACCOUNT, COMMAND_LINE, waiting)
    await found(services, KAI, ago=DAY - HOUR)
    await pass_time(services.store, 2 * HOUR)
    assert await lower(services) == 0
    await reset_user(services, ACCOUNT, COMMAND_LINE, (await standing(services)).user_id)
    await found(services, KAI, ago=DAY - HOUR)
    assert [event["current_level"] for event in await events_about(services)] == ["high", "none", "high"]
    await pass_time(services.store, 4 * HOUR)
    assert await lower(services) == 1
    assert await level(services) is None


async def test_users_that_a_large_write_moves_come_later(services: Services) -> None:
    """Their levels are decided by it."""
    await found(services, KAI, ago=DAY - HOUR)
    await pass_time(services.store, 2 * HOUR)
    assert await services.store.write(ACCOUNT, lambda tx: tx.large_writes.begin("owner"))
    assert await lower(services) == 0
    await services.store.write(ACCOUNT, lambda tx: tx.large_writes.remove("owner"))
    assert await lower(services) == 1


async def test_a_user_that_another_transaction_holds_is_left_out(services: Services) -> None:
    """Due users are read again under a lock; those without a next change are none."""
    await found(services, KAI, "pat@example.com", ago=DAY - HOUR)
    await found(services, "low@example.com", ago=DAY - HOUR, behavior="high_risk_domain")
    ids = [(await standing(services, email)).user_id for email in (KAI, "pat@example.com", "low@example.com")]
    due = await services.store.write(ACCOUNT, lambda tx: tx.users.due([*ids, UserId("nobody")]))
    assert {one.user_id for one in due} == set(ids[:2])
