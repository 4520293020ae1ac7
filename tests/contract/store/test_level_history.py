"""The history of users' risk levels: what made each change, and which events belong to it. The same on both engines."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.dialects import sqlite

from riskrelay.actions import old_rows
from riskrelay.actions.behaviors import set_behaviors
from riskrelay.actions.integrations import NewIntegration, create_integration
from riskrelay.actions.large_writes import LARGE
from riskrelay.actions.old_rows import walk_level_changes
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE, Actor
from riskrelay.core.integrations import AccountId, IntegrationType
from riskrelay.core.quotas import Quotas
from riskrelay.core.risk.assessment import Cause, ChangeKind, LevelChange
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import HistoryPlace, PastChange, Services, Store
from riskrelay.storage.engines.postgres import PostgresStore
from riskrelay.storage.risk.level_history import NEWEST_CHANGES, OLDER_CHANGES
from riskrelay.web.account_api.level_history import read_history
from support.databases import PostgresServer, migrated_sqlite
from support.explaining import explain
from support.services import NOON, HandClock, services_of
from support.world import ACCOUNT, ORIGIN, OTHER, account_with_integration, finding, record

HIGH_DLP = BehaviorId("high_dlp")
HELPDESK = Actor("t", "helpdesk", "192.0.2.1")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def services(store: Store, clock: HandClock) -> Services:
    services = services_of(store, clock)
    await account_with_integration(services)
    return services


async def user_id_of(services: Services, email: str, account_id: AccountId = ACCOUNT) -> UserId:
    (user,) = await services.store.read(account_id, lambda tx: tx.user_views.by_email(email, None, 1))
    return user.user_id


async def history(services: Services, email: str = "kai@x.org", account_id: AccountId = ACCOUNT) -> list[PastChange]:
    """All level changes of a user, the latest first, read two at a time."""
    user_id = await user_id_of(services, email, account_id)
    changes: list[PastChange] = []
    place: HistoryPlace | None = None
    while page := await services.store.read(
        account_id,
        lambda tx, before=place: tx.level_history.page(user_id, before, 2),  # type: ignore[misc]
    ):
        changes += page
        place = page[-1].place
    return changes


def levels(changes: Sequence[PastChange]) -> list[tuple[RiskLevel | None, RiskLevel | None]]:
    return [(one.previous, one.current) for one in changes]


async def test_a_rise_names_the_findings_and_the_behavior(services: Services, clock: HandClock) -> None:
    """A finding that does not change the level is in no change; another user and another account have their own."""
    await account_with_integration(services, OTHER)
    await record(services, finding("kai@x.org", "imp_travel", "f1"), finding("bo@x.org", "high_dlp", "f0"))
    await record(services, finding("kai@x.org", "high_dlp", "f0"), account_id=OTHER)
    clock.pass_time(timedelta(minutes=1))
    await record(services, finding("kai@x.org", "imp_travel", "f2"))
    await record(services, finding("kai@x.org", "high_risk_domain", "f3"), finding("kai@x.org", "high_dlp", "f4"))
    rise, first = await history(services)
    assert levels([rise, first]) == [(RiskLevel.MEDIUM, RiskLevel.HIGH), (None, RiskLevel.MEDIUM)]
    assert (rise.kind, rise.behaviors, rise.findings) == (ChangeKind.FINDING, ["high_dlp"], ["f4"])
    assert rise.reason == "High Number of DLP Policies Triggered"
    assert (rise.changed_at, first.changed_at) == (clock.now(), NOON)
    assert (first.behaviors, first.findings) == (["imp_travel"], ["f1"])
    assert (rise.actor, rise.note, rise.rule) == (None, None, None)


async def test_a_reset_names_the_person_and_the_text(services: Services, clock: HandClock) -> None:
    """A reset of a user without a level changes no level."""
    await record(services, finding("kai@x.org", "high_dlp"))
    user_id = await user_id_of(services, "kai@x.org")
    for _ in range(2):
        clock.pass_time(timedelta(minutes=1))
        await reset_user(services, ACCOUNT, HELPDESK, user_id, "Laptop replaced")
    reset, _ = await history(services)
    assert (reset.previous, reset.current, reset.kind) == (RiskLevel.HIGH, None, ChangeKind.RESET)
    assert (reset.actor, reset.note) == ("helpdesk", "Laptop replaced")
    assert (reset.behaviors, reset.reason, reset.findings) == ([], "", ())


async def test_a_new_risk_level_of_a_behavior_names_the_person(services: Services, clock: HandClock) -> None:
    """The behavior is in the change, and no finding: none was recorded."""
    await record(services, finding("kai@x.org", "high_dlp"))
    clock.pass_time(timedelta(minutes=1))
    await set_behaviors(services, ACCOUNT, HELPDESK, {HIGH_DLP: BehaviorSetting(True, RiskLevel.LOW)})
    fall, _ = await history(services)
    assert (fall.previous, fall.current, fall.kind) == (RiskLevel.HIGH, RiskLevel.LOW, ChangeKind.SETTINGS)
    assert (fall.behaviors, fall.findings, fall.actor) == (["high_dlp"], (), "helpdesk")


async def test_a_change_is_linked_with_its_events(services: Services) -> None:
    """By the txn, because all changes of a batch have the same time; in large batches, too."""
    await record(services, *(finding(f"u{number}@x.org", "high_dlp", f"f{number}") for number in range(LARGE + 1)))
    for email, name in (("u0@x.org", "f0"), (f"u{LARGE}@x.org", f"f{LARGE}")):
        (change,) = await history(services, email)
        assert change.findings == [name]
        key = subject_key(email_subject(email))
        (sent,) = await services.store.read(
            ACCOUNT,
            lambda tx, key=key: tx.user_views.events_at(key, [NOON], 10),  # type: ignore[misc]
        )
        assert sent.txn == change.change_id


async def test_a_change_is_recorded_without_any_receiver(store: Store) -> None:
    """The history does not depend on integrations."""
    services = services_of(store)
    await account_with_integration(services)
    (integration,) = await store.read(ACCOUNT, lambda tx: tx.integrations.all())
    inactive = replace(integration, active=False)
    await store.write(ACCOUNT, lambda tx: tx.integrations.update(inactive))
    await record(services, finding("kai@x.org", "high_dlp"))
    assert levels(await history(services)) == [(None, RiskLevel.HIGH)]
    assert [ledger.queued for ledger in await store.read_installation(lambda tx: tx.ledgers())] == [0]


def change(user_id: UserId, number: int) -> LevelChange:
    return LevelChange(
        user_id=user_id,
        email="kai@x.org",
        previous=None,
        current=RiskLevel.LOW,
        behaviors=(),
        reason="",
        cause=Cause.POLICY,
        changed_at=NOON + timedelta(minutes=number),
    )


async def test_the_walk_reads_all_changes_in_pieces(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all accounts and users, some at a time; then it begins again."""
    monkeypatch.setattr(old_rows, "_LEVEL_CHANGES", 3)
    clock = HandClock(datetime.now(UTC) - timedelta(days=200))
    services = services_of(store, clock)
    for account_id in (ACCOUNT, OTHER):
        await account_with_integration(services, account_id)
        for number in range(4):
            await record(services, finding(f"u{number}@x.org", "imp_travel"), account_id=account_id)
    clock.pass_time(timedelta(days=199))
    await record(services, finding("u1@x.org", "high_dlp"))
    old = walk_level_changes(services, timedelta(days=100))
    assert [await old.remove_some() for _ in range(4)] == [True, True, True, False]
    assert [await old.remove_some() for _ in range(1)] == [False]
    left = [
        await history(services, f"u{number}@x.org", account_id)
        for account_id in (ACCOUNT, OTHER)
        for number in range(4)
    ]
    assert [len(one) for one in left] == [0, 1, 0, 0, 0, 0, 0, 0]


