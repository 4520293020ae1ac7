"""Exceptions in both stores: levels, marks of findings, groups, quotas, and what receivers are told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from riskrelay.actions.directory import clear_directory, delete_entries, put_entries
from riskrelay.actions.due_levels import DueLevels
from riskrelay.actions.exceptions import WantedException, add_exception, change_exception, delete_exception
from riskrelay.actions.record_activity import record_activity
from riskrelay.actions.users import reset_user
from riskrelay.core.audit import Kind
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import FaultKind, Invalid, NotFound, Unavailable
from riskrelay.core.quotas import Quotas
from riskrelay.core.risk.activity import Activity, ActivityId, DlpHit
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exceptions import Coverage, Effect, RiskException
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.sources.directory import DirectoryEntry
from riskrelay.core.sources.signals import Name
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import RecordedFinding, Services, Store
from support.database_time import pass_time
from support.services import services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

KAI, LOU, SVC = "kai@example.com", "lou@example.com", "svc-backup@example.com"
HIGH, MEDIUM, LOW = "high_dlp", "imp_travel", "high_risk_domain"  # behaviors with these levels


def wanted(covered: str, level: RiskLevel | None = None, **members: Any) -> WantedException:
    """An exception for a user, or for a pattern; it ignores all behaviors, or caps them at *level*."""
    given = {
        "coverage": Coverage.PATTERN if "*" in covered else Coverage.USER,
        "behavior": None,
        "effect": Effect.IGNORE if level is None else Effect.CAP,
        "reason": "Because.",
        "ends_at": None,
    }
    return WantedException(covered=covered, level=level, **{**given, **members})


@pytest.fixture
async def services(store: Store) -> Services:
    services = services_of(store)
    await account_with_integration(services)
    return services


async def add(services: Services, one: WantedException) -> RiskException:
    return await add_exception(services, ACCOUNT, COMMAND_LINE, one)


async def standing(services: Services, email: str = KAI) -> Standing:
    found = await services.store.read(ACCOUNT, lambda tx: tx.users.find([UserRef(email)]))
    return found[email]


async def change(services: Services, stored: RiskException, one: WantedException) -> RiskException:
    return await change_exception(services, ACCOUNT, COMMAND_LINE, stored.exception_id, one)


async def level(services: Services, email: str = KAI) -> RiskLevel | None:
    return (await standing(services, email)).level


async def findings_of(services: Services, email: str = KAI) -> list[RecordedFinding]:
    user_id = (await standing(services, email)).user_id
    profile = await services.store.read(ACCOUNT, lambda tx: tx.users.profile(user_id, 0, 100))
    assert profile is not None
    return list(profile.findings)


async def events_about(services: Services, email: str = KAI) -> list[tuple[str, str]]:
    """The new level and the reason of each event about a user, the oldest first."""
    key = subject_key(email_subject(email))
    found = await services.store.read(ACCOUNT, lambda tx: tx.user_views.events_page(key, None, 100))
    events = [next(iter(one.event.values())) for one in reversed(found)]
    return [(event["current_level"], event["reason_admin"]["en"]) for event in events]


async def test_findings_of_an_excepted_user_are_kept_and_marked(services: Services) -> None:
    """They raise no level, in a batch with those of others; other behaviors and users count as always."""
    ignored = await add(services, wanted("svc-*@example.com", behavior=BehaviorId(HIGH)))
    capped = await add(services, wanted(KAI, RiskLevel.LOW))
    recorded = await record(services, finding(SVC, HIGH), finding(KAI, HIGH), finding(LOU, HIGH), finding(SVC, LOW))
    assert recorded.accepted == 4
    assert [await level(services, email) for email in (SVC, KAI, LOU)] == [
        RiskLevel.LOW,
        RiskLevel.LOW,
        RiskLevel.HIGH,
    ]
    marks = {
        (one.behavior, one.exception_id) for email in (SVC, KAI, LOU) for one in await findings_of(services, email)
    }
    assert marks == {(HIGH, ignored.exception_id), (HIGH, capped.exception_id), (HIGH, None), (LOW, None)}
    assert {one.risk_level for one in await findings_of(services, KAI)} == {RiskLevel.HIGH}


async def test_the_levels_of_covered_users_follow_at_once(services: Services) -> None:
    """Added, changed, ended, deleted: receivers are told why; users that it does not cover are not touched."""
    await record(services, finding(KAI, HIGH), finding(KAI, MEDIUM), finding(LOU, HIGH))
    before = await standing(services, LOU)
    added = await add(services, wanted(KAI, behavior=BehaviorId(HIGH)))
    assert await level(services) is RiskLevel.MEDIUM
    assert (await change(services, added, wanted(KAI))).behavior is None
    assert await level(services) is None
    await change(services, added, wanted(KAI, ends_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert await level(services) is RiskLevel.HIGH
    everyone = await add(services, wanted("*@example.com"))
    assert [await level(services, email) for email in (KAI, LOU)] == [None, None]
    await delete_exception(services, ACCOUNT, COMMAND_LINE, everyone.exception_id)
    assert (await level(services), (await standing(services, LOU)).level) == (RiskLevel.HIGH, before.level)
    dlp, travel = "High Number of DLP Policies Triggered", "Impossible Travel"
    assert await events_about(services) == [
        ("high", dlp),
        ("medium", f"Exceptions changed: {travel}"),
        ("none", "Exceptions changed"),
        ("high", f"Exceptions changed: {dlp}"),
        ("none", "Exceptions changed"),
        ("high", f"Exceptions changed: {dlp}"),
    ]
    entries = await services.store.read(ACCOUNT, lambda tx: tx.audit.page(Kind.EXCEPTION, None, 100))
    assert sorted(entry.verb.value for entry in entries) == ["changed", "changed", "created", "created", "deleted"]


async def test_a_user_may_get_a_higher_level_by_an_exception(services: Services) -> None:
    """A behavior counts as another level; a reset ends it as always."""
    await record(services, finding(KAI, LOW))
    await add(services, wanted(KAI, RiskLevel.HIGH, effect=Effect.LEVEL))
    assert await level(services) is RiskLevel.HIGH
    await reset_user(services, ACCOUNT, COMMAND_LINE, (await standing(services)).user_id)
    assert await level(services) is None
    await record(services, finding(KAI, LOW))
    assert await level(services) is RiskLevel.HIGH


async def test_an_exception_is_added_once(services: Services) -> None:
    """A repeated request changes nothing; one that ends in the past, or one too many, is refused."""
    services = replace(services, quotas=Quotas(exceptions=2))
    added = await add(services, wanted(KAI))
    assert await add(services, wanted(KAI)) == added
    with pytest.raises(Invalid) as refused:
        await add(services, wanted(LOU, ends_at=services.clock.now()))
    assert [fault.pointer for fault in refused.value.faults] == ["/ends_at"]
    await add(services, wanted(LOU))
    with pytest.raises(Invalid) as refused:
        await add(services, wanted(SVC))
    assert [fault.kind for fault in refused.value.faults] == [FaultKind.QUOTA_REACHED]


async def test_exceptions_are_of_one_account(services: Services) -> None:
    """Another account neither sees nor changes them, and they cover none of its users."""
    await account_with_integration(services, OTHER)
    added = await add(services, wanted(KAI))
    assert await services.store.read(OTHER, lambda tx: tx.exceptions.page(None, 10)) == []
    with pytest.raises(NotFound):
        await delete_exception(services, OTHER, COMMAND_LINE, added.exception_id)
    with pytest.raises(NotFound):
        await change_exception(services, OTHER, COMMAND_LINE, added.exception_id, wanted(LOU))
    (moved,) = (await record(services, finding(KAI, HIGH), account_id=OTHER)).changes
    assert moved.current is RiskLevel.HIGH
    stored = await services.store.read(ACCOUNT, lambda tx: (tx.exceptions.page(None, 10), tx.exceptions.count()))
    assert stored == ([added], 1)
    assert await services.store.read(ACCOUNT, lambda tx: tx.exceptions.page(added.exception_id, 10)) == []


async def test_a_detected_episode_is_marked_too(services: Services) -> None:
    """Fifteen hits of DLP profiles by a service account make a marked finding and no level."""
    added = await add(services, wanted("svc-*@example.com"))
    now = services.clock.now()
    hits = {
        place: Activity(
            activity_id=ActivityId(str(place)), user=UserRef(SVC), seen=DlpHit(now, None), digest=bytes([place]) * 32
        )
        for place in range(15)
    }
    recorded = await record_activity(services, ACCOUNT, hits)
    assert [one.exception_id for one, _ in recorded.findings] == [added.exception_id]
    assert await level(services, SVC) is None
    assert [one.exception_id for one in await findings_of(services, SVC)] == [added.exception_id]


def entry(value: str, *groups: str, email: str = KAI) -> DirectoryEntry:
    return DirectoryEntry(name=Name(kind="upn", value=value), email=email, groups=groups)


async def due(services: Services) -> list[str]:
    """The users whose levels are decided again soon."""
    standings = await services.store.read(ACCOUNT, lambda tx: tx.users.at_risk(UserId(""), 100))
    return sorted(one.email for one in standings if one.next_change_at is not None)


async def test_groups_of_the_directory(services: Services) -> None:
    """A user is in the groups of all entries of the address; a change of them decides the level again soon."""
    await put_entries(
        services, ACCOUNT, COMMAND_LINE, [entry("k1", "Sales", "Berlin"), entry("k2", "VIP"), entry("k3")]
    )
    await record(services, finding(KAI, HIGH), finding(LOU, HIGH))
    vip = await add(services, wanted("vip", RiskLevel.LOW, coverage=Coverage.GROUP))
    assert [await level(services, email) for email in (KAI, LOU)] == [RiskLevel.LOW, RiskLevel.HIGH]
    await record(services, finding(KAI, MEDIUM))
    assert {one.exception_id for one in await findings_of(services)} == {vip.exception_id, None}
    assert await due(services) == []
    await put_entries(services, ACCOUNT, COMMAND_LINE, [entry("l1", "VIP", email=LOU), entry("k3")])
    assert await due(services) == [LOU]
    await delete_entries(services, ACCOUNT, COMMAND_LINE, [entry("k2").name])
    assert await due(services) == [KAI, LOU]


async def test_a_cleared_directory_has_no_groups(services: Services) -> None:
    """The levels of its users are decided again; without an exception for a group, they are not."""
    await record(services, finding(KAI, HIGH))
    await put_entries(services, ACCOUNT, COMMAND_LINE, [entry("k1", "VIP")])
    assert await due(services) == []
    await add(services, wanted("VIP", RiskLevel.LOW, coverage=Coverage.GROUP))
    assert await clear_directory(services, ACCOUNT, COMMAND_LINE) == 1
    assert await due(services) == [KAI]


async def test_an_exception_with_an_end_decides_again_then(services: Services) -> None:
    """For users with findings only, whether or not they have a level."""
    ends_at = datetime.now(UTC) + timedelta(days=2)
    await record(services, finding(KAI, HIGH), finding(LOU, HIGH))
    await add(services, wanted(KAI, ends_at=ends_at))
    assert (await standing(services)).next_change_at == ends_at
    assert (await standing(services, LOU)).next_change_at is None
    await record(services, finding(KAI, LOW))
    after = await standing(services)
    assert (after.level, after.next_change_at) == (None, ends_at)


async def test_a_level_rises_when_an_exception_ends(services: Services) -> None:
    """Exactly once, by the scan for due levels; receivers are told why."""
    await record(services, finding(KAI, HIGH), finding(LOU, HIGH))
    await add(services, wanted(KAI, ends_at=datetime.now(UTC) + timedelta(days=2)))
    assert await DueLevels(services, 500).decide() == 0
    await pass_time(services.store, timedelta(days=1))
    await pass_time(services.store, timedelta(days=1, hours=1))
    assert await DueLevels(services, 500).decide() == 1
    assert await DueLevels(services, 500).decide() == 0
    assert (await level(services), (await standing(services)).next_change_at) == (RiskLevel.HIGH, None)
    assert (await events_about(services))[-1] == (
        "high",
        "Exceptions changed: High Number of DLP Policies Triggered",
    )
    assert len(await events_about(services, LOU)) == 1


async def test_users_follow_their_groups(services: Services) -> None:
    """Into a group and out of it, by the scan for due levels."""
    await record(services, finding(KAI, HIGH))
    await add(services, wanted("VIP", RiskLevel.LOW, coverage=Coverage.GROUP))
    await put_entries(services, ACCOUNT, COMMAND_LINE, [entry("k1", "VIP")])
    assert await DueLevels(services, 500).decide() == 1
    assert (await level(services), await due(services)) == (RiskLevel.LOW, [])
    await put_entries(services, ACCOUNT, COMMAND_LINE, [entry("k1")])
    assert await DueLevels(services, 500).decide() == 1
    assert (await level(services), await due(services)) == (RiskLevel.HIGH, [])


async def test_groups_wait_for_a_large_write(services: Services) -> None:
    """Its parts would overwrite that levels are due; without an exception for a group, entries do not wait."""
    await services.store.write(ACCOUNT, lambda tx: tx.large_writes.begin("another"))
    await put_entries(services, ACCOUNT, COMMAND_LINE, [entry("k1", "VIP")])
    await services.store.write(ACCOUNT, lambda tx: tx.large_writes.remove("another"))
    await add(services, wanted("VIP", coverage=Coverage.GROUP))
    await services.store.write(ACCOUNT, lambda tx: tx.large_writes.begin("another"))
    with pytest.raises(Unavailable):
        await put_entries(services, ACCOUNT, COMMAND_LINE, [entry("k1")])
    await services.store.write(ACCOUNT, lambda tx: tx.large_writes.remove("another"))
    await put_entries(services, ACCOUNT, COMMAND_LINE, [entry("k1")])
