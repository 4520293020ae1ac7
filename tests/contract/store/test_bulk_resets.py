"""Bulk resets: preview, steps, control. The same on both engines."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_finding
from sqlalchemy import update
from sqlalchemy.dialects import sqlite

from riskrelay.actions import bulk_resets
from riskrelay.actions.behaviors import set_behaviors
from riskrelay.actions.bulk_resets import continue_bulk_resets, control_bulk_reset, start_bulk_reset
from riskrelay.actions.integrations import NewIntegration, create_integration
from riskrelay.core.audit import Kind
from riskrelay.core.credentials import COMMAND_LINE, Actor
from riskrelay.core.errors import FaultKind, Invalid, NotFound
from riskrelay.core.integrations import IntegrationType
from riskrelay.core.jobs import JobStatus
from riskrelay.core.quotas import Quotas
from riskrelay.core.risk.assessment import ChangeKind, Standing
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.bulk_resets import BulkReset, BulkResetFilter, BulkResetId
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.risk_filters import ANY_RISK
from riskrelay.ports import Services, Store, Transaction
from riskrelay.storage import tables
from riskrelay.storage.risk.bulk_resets import BulkResetRows
from support.databases import migrated_sqlite
from support.services import NOON, HandClock, services_of
from support.world import ACCOUNT, ORIGIN, OTHER, account_with_integration, finding, record

HELPDESK = Actor("t", "helpdesk", "192.0.2.1")
HIGH = BulkResetFilter(level=RiskLevel.HIGH)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def services(store: Store, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Steps are always due."""
    monkeypatch.setattr(bulk_resets, "PAUSE", timedelta(0))
    services = services_of(store, clock)
    await account_with_integration(services)
    return services


async def fill(services: Services, behavior: str, count: int) -> None:
    """Users with one finding each, named by the behavior."""
    await record(services, *(finding(f"{behavior}-{number}@x.org", behavior) for number in range(count)))


async def matching(services: Services, wanted: BulkResetFilter) -> tuple[int, list[Standing]]:
    return await services.store.read(ACCOUNT, lambda tx: tx.bulk_resets.matching(wanted, 3))


async def start(services: Services, wanted: BulkResetFilter, reason: str | None = None) -> BulkResetId:
    count, _ = await matching(services, wanted)
    return (await start_bulk_reset(services, ACCOUNT, HELPDESK, wanted, reason=reason, total=count)).reset_id


async def state(services: Services, reset_id: BulkResetId) -> BulkReset:
    stored = await services.store.read(ACCOUNT, lambda tx: tx.bulk_resets.get(reset_id))
    assert stored is not None
    return stored[0]


async def finish(services: Services) -> None:
    while await continue_bulk_resets(services):
        continue


async def users_at_risk(services: Services) -> list[str]:
    found = await services.store.read(ACCOUNT, lambda tx: tx.user_views.at_risk(ANY_RISK, None, 1_000))
    return sorted(user.email for user in found)


async def by_email(services: Services, email: str) -> Standing:
    (user,) = await services.store.read(ACCOUNT, lambda tx: tx.user_views.by_email(email, None, 1))
    return user


async def test_a_filter_combines_its_conditions(services: Services, clock: HandClock) -> None:
    """Level, behavior, time of the last finding, a list; only users at risk; the riskiest are shown first."""
    await fill(services, "high_dlp", 3)
    clock.pass_time(MINUTE)
    await fill(services, "imp_travel", 2)
    await record(services, finding("high_dlp-0@x.org", "imp_travel"))
    first = await by_email(services, "high_dlp-0@")
    travel = BehaviorId("imp_travel")
    counts = {
        "level": (await matching(services, HIGH))[0],
        "behavior": (await matching(services, BulkResetFilter(behavior=travel)))[0],
        "both": (await matching(services, BulkResetFilter(level=RiskLevel.HIGH, behavior=travel)))[0],
        "from": (await matching(services, BulkResetFilter(last_event_from=NOON + MINUTE)))[0],
        "to": (await matching(services, BulkResetFilter(last_event_to=NOON)))[0],
        "part of a name": (await matching(services, BulkResetFilter(behavior=BehaviorId("travel"))))[0],
    }
    assert counts == {"level": 3, "behavior": 3, "both": 1, "from": 3, "to": 2, "part of a name": 0}
    listed = BulkResetFilter(users=[first.user_id, UserId("nobody")])
    assert await matching(services, listed) == (1, [first])
    assert (await matching(services, replace(listed, level=RiskLevel.LOW)))[0] == 0
    count, sample = await matching(services, BulkResetFilter(last_event_to=clock.now()))
    assert (count, [one.level for one in sample]) == (5, [RiskLevel.HIGH] * 3)


