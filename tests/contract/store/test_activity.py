"""Activity: found behaviors, out of order as in order, once an episode, bounded. The same on both engines."""

import asyncio
import os
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskrelay.actions.behaviors import set_behaviors, set_detection
from riskrelay.actions.large_writes import LARGE
from riskrelay.actions.record_activity import ActivityRecorded, record_activity
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.activity import MAX_KEPT, Activity, ActivityId, DlpHit, Login
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.local.ids import SystemIds
from riskrelay.ports import Services, Store, UserProfile
from riskrelay.storage.engines.postgres import PostgresStore
from riskrelay.storage.risk import activity as activity_rows
from support.services import NOON, HandClock, services_of
from support.statements import statements
from support.world import ACCOUNT, OTHER, account_with_integration

PARIS, NEW_YORK, TOKYO = (48.8566, 2.3522), (40.7128, -74.006), (35.6762, 139.6503)
KAI = UserId("0d9b6c9e-6d3f-4b0c-9c58-52c2a80a8a11")
EXAMPLES = 200 if os.environ.get("RISKRELAY_SOAK") else 8


def activity(
    seen: Login | DlpHit, email: str = "kai@example.com", activity_id: str | None = None, user_id: UserId | None = None
) -> Activity:
    """Activity as the edge would make it."""
    digest = sha256(f"{email} {seen}".encode()).digest()
    return Activity(
        activity_id=None if activity_id is None else ActivityId(activity_id),
        user=UserRef(email, None, user_id),
        seen=seen,
        digest=digest,
    )


def login(minutes: float, place: tuple[float, float], **more: Any) -> Activity:
    return activity(
        Login(at=NOON + timedelta(minutes=minutes), latitude=place[0], longitude=place[1], application="mail"), **more
    )


def hits(count: int, first: float = 0, **more: Any) -> list[Activity]:
    """DLP hits, a second after each other."""
    times = [NOON + timedelta(seconds=first + number) for number in range(count)]
    return [activity(DlpHit(at, "cards"), **more) for at in times]


async def send(services: Services, *sent: Activity, account_id: AccountId = ACCOUNT) -> ActivityRecorded:
    """One request."""
    return await record_activity(services, account_id, dict(enumerate(sent)))


async def profile(store: Store, user_id: UserId, account_id: AccountId = ACCOUNT) -> UserProfile:
    found = await store.read(account_id, lambda tx: tx.users.profile(user_id, 0, 1_000))
    assert found is not None
    return found


async def test_impossible_travel_moves_the_level(store: Store) -> None:
    """Two logins too far apart: one finding with the evidence, one change, one queued event."""
    services = services_of(store)
    await account_with_integration(services)
    first = await send(services, login(-50, PARIS))
    assert (first.accepted, first.findings, first.changes) == (1, [], [])
    second = await send(services, login(-10, NEW_YORK))
    ((finding, standing),) = second.findings
    (change,) = second.changes
    assert (finding.behavior, finding.occurred_at, standing.email) == (
        "imp_travel",
        NOON - timedelta(minutes=10),
        "kai@example.com",
    )
    assert (change.previous, change.current, change.behaviors) == (None, RiskLevel.MEDIUM, ("imp_travel",))
    details = msgspec.json.decode(finding.details_json or "")
    assert [one["latitude"] for one in details["logins"]] == [48.8566, 40.7128]
    again = await send(services, login(-5, PARIS))
    assert (again.accepted, again.findings, again.changes) == (1, [], [])
    found = await profile(store, standing.user_id)
    assert [one.finding_id for one in found.findings] == [finding.finding_id]
    assert msgspec.json.decode(found.findings[0].details_json or "")["episode"]["logins"] == 3
    (ledger,) = await store.read_installation(lambda tx: tx.ledgers())
    assert ledger.queued == 1


async def test_fifteen_hits_in_a_minute_move_the_level(store: Store) -> None:
    """In one batch or one by one; the sixteenth extends the episode and triggers nothing."""
    services = services_of(store)
    await account_with_integration(services)
    at_once = await send(services, *hits(15))
    assert [finding.behavior for finding, _ in at_once.findings] == ["high_dlp"]
    single = [await send(services, hit) for hit in hits(16, email="lou@example.com")]
    assert [len(one.findings) for one in single] == [0] * 14 + [1, 0]
    assert [len(one.changes) for one in single] == [0] * 14 + [1, 0]
    found = await profile(store, single[14].changes[0].user_id)
    assert msgspec.json.decode(found.findings[0].details_json or "")["hits"] == 16
    assert (found.standing.event_count, found.standing.last_event_at) == (1, NOON + timedelta(seconds=14))