async def test_the_oldest_changes_above_the_quota_are_deleted(services: Services) -> None:
    """One of 256 changes trims its own user's history, and no other user's."""
    await record(services, finding("kai@x.org", "high_dlp"), finding("bo@x.org", "high_dlp"))
    kai, bo = [await user_id_of(services, email) for email in ("kai@x.org", "bo@x.org")]

    async def add(user_id: UserId, number: int, end: str) -> None:
        named = [(f"c{number:03d}{end}", change(user_id, number))]
        await services.store.write(ACCOUNT, lambda tx: tx.level_history.add(named, 5))

    for number in range(1, 9):
        await add(kai, number, "f")
        await add(bo, number, "f")
    assert len(await history(services)) == 9
    await add(kai, 9, "00")
    assert [one.changed_at for one in await history(services)] == [
        NOON + timedelta(minutes=number) for number in range(9, 4, -1)
    ]
    assert len(await history(services, "bo@x.org")) == 9


async def test_the_quota_of_the_installation_applies(services: Services, clock: HandClock) -> None:
    """Resets and findings in turns leave no more than the quota and what came since the last trim."""
    services = replace(services, quotas=Quotas(level_changes_per_user=3))
    trims = 0
    while trims == 0:
        await record(services, finding("kai@x.org", "high_dlp"))
        clock.pass_time(timedelta(minutes=1))
        await reset_user(services, ACCOUNT, HELPDESK, await user_id_of(services, "kai@x.org"))
        clock.pass_time(timedelta(minutes=1))
        trims = int(len(await history(services)) < 5)
        assert clock.now() < NOON + timedelta(hours=10)


