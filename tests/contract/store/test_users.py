"""The summary and a user's profile: the same on both engines."""

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace
from sqlalchemy.dialects import sqlite

from riskrelay.actions.record_findings import record_findings
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.risk.assessment import Standing, with_events
from riskrelay.core.risk.findings import Finding, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Store, Transaction
from riskrelay.storage.risk.users import _SUMMARY
from support.databases import migrated_sqlite
from support.services import NOON, HandClock, services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

MANY = 1_000


async def summary(store: Store, offset: int = 0, limit: int = 100) -> tuple[list[Standing], int]:
    return await store.read(ACCOUNT, lambda tx: tx.users.summary(offset, limit))


async def test_the_summary_is_sorted_by_level_then_by_the_last_event(store: Store) -> None:
    """Contract 19: both descending; counts and times are those since the reset; other accounts are not in it."""
    services = services_of(store)
    await account_with_integration(services)
    await account_with_integration(services, OTHER)
    await record(services, finding("stranger@example.com"), account_id=OTHER)
    plan = [
        ("low", "high_risk_domain", 4),
        ("old", "high_dlp", 1),
        ("new", "high_dlp", 2),
        ("medium", "imp_travel", 3),
    ]
    for name, behavior, minutes in plan:
        occurred = NOON + timedelta(minutes=minutes)
        await record(services, replace(finding(f"{name}@example.com", behavior), occurred_at=occurred))
    late = replace(finding("new@example.com"), occurred_at=NOON - timedelta(days=1))
    await record(services, late, late)
    found, total = await summary(store)
    assert [standing.email.partition("@")[0] for standing in found] == ["new", "old", "medium", "low"]
    assert total == 4
    assert (found[0].event_count, found[0].last_event_at) == (3, NOON + timedelta(minutes=2))
    assert [len((await summary(store, offset, 3))[0]) for offset in (0, 3, 6)] == [3, 1, 0]


async def test_a_reset_user_leaves_the_summary_until_new_findings(store: Store) -> None:
    """Contract 21, 22: even when everything happens in the same microsecond."""
    services = services_of(store)
    await account_with_integration(services)
    await record(services, finding(finding_id="before"), finding(finding_id="too"))
    ((standing,), _) = await summary(store)
    await reset_user(services, ACCOUNT, COMMAND_LINE, standing.user_id)
    assert await summary(store) == ([], 0)
    profile = await store.read(ACCOUNT, lambda tx: tx.users.profile(standing.user_id, 0, 10))
    assert profile is not None
    assert profile.findings == []
    assert (profile.standing.level, profile.standing.last_reset_at) == (None, NOON)
    await record(services, finding(finding_id="after"))
    ((again,), _) = await summary(store)
    assert (again.event_count, again.level) == (1, RiskLevel.LOW)
    profile = await store.read(ACCOUNT, lambda tx: tx.users.profile(standing.user_id, 0, 10))
    assert profile is not None
    assert [row.finding_id for row in profile.findings] == ["after"]


async def test_a_profile_has_the_latest_findings_first(store: Store) -> None:
    """By when they were seen, not by when they came; no more than asked for; of nobody: None."""
    services = services_of(store)
    await account_with_integration(services)
    times = [3, 1, 2]
    batch = [replace(finding(finding_id=f"at-{n}"), occurred_at=NOON + timedelta(minutes=n)) for n in times]
    await record_findings(services, ACCOUNT, batch)
    ((standing,), _) = await summary(store)
    profile = await store.read(ACCOUNT, lambda tx: tx.users.profile(standing.user_id, 0, 2))
    assert profile is not None
    assert [row.finding_id for row in profile.findings] == ["at-3", "at-2"]
    assert profile.standing.event_count == 3
    assert await store.read(ACCOUNT, lambda tx: tx.users.profile(UserId("nobody"), 0, 2)) is None
    assert await store.read(OTHER, lambda tx: tx.users.profile(standing.user_id, 0, 2)) is None


async def test_findings_of_one_user_at_the_same_time_are_all_counted(store: Store) -> None:
    """Whoever comes second counts on from the first."""
    services = services_of(store)
    await account_with_integration(services)
    await asyncio.gather(*(record(services, finding(finding_id=f"f{n}")) for n in range(20)))
    ((standing,), _) = await summary(store)
    assert standing.event_count == 20


def fill(tx: Transaction) -> None:
    """Many users of all levels, whose last events lie in no order."""
    people = [
        Standing(
            user_id=UserId(f"{n:032x}"), email=f"user-{n}@example.com", name=None, level=None, triggered=frozenset()
        )
        for n in range(MANY)
    ]
    tx.users.add(
        [
            with_events(replace(person, level=RiskLevel(1 + n % 3)), [NOON + timedelta(seconds=n * 7919 % MANY)])
            for n, person in enumerate(people)
        ]
    )


