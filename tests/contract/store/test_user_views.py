"""What the console shows of users, on both engines."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace
from sqlalchemy import func, select
from sqlalchemy.dialects import sqlite

from riskrelay.actions.integrations import NewIntegration, create_integration, delete_integration
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.integrations import AccountId, IntegrationType
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import Finding, UserRef
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.risk_filters import ANY_RISK, RiskFilter
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import Services, Store, Transaction, UserEvent, UserEventPlace
from riskrelay.storage.risk import risk_filters
from riskrelay.storage.risk.risk_filters import RISKIEST_FIRST, matching
from riskrelay.storage.risk.user_views import _AT_MOMENT, about_page
from riskrelay.storage.tables import users
from support.databases import PostgresServer, migrated_sqlite
from support.explaining import explain
from support.services import NOON, HandClock, services_of
from support.world import ACCOUNT, ORIGIN, OTHER, account_with_integration, finding, record

MINUTE = timedelta(minutes=1)


async def found(services: Services, clock: HandClock, *rows: tuple[str, str], account_id: AccountId = ACCOUNT) -> None:
    """Findings (e-mail, behavior), a minute apart."""
    for email, behavior in rows:
        await record(services, finding(email, behavior), account_id=account_id)
        clock.pass_time(MINUTE)


async def pages_at_risk(store: Store, wanted: RiskFilter = ANY_RISK) -> list[str]:
    """The e-mails of all pages of one."""
    emails: list[str] = []
    last: Standing | None = None
    while True:
        place = None if last is None else (last.level, last.last_event_at, last.user_id)
        page = await store.read(ACCOUNT, lambda tx, place=place: tx.user_views.at_risk(wanted, place, 1))  # type: ignore[misc]
        if not page:
            return emails
        (last,) = page
        emails.append(last.email)


async def test_users_at_risk_are_paged_by_level_and_time(store: Store) -> None:
    """The highest level first, then the latest finding; one level alone in the same order; no other account's."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    await account_with_integration(services, OTHER)
    await found(services, clock, ("a@x.org", "malicious_file"), ("b@x.org", "imp_travel"), ("c@x.org", "high_dlp"))
    await found(services, clock, ("d@x.org", "imp_travel"), ("e@x.org", "high_risk_domain"))
    await found(services, clock, ("z@x.org", "high_dlp"), account_id=OTHER)
    assert await pages_at_risk(store) == ["c@x.org", "a@x.org", "d@x.org", "b@x.org", "e@x.org"]
    assert await pages_at_risk(store, RiskFilter(level=RiskLevel.HIGH)) == ["c@x.org", "a@x.org"]
    assert await pages_at_risk(store, RiskFilter(level=RiskLevel.MEDIUM)) == ["d@x.org", "b@x.org"]


def _count(tx: Transaction, wanted: RiskFilter, limit: int | None) -> int:
    return tx.user_views.count_at_risk(wanted, limit)