@dataclass(frozen=True)
class Late:
    """An activity and how long after it happened it arrives."""

    sent: Activity
    delay: timedelta

    @property
    def arrival(self) -> datetime:
        """Activity arrives every ten minutes, in batches; at most an hour late."""
        since = self.sent.seen.at + self.delay - NOON
        return NOON + -(-since // timedelta(minutes=10)) * timedelta(minutes=10)


DELAYS = st.integers(0, 50).map(lambda minutes: timedelta(minutes=minutes))
USERS = st.sampled_from([("kai@example.com", KAI), ("lou@example.com", UserId(str(uuid.UUID(int=1))))])
LOGINS = st.builds(
    lambda minutes, place, user, delay: [Late(login(minutes, place, email=user[0], user_id=user[1]), delay)],
    st.integers(0, 3 * 24 * 60),
    st.sampled_from([PARIS, NEW_YORK, TOKYO]),
    USERS,
    DELAYS,
)
BURSTS = st.builds(
    lambda minute, second, delays, user: [
        Late(one, delay)
        for one, delay in zip(
            hits(len(delays), 60 * minute + second, email=user[0], user_id=user[1]), delays, strict=True
        )
    ],
    st.integers(0, 3),
    st.integers(0, 59),
    st.lists(DELAYS, min_size=4, max_size=12),
    USERS,
)
ARRIVALS = st.lists(LOGINS | BURSTS, min_size=5, max_size=25).map(lambda lists: [one for many in lists for one in many])


async def arrive(store: Store, batches: Sequence[tuple[datetime, list[Activity]]]) -> AccountId:
    """Let batches arrive, each at its time, in an account of their own."""
    account_id = AccountId(str(uuid.uuid4()))
    clock = HandClock()
    services = replace(services_of(store, clock), ids=SystemIds())
    await account_with_integration(services, account_id)
    for at, batch in batches:
        clock.pass_time(at - clock.now())
        recorded = await send(services, *batch, account_id=account_id)
        assert recorded.accepted == len(batch)
    return account_id


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ARRIVALS)
async def test_late_activity_ends_in_what_it_would_have_been_in_order(store: Store, sent: list[Late]) -> None:
    """Up to an hour late, over days, with all that is forgotten meanwhile: the same findings with the same evidence,
    the same level and the same counts."""
    in_order = sorted((one.sent for one in sent), key=lambda one: one.seen.at)
    punctual = await arrive(store, [(one.seen.at, [one]) for one in in_order])
    by_arrival = groupby(sorted(sent, key=lambda one: one.arrival), key=lambda one: one.arrival)
    late = await arrive(store, [(at, [one.sent for one in batch]) for at, batch in by_arrival])
    for user_id in {one.sent.user.user_id for one in sent if one.sent.user.user_id is not None}:
        expected, found = await profile(store, user_id, punctual), await profile(store, user_id, late)
        assert [(one.finding_id, one.occurred_at, one.details_json) for one in found.findings] == [
            (one.finding_id, one.occurred_at, one.details_json) for one in expected.findings
        ]
        assert msgspec.structs.replace(found.standing, changed_at=expected.standing.changed_at) == expected.standing
        assert expected.standing.event_count == len(expected.findings)


async def test_late_activity_merges_episodes(store: Store) -> None:
    """Two bursts turn out to be one: one finding is left, and the level does not move again."""
    services = services_of(store)
    await account_with_integration(services)
    two = await send(services, *hits(15, -300), *hits(15, -200))
    assert [len(two.findings), len(two.changes)] == [2, 1]
    merged = await send(services, *hits(80, -285))
    assert (merged.findings, merged.changes) == ([], [])
    found = await profile(store, two.changes[0].user_id)
    assert [msgspec.json.decode(one.details_json or "")["hits"] for one in found.findings] == [110]
    assert (found.standing.event_count, found.standing.level) == (1, RiskLevel.HIGH)
    earlier = await send(services, *hits(10, -310))
    assert (earlier.findings, earlier.changes) == ([], [])
    assert (await profile(store, two.changes[0].user_id)).standing.event_count == 1