async def test_pages_of_the_summary_are_in_order_and_meet(store: Store) -> None:
    """The first page and the last, of many users."""
    await account_with_integration(services_of(store))
    await store.write(ACCOUNT, fill)
    for offset in (0, MANY - 100):
        found, total = await summary(store, offset)
        assert (len(found), total) == (100, MANY)
        places = [(standing.level, standing.last_event_at) for standing in found]
        assert places == sorted(places, reverse=True)


async def test_the_summary_is_read_in_the_order_of_its_index(tmp_path: Path) -> None:
    """However many users there are, a page costs no sorting: SQLite's own plan says so."""
    store = migrated_sqlite(tmp_path / "plan.db")
    await account_with_integration(services_of(store))
    await store.write(ACCOUNT, fill)
    await store.close()
    connection = sqlite3.connect(tmp_path / "plan.db")
    statement = str(_SUMMARY.compile(dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True}))
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (ACCOUNT, 1, 100, 0)).fetchall()
    connection.close()
    assert [row[3] for row in plan] == ["SEARCH users USING INDEX users_at_risk_index (account_id=? AND level>?)"]


async def test_details_that_do_not_fit_an_answer_are_left_out_and_say_their_size(store: Store) -> None:
    """The latest keep theirs, together at most 1 MiB; a smaller page, further back, has those that were left out."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    for number in range(4):
        one = finding(finding_id=f"f{number}")
        await record(
            services,
            Finding(
                finding_id=one.finding_id,
                behavior=one.behavior,
                user=one.user,
                occurred_at=clock.now(),
                details={"x": "ä" * 200_000},
                digest=one.digest,
            ),
        )
        clock.pass_time(timedelta(minutes=1))
    user_id = (await summary(store))[0][0].user_id
    whole = await store.read(ACCOUNT, lambda tx: tx.users.profile(user_id, 0, 10))
    assert whole is not None
    sizes = [len(one.details_json or "") for one in whole.findings]
    assert sizes == [200_008, 200_008, 0, 0]
    assert [one.left_out_bytes for one in whole.findings] == [0, 0, 400_008, 400_008]
    second = await store.read(ACCOUNT, lambda tx: tx.users.profile(user_id, 2, 2))
    assert second is not None
    assert [(one.finding_id, one.left_out_bytes) for one in second.findings] == [("f1", 0), ("f0", 0)]
    story = await store.read(ACCOUNT, lambda tx: tx.user_views.findings(user_id, None, 10))
    assert [one.left_out_bytes for one in story] == [0, 0, 400_008, 400_008]


async def test_details_of_any_size_are_measured_without_being_read(store: Store) -> None:
    """Sizes are in bytes of UTF-8, and no details at all are none; what alone exceeds an answer is on no page."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    given: list[dict[str, str] | None] = [None, {}, {"x": "a"}, {"x": "é"}, {"x": "😀" * 9}, {"x": "ü" * 1_000_000}]
    for number, details in enumerate(given):
        one = finding(finding_id=f"f{number}")
        await record(services, replace(one, details=details, occurred_at=clock.now()))
        clock.pass_time(timedelta(minutes=1))
    user_id = (await summary(store))[0][0].user_id
    for limit in (1, 10):
        shown = await store.read(ACCOUNT, lambda tx, limit=limit: tx.users.profile(user_id, 0, limit))  # type: ignore[misc]
        assert shown is not None
        assert (shown.findings[0].left_out_bytes, shown.findings[0].details_json) == (2_000_008, None)
    sizes = [None if one.details_json is None else len(one.details_json.encode()) for one in shown.findings[1:]]
    assert sizes == [44, 10, 9, 2, None]
    assert [one.left_out_bytes for one in shown.findings[1:]] == [0] * 5


async def test_all_users_at_risk_are_read_in_batches_of_one_moment(store: Store) -> None:
    """Each once, the riskiest first, whatever the batch; another account's are absent, and so are users that were
    reset."""
    services = services_of(store, HandClock())
    await account_with_integration(services)
    await account_with_integration(services, OTHER)
    emails = [f"u{number}@x.org" for number in range(7)]
    await record(services, *(finding(email, "imp_travel") for email in emails), finding("top@x.org", "high_dlp"))
    await record(services, finding("z@x.org"), account_id=OTHER)
    for batch in (1, 3, 100):
        sizes: list[int] = []
        found: list[str] = []

        def read(tx: Transaction, batch: int = batch, sizes: list[int] = sizes, found: list[str] = found) -> None:
            for some in tx.user_views.each_at_risk(batch):
                sizes.append(len(some))
                found.extend(one.email for one in some)

        await store.read(ACCOUNT, read)
        assert found[0] == "top@x.org"
        assert sorted(found) == sorted(["top@x.org", *emails])
        assert max(sizes) <= batch