async def test_old_changes_are_deleted_and_the_level_stays(store: Store) -> None:
    """By the database's clock; recent changes stay."""
    clock = HandClock(datetime.now(UTC) - timedelta(days=200))
    services = services_of(store, clock)
    await account_with_integration(services)
    await record(services, finding("kai@x.org", "imp_travel"))
    clock.pass_time(timedelta(days=199))
    await record(services, finding("kai@x.org", "high_dlp"))
    old = walk_level_changes(services, timedelta(days=100))
    while await old.remove_some():
        continue
    assert levels(await history(services)) == [(RiskLevel.MEDIUM, RiskLevel.HIGH)]
    (user,) = await store.read(ACCOUNT, lambda tx: tx.user_views.by_email("kai@x.org", None, 1))
    assert user.level is RiskLevel.HIGH


async def test_a_history_is_read_by_the_key(tmp_path: Path) -> None:
    """Without sorting, and without reading changes of other users, however many there are."""
    path = tmp_path / "plan.db"
    await migrated_sqlite(path).close()
    with closing(sqlite3.connect(path)) as connection:
        for query in (NEWEST_CHANGES, OLDER_CHANGES):
            compiled = query.compile(dialect=sqlite.dialect())
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN {compiled}", [None] * len(compiled.positiontup or ())
            ).fetchall()
            assert [row[3] for row in plan if "SCAN" in row[3] or "TEMP B-TREE" in row[3]] == []
            assert any("account_id=? AND user_id=?" in row[3] for row in plan), plan


async def test_a_history_costs_few_pages_of_many(postgres: PostgresServer) -> None:
    """20,000 changes of 200 users on PostgreSQL: a page of one user reads its own rows."""
    connection = await asyncpg.connect(await postgres.migrated_database())
    await connection.execute(
        "INSERT INTO level_changes (account_id, user_id, changed_at, change_id, current, kind) "
        "SELECT 'acme', 'user-' || n % 200, n, 'change-' || n, 3, 'finding' FROM generate_series(1, 20000) n"
    )
    await connection.execute("ANALYZE level_changes")
    explained = await explain(connection, NEWEST_CHANGES, account="acme", user="user-7", limit=21)
    assert explained.pages < 60
    here = {"account": "acme", "user": "user-7", "limit": 21}
    explained = await explain(connection, OLDER_CHANGES, **here, at=9_000, id="change-9000")
    await connection.close()
    assert explained.pages < 60


async def test_a_page_takes_the_same_few_statements_for_any_changes_and_receivers(postgres: PostgresServer) -> None:
    """On PostgreSQL, where each statement costs more than the rows that it reads."""
    store, clock = PostgresStore(await postgres.migrated_database()), HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    for number in range(3):
        wanted = NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=f"https://o{number}.example.com")
        await create_integration(services, ACCOUNT, COMMAND_LINE, wanted, public_origin=ORIGIN)
    counts: list[int] = []
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    for _ in range(4):
        clock.pass_time(timedelta(minutes=1))
        await record(services, finding("kai@x.org", "high_dlp"))
        user_id = await user_id_of(services, "kai@x.org")
        statements.clear()
        history = await store.read(ACCOUNT, lambda tx, user_id=user_id: read_history(tx, user_id, None))  # type: ignore[misc]
        counts.append(len(statements))
        assert [len(entry.notified) for entry in history.entries] == [4] * len(history.entries)
        await reset_user(services, ACCOUNT, HELPDESK, user_id)
    assert len(history.entries) == 7
    event.remove(Engine, "before_cursor_execute", note)
    await store.close()
    assert max(counts) == counts[0] <= 6


async def test_a_stored_change_of_an_older_version_is_read(services: Services) -> None:
    """During an upgrade, parts of a large request may have been written by a node of the earlier version."""
    row = msgspec.to_builtins(change(UserId("u"), 1))
    for name in ("kind", "findings", "rule", "actor"):
        del row[name]
    assert msgspec.convert(row, LevelChange) == change(UserId("u"), 1)