async def test_a_reset_closes_episodes(store: Store) -> None:
    """What belongs to a cleared episode counts no longer, so nothing brings it back; what happens anew counts."""
    services = services_of(store)
    await account_with_integration(services)
    recorded = await send(services, login(-50, PARIS), login(-45, NEW_YORK), *hits(15, -600))
    user_id = recorded.changes[0].user_id
    await reset_user(services, ACCOUNT, COMMAND_LINE, user_id)
    more = await send(services, login(-40, NEW_YORK), login(-46, NEW_YORK), *hits(10, -590))
    assert (more.accepted, more.findings, more.changes) == (12, [], [])
    anew = await send(services, login(-30, TOKYO))
    assert [finding.behavior for finding, _ in anew.findings] == ["imp_travel"]
    assert [(change.previous, change.current) for change in anew.changes] == [(None, RiskLevel.MEDIUM)]
    again = await send(services, *hits(15, -600))
    assert [finding.behavior for finding, _ in again.findings] == ["high_dlp"]
    found = await profile(store, user_id)
    assert len(found.findings) == found.standing.event_count == 2
    assert found.standing.level is RiskLevel.HIGH


async def test_disabled_behaviors_trigger_nothing_and_later_neither(store: Store) -> None:
    """Activity whose behavior is disabled is counted and not kept: enabling it later looks at nothing of before."""
    services = services_of(store)
    await account_with_integration(services)
    off, on = (
        {BehaviorId(name): BehaviorSetting(enabled, RiskLevel.LOW) for name in ("imp_travel", "high_dlp")}
        for enabled in (False, True)
    )
    await set_behaviors(services, ACCOUNT, COMMAND_LINE, off)
    ignored = await send(services, login(-20, PARIS), login(-19, NEW_YORK), *hits(20, -60))
    assert (ignored.accepted, ignored.ignored, ignored.findings) == (0, 22, [])
    await set_behaviors(services, ACCOUNT, COMMAND_LINE, on)
    after = await send(services, login(-18, PARIS), *hits(1, -40))
    assert (after.accepted, after.findings) == (2, [])
    assert len((await send(services, login(-17, NEW_YORK))).findings) == 1


async def test_the_limits_are_the_accounts(store: Store) -> None:
    """What is too fast for one account is not for another; a change holds for what arrives from then on, and is
    written down who made it."""
    services = services_of(store)
    await account_with_integration(services)
    await account_with_integration(services, OTHER)
    assert await store.read(ACCOUNT, lambda tx: tx.detection.limits()) == TravelLimits()
    await set_detection(services, ACCOUNT, COMMAND_LINE, TravelLimits(max_km_per_h=10_000))
    pair = login(-60, PARIS), login(0, NEW_YORK)
    assert (await send(services, *pair)).findings == []
    assert len((await send(services, *pair, account_id=OTHER)).findings) == 1
    await set_detection(services, ACCOUNT, COMMAND_LINE, TravelLimits(min_km=6_000))
    await set_detection(services, ACCOUNT, COMMAND_LINE, TravelLimits(min_km=6_000))
    assert (await send(services, login(-1, PARIS))).findings == []
    await set_detection(services, ACCOUNT, COMMAND_LINE, TravelLimits())
    assert len((await send(services, login(-2, PARIS))).findings) == 1
    entries = await store.read(ACCOUNT, lambda tx: tx.audit.page(None, None, 10))
    assert [entry.kind.value for entry in entries].count("detection") == 3


async def test_cities_stand_in_the_reason_when_the_account_says_so(store: Store) -> None:
    """Never by default: where a person was is personal data."""
    services = services_of(store)
    for account_id, cities in ((ACCOUNT, False), (OTHER, True)):
        await account_with_integration(services, account_id)
        await set_detection(services, account_id, COMMAND_LINE, TravelLimits(cities_in_reason=cities))
        sent = [login(-50, PARIS), login(-10, NEW_YORK)]
        named = [
            replace(one, seen=msgspec.structs.replace(one.seen, city=city))
            for one, city in zip(sent, ("Paris", "New York"), strict=True)
        ]
        (change,) = (await send(services, *named, account_id=account_id)).changes
        assert change.reason == "Impossible Travel" + (" (Paris → New York in 40 min)" if cities else "")


async def test_late_activity_is_used_for_as_long_as_the_account_says(store: Store) -> None:
    """A day late, in either order; its rows are kept for so much longer."""
    services = services_of(store)
    await account_with_integration(services)
    assert (await send(services, login(-23 * 60, PARIS))).late == 1
    await set_detection(services, ACCOUNT, COMMAND_LINE, TravelLimits(lateness_hours=24))
    assert (await send(services, login(-22 * 60, NEW_YORK))).accepted == 1
    assert len((await send(services, login(-23 * 60, PARIS))).findings) == 1
    assert (await send(services, login(-25 * 60, PARIS))).late == 1