@pytest.mark.parametrize("few", [0, 10_000])
async def test_users_at_risk_are_filtered(store: Store, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """By level, behavior, time of the last finding and source, in any combination; each page and the count agree,
    whether a source sent few findings or many."""
    monkeypatch.setattr(risk_filters, "_FEW", few)
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    await record(services, finding("a@x.org", "high_dlp", "s-1:1"), finding("b@x.org", "imp_travel", "s-2:1"))
    clock.pass_time(MINUTE)
    await record(services, finding("c@x.org", "imp_travel", "s-1:2"), finding("d@x.org", "imp_travel", "s-1:3"))
    (d,) = await store.read(ACCOUNT, lambda tx: tx.user_views.by_email("d@", None, 1))
    await reset_user(services, ACCOUNT, COMMAND_LINE, d.user_id)
    await record(services, finding("d@x.org", "imp_travel", "s-2:2"), finding("a@x.org", "imp_travel", "own"))
    travel, later = BehaviorId("imp_travel"), NOON + MINUTE
    for wanted, names in {
        RiskFilter(behavior=travel): "abcd",
        RiskFilter(behavior=travel, level=RiskLevel.MEDIUM): "bcd",
        RiskFilter(behavior=BehaviorId("travel")): "",
        RiskFilter(source="s-1"): "ac",
        RiskFilter(source="s-2"): "bd",
        RiskFilter(source="s-2", last_event_from=later): "d",
        RiskFilter(source="S"): "",
        RiskFilter(last_event_to=NOON): "b",
        RiskFilter(last_event_from=later, last_event_to=later, level=RiskLevel.HIGH): "a",
    }.items():
        emails = await pages_at_risk(store, wanted)
        assert sorted(email[0] for email in emails) == list(names)
        for limit, count in ((None, len(names)), (1, min(len(names), 1))):
            read = partial(_count, wanted=wanted, limit=limit)
            assert await store.read(ACCOUNT, read) == count


async def test_filters_read_the_index_of_users_at_risk(tmp_path: Path) -> None:
    """A count by level, behavior and time reads no user's row; a page reads those that it shows."""
    await migrated_sqlite(tmp_path / "database").close()
    wanted = RiskFilter(level=RiskLevel.HIGH, behavior=BehaviorId("high_dlp"), last_event_from=NOON)
    conditions = matching(ACCOUNT, wanted)
    with closing(sqlite3.connect(tmp_path / "database")) as connection:
        for query, cover in (
            (select(func.count()).select_from(users).where(*conditions), "COVERING "),
            (select(users).where(*conditions).order_by(*RISKIEST_FIRST).limit(9), ""),
        ):
            compiled = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
            plan = connection.execute(f"EXPLAIN QUERY PLAN {compiled}").fetchall()
            assert [row[3] for row in plan] == [
                f"SEARCH users USING {cover}INDEX users_at_risk_index (account_id=? AND level=? AND last_event_at>?)"
            ]


async def test_users_are_found_by_the_beginning_of_their_email(store: Store) -> None:
    """In any letter case; a character stands for itself, punctuation too; in the order of bytes, paged."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    emails = (
        "Ann@x.org",
        "an-b@x.org",
        "an_b@x.org",
        "an%b@x.org",
        "anb@x.org",
        "bo@x.org",
        "ändern@x.org",
        "a\U0010ffff@x.org",
    )
    await found(services, clock, *((email, "high_dlp") for email in emails))

    async def starting(start: str, after: str | None = None, limit: int = 10) -> list[str]:
        users: Sequence[Standing] = await store.read(ACCOUNT, lambda tx: tx.user_views.by_email(start, after, limit))
        return [user.email for user in users]

    assert await starting("an") == ["an%b@x.org", "an-b@x.org", "an_b@x.org", "anb@x.org", "Ann@x.org"]
    assert await starting("AN_") == ["an_b@x.org"]
    assert await starting("an%") == ["an%b@x.org"]
    assert await starting("Ä") == ["ändern@x.org"]
    assert await starting("an", "an-b@x.org", 2) == ["an_b@x.org", "anb@x.org"]
    assert len(await starting("")) == len(emails)
    assert await starting("' OR 1=1 --") == []


def _named(email: str, name: str | None) -> Finding:
    return replace(finding(email, "imp_travel", email), user=UserRef(email, name))


async def test_users_are_found_by_any_part_of_name_and_email(store: Store) -> None:
    """Percent signs and quotes are text; a filter applies to what is found; a user who is not at risk is found, too."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    for email, name in (("kai@x.org", "Kai Nakamura"), ("nak%a@x.org", None), ("lou@x.org", "Lou O'Hara")):
        await record(services, _named(email, name))
    (lou,) = await store.read(ACCOUNT, lambda tx: tx.user_views.by_email("lou", None, 1))
    await reset_user(services, ACCOUNT, COMMAND_LINE, lou.user_id)

    async def having(part: str, wanted: RiskFilter = ANY_RISK, limit: int = 10) -> list[str]:
        users: Sequence[Standing] = await store.read(ACCOUNT, lambda tx: tx.user_views.by_part(part, limit, wanted))
        return [user.email for user in users]

    assert await having("NAK") == ["kai@x.org", "nak%a@x.org"]
    assert await having("nak", limit=1) == ["kai@x.org"]
    assert await having("k%a") == ["nak%a@x.org"]
    assert await having("o'h") == ["lou@x.org"]
    assert await having("o'h", RiskFilter(level=RiskLevel.MEDIUM)) == []
    assert await having("x.org", RiskFilter(behavior=BehaviorId("imp_travel"))) == ["kai@x.org", "nak%a@x.org"]


async def test_the_history_includes_findings_before_resets(store: Store) -> None:
    """Findings of all times, the latest first, in pages."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    await found(services, clock, ("kai@x.org", "high_dlp"), ("kai@x.org", "imp_travel"))
    (user,) = await store.read(ACCOUNT, lambda tx: tx.user_views.by_email("kai@x.org", None, 1))
    await reset_user(services, ACCOUNT, COMMAND_LINE, user.user_id)
    await found(services, clock, ("kai@x.org", "malicious_file"), ("bo@x.org", "malicious_file"))
    first = await store.read(ACCOUNT, lambda tx: tx.user_views.findings(user.user_id, None, 2))
    assert [(one.behavior, one.resets) for one in first] == [("malicious_file", 1), ("imp_travel", 0)]
    place = (first[-1].resets, first[-1].occurred_at, first[-1].finding_id)
    (second,) = await store.read(ACCOUNT, lambda tx: tx.user_views.findings(user.user_id, place, 2))
    assert second.behavior == "high_dlp"


async def test_events_are_found_by_the_time_of_their_change(store: Store) -> None:
    """Among many events of the lane; the reason of a reset stands in it; nothing of another user, nothing of another
    moment."""
    clock = HandClock()
    services = services_of(store, clock)
    integration = await account_with_integration(services)
    crowd = [(f"user{number}@x.org", "imp_travel") for number in range(40)]
    await found(services, clock, *crowd, ("kai@x.org", "high_dlp"), *(("b" + email, word) for email, word in crowd))
    (user,) = await store.read(ACCOUNT, lambda tx: tx.user_views.by_email("kai@x.org", None, 1))
    await reset_user(services, ACCOUNT, COMMAND_LINE, user.user_id, "Laptop replaced")
    key = subject_key(email_subject("kai@x.org"))
    moments = [NOON + 40 * MINUTE, clock.now(), NOON, NOON - MINUTE, clock.now() + MINUTE]
    shown: list[UserEvent] = await store.read(ACCOUNT, lambda tx: tx.user_views.events_at(key, moments, 50))
    assert [one.delivery.queued_at for one in shown] == moments[:2]
    assert {one.integration.integration_id for one in shown} == {integration.integration_id}
    rise, fall = [next(iter(one.event.values())) for one in shown]
    assert (rise["previous_level"], rise["current_level"]) == ("none", "high")
    assert (fall["previous_level"], fall["current_level"]) == ("high", "none")
    assert fall["reason_admin"] == {"en": "Risk reset by an administrator: Laptop replaced"}


async def test_every_delivery_of_every_change_is_found(store: Store) -> None:
    """On all of twelve integrations, though 300 users change at the same moment, and twice for the same user; the list
    of all has each once, whatever the size of its pages; none on a deleted integration."""
    clock = HandClock()
    services = services_of(store, clock)
    integrations = [await account_with_integration(services)]
    integrations += [
        await create_integration(
            services,
            ACCOUNT,
            COMMAND_LINE,
            NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=f"https://o{number}.example.com"),
            public_origin=ORIGIN,
        )
        for number in range(11)
    ]
    emails = [f"u{number}@x.org" for number in range(300)]
    await record(services, *(finding(email, "imp_travel") for email in emails))
    clock.pass_time(MINUTE)
    await record(services, *(finding(email, "high_dlp") for email in emails))
    moments = [NOON + MINUTE, NOON]
    everyone = {one.integration_id for one in integrations}
    for email in emails[::37]:
        key = subject_key(email_subject(email))
        shown = await store.read(ACCOUNT, lambda tx, key=key: tx.user_views.events_at(key, moments, 200))  # type: ignore[misc]
        for moment in moments:
            assert {one.integration.integration_id for one in shown if one.delivery.queued_at == moment} == everyone
        assert len(shown) == 24
    listed: list[str] = []
    after: UserEventPlace | None = None
    while True:
        page = await store.read(ACCOUNT, lambda tx, after=after: tx.user_views.events_page(key, after, 5))  # type: ignore[misc]
        if not page:
            break
        listed += [one.delivery.jti for one in page]
        last = page[-1].delivery
        after = UserEventPlace(queued_at=last.queued_at, stream_id=last.stream_id, lane=last.lane, seq=last.seq)
    assert sorted(listed) == sorted(one.delivery.jti for one in shown)
    await delete_integration(services, ACCOUNT, COMMAND_LINE, integrations[3].integration_id)
    left = await store.read(ACCOUNT, lambda tx: tx.user_views.events_at(key, moments, 200))
    assert {one.integration.integration_id for one in left} == everyone - {integrations[3].integration_id}
    few = await store.read(ACCOUNT, lambda tx: tx.user_views.events_at(key, moments, 7))
    assert [one.delivery.queued_at for one in few] == [moments[0]] * 7 + [moments[1]] * 7


async def test_the_few_findings_of_a_source_are_read_by_their_ids(tmp_path: Path) -> None:
    """SQLite does not look at the findings of users that the source has not."""
    await migrated_sqlite(tmp_path / "database").close()
    query = select(users).where(*matching(ACCOUNT, RiskFilter(source="s-1"))).order_by(*RISKIEST_FIRST).limit(9)
    with closing(sqlite3.connect(tmp_path / "database")) as connection:
        compiled = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {compiled}")]
    by_ids = "sqlite_autoindex_findings_1 (account_id=? AND finding_id>? AND finding_id<?)"
    assert plan.index(f"SEARCH findings USING INDEX {by_ids}") < next(
        place for place, step in enumerate(plan) if "CORRELATED" in step
    )


async def test_events_about_a_user_are_found_by_an_index(tmp_path: Path) -> None:
    """Neither the story's look-ups nor the list of all read other events, however long the log is."""
    path = tmp_path / "plan.db"
    await migrated_sqlite(path).close()
    with closing(sqlite3.connect(path)) as connection:
        for query in (_AT_MOMENT, about_page(None, 51)):
            compiled = query.compile(dialect=sqlite.dialect())
            parameters = [None] * len(compiled.positiontup or ())
            plan = connection.execute(f"EXPLAIN QUERY PLAN {compiled}", parameters).fetchall()
            assert any("events_subject_index" in row[3] for row in plan), plan
            assert not any("SCAN" in row[3] and "events" in row[3] for row in plan), plan
            assert not any("TEMP B-TREE" in row[3] for row in plan), plan


async def test_events_about_a_user_cost_few_pages_of_many(postgres: PostgresServer) -> None:
    """30,000 deliveries about 1,000 users on PostgreSQL: those of a user, and those of a change, read no others."""
    connection = await asyncpg.connect(await postgres.migrated_database())
    await connection.execute(
        """
        INSERT INTO accounts (account_id, created_at) VALUES ('acme', 0);
        INSERT INTO integrations (account_id, integration_id, integration_type, reference_id, tenant_url, active,
                                  public_origin, created_at, signing_algorithm, position)
        VALUES ('acme', 'i', 'Okta', 'r', 'https://acme.example.com', true, 'https://risk.example.com', 0, 'RS256', 1);
        INSERT INTO streams (account_id, stream_id, integration_id, status, lanes)
        VALUES ('acme', 's', 'i', 'enabled', 1);
        INSERT INTO lanes (account_id, stream_id, lane, last_seq, cursor, delivered, failures, epoch, lease_until,
                           blocked_until, stopped)
        VALUES ('acme', 's', 0, 30000, 30000, 30000, 0, 0, 0, 0, false);
        INSERT INTO events (account_id, stream_id, lane, seq, jti, subject_key, claims, queued_at)
        SELECT 'acme', 's', 0, n, n::text, 'user-' || n % 1000, convert_to(repeat('x', 500), 'UTF8'), n
        FROM generate_series(1, 30000) n;
        """
    )
    await connection.execute("ANALYZE")
    here = {"account": "acme", "subject": "user-7"}
    page = await explain(connection, about_page(None, 51), **here)
    moment = await explain(connection, _AT_MOMENT, **here, at=15_007, limit=51)
    log_pages = await connection.fetchval("SELECT sum(pg_table_size(relid)) / 8192 FROM pg_partition_tree('events')")
    await connection.close()
    assert log_pages > 2_000
    assert page.pages < 10 * 30
    assert moment.pages < 30