async def test_users_are_reset_a_hundred_at_a_time(services: Services) -> None:
    """Others keep their level; each reset is in the history with the person, the text and the bulk reset."""
    await fill(services, "high_dlp", 230)
    await fill(services, "imp_travel", 2)
    reset_id = await start(services, HIGH, "False alarms")
    assert len(await users_at_risk(services)) == 232
    done = []
    while (await state(services, reset_id)).status is JobStatus.RUNNING:
        assert await continue_bulk_resets(services)
        done.append((await state(services, reset_id)).reset)
    assert done == [100, 200, 230]
    assert not await continue_bulk_resets(services)
    assert await users_at_risk(services) == ["imp_travel-0@x.org", "imp_travel-1@x.org"]
    for number in (0, 229):
        user = await by_email(services, f"high_dlp-{number}@")
        change, _ = await services.store.read(
            ACCOUNT,
            lambda tx, user_id=user.user_id: tx.level_history.page(user_id, None, 5),  # type: ignore[misc]
        )
        assert (change.kind, change.previous, change.current) == (ChangeKind.RESET, RiskLevel.HIGH, None)
        assert (change.actor, change.note, change.rule) == ("helpdesk", "False alarms", reset_id)
    (ledger,) = await services.store.read_installation(lambda tx: tx.ledgers())
    assert ledger.queued == 232 + 230


async def test_many_streams_mean_fewer_users_at_a_time(services: Services) -> None:
    """So that a step queues about a hundred events."""
    for number in range(3):
        wanted = NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=f"https://o{number}.example.com")
        await create_integration(services, ACCOUNT, COMMAND_LINE, wanted, public_origin=ORIGIN)
    await fill(services, "high_dlp", 30)
    reset_id = await start(services, HIGH)
    await continue_bulk_resets(services)
    assert (await state(services, reset_id)).reset == 25


async def test_a_later_finding_keeps_its_user_at_risk(services: Services, clock: HandClock) -> None:
    """Also one that says that it happened earlier; a user whose level has changed is skipped, too."""
    await fill(services, "high_dlp", 3)
    reset_id = await start(services, BulkResetFilter(behavior=BehaviorId("high_dlp")))
    clock.pass_time(MINUTE)
    late = replace_finding(finding("high_dlp-1@x.org", "high_dlp"), occurred_at=NOON - MINUTE)
    await record(services, late)
    await finish(services)
    done = await state(services, reset_id)
    assert (done.status, done.reset, done.skipped, done.total) == (JobStatus.COMPLETED, 2, 1, 3)
    assert await users_at_risk(services) == ["high_dlp-1@x.org"]
    other = await start(services, HIGH)
    lowered = {BehaviorId("high_dlp"): BehaviorSetting(True, RiskLevel.LOW)}
    await set_behaviors(services, ACCOUNT, COMMAND_LINE, lowered)
    await finish(services)
    assert (await state(services, other)).reset == 0
    assert await users_at_risk(services) == ["high_dlp-1@x.org"]


async def test_a_list_resets_its_users_alone(services: Services) -> None:
    """Ids that are not at risk, or of no user, change nothing; the list is deleted at the end."""
    await fill(services, "high_dlp", 4)
    chosen = [(await by_email(services, f"high_dlp-{number}@")).user_id for number in (3, 1)]
    reset_id = await start(services, BulkResetFilter(users=[*chosen, UserId("nobody"), chosen[0]]))
    assert (await state(services, reset_id)).listed == 3
    await finish(services)
    assert await users_at_risk(services) == ["high_dlp-0@x.org", "high_dlp-2@x.org"]
    assert (await state(services, reset_id)).reset == 2

    def listed(tx: Transaction) -> int:
        rows: BulkResetRows = tx.bulk_resets  # type: ignore[assignment]
        return len(rows._connection.execute(tables.bulk_reset_users.select()).all())

    assert await services.store.read(ACCOUNT, listed) == 0


async def test_pause_resume_and_cancel(services: Services) -> None:
    """A paused one takes no step and goes on where it was; a cancelled one never does; users stay reset."""
    await fill(services, "high_dlp", 250)
    reset_id = await start(services, HIGH)

    async def control(status: JobStatus) -> BulkReset:
        return await control_bulk_reset(services, ACCOUNT, HELPDESK, reset_id, status=status)

    await continue_bulk_resets(services)
    assert (await control(JobStatus.PAUSED)).reset == 100
    assert not await continue_bulk_resets(services)
    await control(JobStatus.RUNNING)
    await continue_bulk_resets(services)
    assert (await control(JobStatus.CANCELLED)).reset == 200
    assert not await continue_bulk_resets(services)
    assert len(await users_at_risk(services)) == 50
    assert await control(JobStatus.CANCELLED) == await state(services, reset_id)
    with pytest.raises(Invalid):
        await control(JobStatus.RUNNING)
    with pytest.raises(NotFound):
        await control_bulk_reset(services, ACCOUNT, HELPDESK, BulkResetId("none"), status=JobStatus.PAUSED)