async def test_places_are_learned_only_when_the_account_says_so(store: Store) -> None:
    """After a day, travel between two places of the days before is possible; to a new one it is not."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    await set_detection(services, ACCOUNT, COMMAND_LINE, TravelLimits(known_places_days=30))

    async def commute(*places: tuple[float, float]) -> int:
        now = clock.now()
        seen = [
            Login(at=now - timedelta(minutes=minutes), latitude=place[0], longitude=place[1], application=None)
            for minutes, place in enumerate(places)
        ]
        return len((await send(services, *map(activity, seen))).findings)

    assert await commute(PARIS, NEW_YORK) == 1
    clock.pass_time(timedelta(hours=23))
    assert await commute(PARIS, NEW_YORK) == 1
    clock.pass_time(timedelta(days=3))
    assert await commute(PARIS, NEW_YORK) == 0
    assert await commute(TOKYO) == 1
    clock.pass_time(timedelta(days=40))
    assert await commute(PARIS, NEW_YORK) == 1


async def test_an_id_makes_a_repeat_harmless(store: Store) -> None:
    """Once for the account; another body is refused with its place; without an id each counts."""
    services = services_of(store)
    await account_with_integration(services)
    named = [activity(one.seen, activity_id=f"hit-{number}") for number, one in enumerate(hits(15))]
    assert (await send(services, *named[:14])).accepted == 14
    assert (await send(services, *named[:14], *named[:14])).duplicates == 28
    assert len((await send(services, named[14])).findings) == 1
    with pytest.raises(Invalid) as caught:
        await send(services, *hits(1), activity(hits(1, 99)[0].seen, activity_id="hit-3"))
    assert [fault.pointer for fault in caught.value.faults] == ["/1/id"]
    nameless = await send(services, *hits(1, email="lou@example.com") * 15)
    assert (nameless.accepted, len(nameless.findings)) == (15, 1)


async def test_too_late_and_too_early(store: Store) -> None:
    """More than an hour late: counted, not used. From the future: refused, with the place."""
    services = services_of(store)
    await account_with_integration(services)
    late = await send(services, login(-60, PARIS), login(-60.01, NEW_YORK), login(5, PARIS))
    assert (late.accepted, late.late, late.findings) == (2, 1, [])
    with pytest.raises(Invalid) as caught:
        await send(services, login(0, NEW_YORK), login(5.01, NEW_YORK), login(9, NEW_YORK))
    assert [fault.pointer for fault in caught.value.faults] == ["/1/timestamp", "/2/timestamp"]
    assert len((await send(services, login(0, NEW_YORK))).findings) == 1


async def test_what_nothing_can_follow_from_any_more_is_forgotten(store: Store) -> None:
    """After the reach of the rules and the hour of lateness; an episode that still goes on keeps its beginning."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    started = await send(services, login(0, PARIS), login(0, NEW_YORK), *hits(14))
    ((finding, standing),) = started.findings
    for hours in range(5, 101, 5):
        clock.pass_time(timedelta(hours=5))
        place = PARIS if hours % 2 else NEW_YORK
        assert (await send(services, login(60 * hours, place))).findings == []
    always = NOON - timedelta(days=1), NOON + timedelta(days=9)
    kept = await store.read(ACCOUNT, lambda tx: tx.activities.kept(Login, [standing.user_id], always, 1_000))
    assert [one.seen.at for one in kept[standing.user_id]] == [
        NOON + timedelta(hours=hours) for hours in (100, 95, 90, 85, 80)
    ]
    assert await store.read(ACCOUNT, lambda tx: tx.activities.kept(DlpHit, [standing.user_id], always, 1_000)) == {}
    (shown,) = (await profile(store, standing.user_id)).findings
    details = msgspec.json.decode(shown.details_json or "")
    assert shown.finding_id == finding.finding_id
    assert (details["episode"]["logins"], details["episode"]["first_login"]["timestamp"]) == (
        22,
        "2026-03-17T12:00:00Z",
    )


async def test_much_activity_of_a_user_is_read_in_batches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is that of one query. PostgreSQL's rows are read on the event loop, which serves others between."""
    services = services_of(store)
    await account_with_integration(services)
    await send(services, *(login(number / 100, PARIS) for number in range(200)))
    known = await store.read(ACCOUNT, lambda tx: tx.users.find([UserRef("kai@example.com", None, None)]))
    (user_id,) = [standing.user_id for standing in known.values()]
    always = NOON - timedelta(days=1), NOON + timedelta(days=1)
    whole = await store.read(ACCOUNT, lambda tx: tx.activities.kept(Login, [user_id], always, 180))
    turns, read_in = 0, list[int]()
    read_row = activity_rows._READ[Login]

    def noted(row: Any) -> Any:
        read_in.append(turns)
        return read_row(row)

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(activity_rows, "_BATCH_ROWS", 60)
    monkeypatch.setattr(activity_rows, "_READ", {Login: noted})
    beside = asyncio.create_task(take_turns())
    found = await store.read(ACCOUNT, lambda tx: tx.activities.kept(Login, [user_id], always, 180, in_batches=True))
    beside.cancel()
    assert found == whole
    assert len(found[user_id]) == 180
    if isinstance(store, PostgresStore):
        assert max(Counter(read_in).values()) == 60


async def test_activity_at_once_ends_in_one_episode(store: Store) -> None:
    """Each hit a request of its own, all at the same time: one finding, one change, one event."""
    services = services_of(store)
    await account_with_integration(services)
    results = await asyncio.gather(*(send(services, hit) for hit in hits(30)))
    assert sum(result.accepted for result in results) == 30
    assert sum(len(result.findings) for result in results) == 1
    (change,) = [change for result in results for change in result.changes]
    found = await profile(store, change.user_id)
    assert [msgspec.json.decode(one.details_json or "")["hits"] for one in found.findings] == [30]
    (ledger,) = await store.read_installation(lambda tx: tx.ledgers())
    assert ledger.queued == 1


async def test_batches_of_shared_users_do_not_lock_each_other_out(store: Store) -> None:
    """Two orders of the same users at once, while old activity is forgotten: all are accepted."""
    clock = HandClock()
    services = services_of(store, clock)
    await account_with_integration(services)
    emails = [f"u{number}@example.com" for number in range(30)]
    await send(services, *(hits(1, email=email)[0] for email in emails * 10))
    clock.pass_time(timedelta(hours=2))
    batches = [
        [activity(DlpHit(clock.now(), "cards"), email) for email in order] for order in (emails, emails[::-1]) * 8
    ]
    results = await asyncio.gather(*(send(services, *batch) for batch in batches))
    assert [result.accepted for result in results] == [30] * 16
    assert sum(len(result.findings) for result in results) == 30
    assert sum(len(result.changes) for result in results) == 30


async def test_a_batch_costs_few_statements(store: Store) -> None:
    """As many for thirteen users with a finding each as for two. Each part of a large one costs as many."""
    services = services_of(store)
    await account_with_integration(services)
    counts = []
    for users in (2, 13, 400):
        batch = [one for number in range(users) for one in hits(15, email=f"{users}-{number}@example.com")]
        with statements() as executed:
            recorded = await send(services, *batch[: users * 15])
        assert len(recorded.changes) == users
        counts.append(
            len(
                [
                    one
                    for one in executed
                    if not one.startswith(("INSERT", "SAVEPOINT", "RELEASE", "SET LOCAL", "PRAGMA"))
                ]
            )
        )
        inserted = [one for one in executed if one.startswith("INSERT")]
        parts = 1 + users * 15 // LARGE
        assert len(inserted) <= 20 * parts  # on SQLite the rows of a table take at most four runs
    assert counts[0] == counts[1] <= 22
    assert counts[2] <= 22 * parts


async def test_ten_thousand_at_once(store: Store) -> None:
    """A request of the largest allowed size about two thousand users is accepted."""
    services = services_of(store)
    await account_with_integration(services)
    batch = [login(-n / 1_000, (PARIS, NEW_YORK)[n % 2], email=f"u{n // 5}@example.com") for n in range(10_000)]
    recorded = await send(services, *batch)
    assert (recorded.accepted, len(recorded.findings), len(recorded.changes)) == (10_000, 2_000, 2_000)


async def test_a_machine_account_costs_no_more_than_the_latest(store: Store) -> None:
    """Of thousands of earlier logins only the latest are looked at, and they suffice to find it."""
    services = services_of(store)
    await account_with_integration(services)
    await send(services, *(login(-50 + number / 1_000, PARIS) for number in range(MAX_KEPT + 500)))
    ((finding, _),) = (await send(services, login(0, TOKYO))).findings
    assert msgspec.json.decode(finding.details_json or "")["episode"]["logins"] == MAX_KEPT + 1