async def test_the_audit_log_has_the_person_the_filter_and_the_counts(services: Services) -> None:
    """At the start, when it is controlled, and at the end; no entry for each user."""
    await fill(services, "high_dlp", 2)
    reset_id = await start(services, HIGH, "False alarms")
    await control_bulk_reset(services, ACCOUNT, COMMAND_LINE, reset_id, status=JobStatus.PAUSED)
    await control_bulk_reset(services, ACCOUNT, COMMAND_LINE, reset_id, status=JobStatus.RUNNING)
    await finish(services)
    entries = await services.store.read(ACCOUNT, lambda tx: tx.audit.page(None, None, 100))
    assert not [one for one in entries if one.kind is Kind.USER]
    found = {(one.verb.value, one.actor.name, one.note) for one in entries if one.kind is Kind.BULK_RESET}
    assert found == {
        ("created", "helpdesk", "level high: 2 users. False alarms"),
        ("paused", "command line", "0 of 2 users reset, 0 skipped"),
        ("resumed", "command line", "0 of 2 users reset, 0 skipped"),
        ("completed", "helpdesk", "2 of 2 users reset, 0 skipped"),
    }
    assert {one.thing_id for one in entries if one.kind is Kind.BULK_RESET} == {reset_id}


async def test_two_nodes_reset_each_user_once(services: Services) -> None:
    """A step that another node has taken meanwhile does nothing."""
    await fill(services, "high_dlp", 150)
    reset_id = await start(services, HIGH)
    for _ in range(3):
        await asyncio.gather(*(continue_bulk_resets(services) for _ in range(3)))
    done = await state(services, reset_id)
    assert (done.status, done.reset, done.skipped) == (JobStatus.COMPLETED, 150, 0)
    (ledger,) = await services.store.read_installation(lambda tx: tx.ledgers())
    assert ledger.queued == 300


async def test_a_step_waits_for_its_time(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one step in each pause, on all nodes; a time that a clock step has put far away is due."""
    monkeypatch.setattr(bulk_resets, "PAUSE", timedelta(hours=1))
    await fill(services, "high_dlp", 250)
    reset_id = await start(services, HIGH)
    for _ in range(3):
        assert await continue_bulk_resets(services)
    assert (await state(services, reset_id)).reset == 100

    def put_back(tx: Transaction) -> None:
        rows: BulkResetRows = tx.bulk_resets  # type: ignore[assignment]
        later = tables.bulk_resets.c.due_at + 3_600_000_000
        rows._connection.execute(update(tables.bulk_resets).values(due_at=later))

    await services.store.write(ACCOUNT, put_back)
    assert await continue_bulk_resets(services)
    assert (await state(services, reset_id)).reset == 200


async def test_a_filter_without_a_condition_is_refused(services: Services) -> None:
    """Nobody resets all users by mistake."""
    with pytest.raises(Invalid) as refused:
        await start(services, BulkResetFilter())
    assert [(one.kind, one.pointer) for one in refused.value.faults] == [(FaultKind.REQUIRED, "/filter")]


async def test_unfinished_bulk_resets_are_counted(services: Services) -> None:
    """Paused ones, too; those of another account and finished ones are not."""
    await account_with_integration(services, OTHER)
    services = replace(services, quotas=Quotas(running_bulk_resets=2))
    reset_id = await start(services, HIGH)
    await control_bulk_reset(services, ACCOUNT, HELPDESK, reset_id, status=JobStatus.PAUSED)
    await start(services, HIGH)
    with pytest.raises(Invalid, match="2 unfinished bulk resets"):
        await start(services, HIGH)
    await start_bulk_reset(services, OTHER, HELPDESK, HIGH, reason=None, total=0)
    await control_bulk_reset(services, ACCOUNT, HELPDESK, reset_id, status=JobStatus.CANCELLED)
    await start(services, HIGH)


async def test_the_next_users_are_read_in_the_order_of_their_ids(tmp_path: Path) -> None:
    """The query does not sort: a step reads no more users than it passes."""
    path = tmp_path / "plan.db"
    await migrated_sqlite(path).close()
    running = BulkReset(
        reset_id=BulkResetId("r"),
        filter=HIGH,
        listed=None,
        status=JobStatus.RUNNING,
        reason=None,
        total=0,
        reset=0,
        skipped=0,
        created_at=NOON,
        place=UserId(""),
    )
    with closing(sqlite3.connect(path)) as connection:
        for listed in (None, 1):
            query = plan_of(replace(running, listed=listed))
            plan = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
            assert not any("TEMP B-TREE" in row[3] or "SCAN" in row[3] for row in plan), plan


def plan_of(running: BulkReset) -> str:
    """The statement that reads the next users."""
    statements: list[str] = []

    class Recorder:
        def execute(self, statement: Callable[..., object]) -> list[object]:
            compiled = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[attr-defined]
            statements.append(str(compiled))
            return []

    BulkResetRows(Recorder(), ACCOUNT, locking=False).next_users(running, 100)  # type: ignore[arg-type]
    return statements[0]
