"""Much activity is decided before the transaction that writes, with the same outcome. The same on both engines."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, TypeVar, cast

import pytest

from riskrelay.actions import record_activity as recording
from riskrelay.actions.behaviors import set_detection
from riskrelay.actions.record_activity import ActivityRecorded, record_activity
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk import impossible_pairs, speeds
from riskrelay.core.risk.activity import Activity, ActivityId, DlpHit, Login
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.local.ids import SystemIds
from riskrelay.ports import Services, Store, Transaction, UserProfile
from support.services import NOON, HandClock, services_of
from support.world import ACCOUNT, OTHER, account_with_integration

T = TypeVar("T")
PLACES = [(48.8566, 2.3522), (40.7128, -74.006), (35.6762, 139.6503), (48.9, 2.4)]
KAI = UserId("0d9b6c9e-6d3f-4b0c-9c58-52c2a80a8a11")
LOU = UserId("0d9b6c9e-6d3f-4b0c-9c58-52c2a80a8a12")
EMAILS = {KAI: "kai@example.com", LOU: "lou@example.com"}


def activity(seen: Login | DlpHit, user_id: UserId = KAI, activity_id: str | None = None) -> Activity:
    """Activity as the edge would make it."""
    digest = sha256(f"{user_id} {seen}".encode()).digest()
    given = None if activity_id is None else ActivityId(activity_id)
    user = UserRef(EMAILS[user_id], None, user_id)
    return Activity(activity_id=given, user=user, seen=seen, digest=digest)


def login(minutes: float, place: tuple[float, float], user_id: UserId = KAI) -> Activity:
    at = NOON + timedelta(minutes=minutes)
    return activity(Login(at=at, latitude=place[0], longitude=place[1], application="mail"), user_id)


def far_apart(count: int) -> list[Activity]:
    """Logins of one user, each in another part of the world."""
    places = [((37 * number) % 170 - 84.7, (91 * number) % 350 - 174.7) for number in range(count)]
    return [login(-number / 100, place) for number, place in enumerate(places)]


async def send(services: Services, *sent: Activity, account_id: AccountId = ACCOUNT) -> ActivityRecorded:
    """One request."""
    return await record_activity(services, account_id, dict(enumerate(sent)))


class Watched:
    """A store that says what happens in its writing transactions.

    Args:
        meanwhile: runs before each transaction that writes.
    """

    def __init__(self, store: Store, meanwhile: Callable[[], Any] | None = None) -> None:
        self._store = store
        self._meanwhile = meanwhile
        self.writing = False
        self.reads = self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def read(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        self.reads += 1
        return await self._store.read(account_id, work)

    async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        if self._meanwhile is not None:
            await self._meanwhile()
        self.writes += 1

        def watched(tx: Transaction) -> T:
            self.writing = True
            try:
                return work(tx)
            finally:
                self.writing = False

        return await self._store.write(account_id, watched)

    @property
    def store(self) -> Store:
        return cast(Store, self)


@contextmanager
def comparisons(watched: Watched) -> Iterator[dict[bool, int]]:
    """How many speeds are compared meanwhile: in transactions that write (True), and outside (False)."""
    counts = {True: 0, False: 0}
    compare = speeds.too_fast

    def counting(*given: Any) -> bool:
        counts[watched.writing] += 1
        return compare(*given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(impossible_pairs, "too_fast", counting)
        yield counts


async def test_much_activity_is_compared_outside_the_transaction_that_writes(store: Store) -> None:
    """Whether it arrives now or is stored already: no speed is compared while other transactions wait."""
    watched = Watched(store)
    services = replace(services_of(store), store=watched.store)
    await account_with_integration(services)
    with comparisons(watched) as counts:
        recorded = await send(services, *far_apart(300))
    assert (recorded.accepted, len(recorded.findings)) == (300, 1)
    assert (counts[True], counts[False] > 300) == (0, True)
    with comparisons(watched) as counts:
        await send(services, login(1, (0.0, 3.0)))
    assert (counts[True], counts[False] > 100) == (0, True)
    with comparisons(watched) as counts:
        await send(services, *(login(2, place, LOU) for place in PLACES))
    assert (counts[True] > 0, counts[False]) == (True, 0)  # little activity costs one transaction


async def shown(services: Services, account_id: AccountId, user_id: UserId) -> UserProfile | None:
    return await services.store.read(account_id, lambda tx: tx.users.profile(user_id, 0, 1_000))


async def outcome(services: Services, account_id: AccountId) -> list[Any]:
    """What receivers and people see of both users."""
    profiles = [await shown(services, account_id, user_id) for user_id in EMAILS]
    return [
        (one.standing, sorted((found.finding_id, found.occurred_at, found.details_json) for found in one.findings))
        for one in profiles
        if one is not None
    ]


async def play(services: Services, clock: HandClock, account_id: AccountId, seed: int) -> list[Any]:
    """A world of random batches, with resets and other limits between them; what each batch is answered."""
    chance = random.Random(seed)
    await account_with_integration(services, account_id)
    answers: list[Any] = []
    for round_ in range(8):
        now = clock.now() - NOON
        batch: list[Activity] = []
        for number in range(chance.randrange(1, 30)):
            user_id = chance.choice([KAI, LOU])
            at = now / timedelta(minutes=1) - chance.choice([0, 1, 2, 30, 59, 61])
            if chance.random() < 0.5:
                batch.append(login(at, chance.choice(PLACES), user_id))
            else:
                hit = DlpHit(NOON + timedelta(minutes=at, seconds=chance.randrange(4)), "cards")
                batch += [activity(hit, user_id, f"{round_}-{number}-{one // 2}") for one in range(10)]
        recorded = await send(services, *batch, account_id=account_id)
        counts = (recorded.accepted, recorded.duplicates, recorded.ignored, recorded.late)
        answers.append((counts, len(recorded.findings), [(one.email, one.current) for one in recorded.changes]))
        if chance.random() < 0.3:
            for user_id in EMAILS:
                if await shown(services, account_id, user_id) is not None:
                    await reset_user(services, account_id, COMMAND_LINE, user_id)
        if chance.random() < 0.3:
            limits = TravelLimits(
                max_km_per_h=chance.choice([100, 1_000, 10_000]), min_km=chance.choice([1, 500, 6_000])
            )
            await set_detection(services, account_id, COMMAND_LINE, limits)
        clock.pass_time(timedelta(minutes=chance.choice([0, 1, 20, 300])))
    return answers


@pytest.mark.parametrize("seed", range(6))
async def test_the_outcome_is_that_of_one_transaction(store: Store, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches, repeats, late activity, resets and changed limits: the same answers, findings, levels and counts."""
    worlds = []
    for account_id, few in ((ACCOUNT, 1_000_000), (OTHER, -1)):
        monkeypatch.setattr(recording, "LARGE", few)
        clock = HandClock()
        services = replace(services_of(store, clock), ids=SystemIds())
        answers = await play(services, clock, account_id, seed)
        worlds.append((answers, await outcome(services, account_id)))
    assert worlds[0] == worlds[1]


@pytest.mark.parametrize("times", [1, 5])
async def test_a_decision_that_no_longer_holds_is_made_again(
    store: Store, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other activity, a reset or other limits arrive between the decision and its transaction. After three times it is
    decided within the transaction."""
    monkeypatch.setattr(recording, "LARGE", 4)
    direct = services_of(store)
    await account_with_integration(direct)
    first = await send(direct, *far_apart(20))
    (change,) = first.changes
    left = times

    async def meanwhile() -> None:
        nonlocal left
        if left and watched.writes:  # the first transaction refuses to decide so much
            left -= 1
            monkeypatch.setattr(recording, "LARGE", 200)
            await send(direct, login(-left, PLACES[left % 3]))
            monkeypatch.setattr(recording, "LARGE", 4)

    watched = Watched(store, meanwhile)
    services = replace(direct, store=watched.store)
    recorded = await send(services, *(login(3, place) for place in PLACES))
    assert (recorded.accepted, recorded.findings) == (4, [])
    assert (watched.reads, watched.writes) == ((3, 3) if times == 1 else (4, 5))
    await reset_user(direct, ACCOUNT, COMMAND_LINE, change.user_id)
    ((standing, findings),) = await outcome(direct, ACCOUNT)
    assert (standing.level, findings) == (None, [])


async def test_a_reset_between_decision_and_transaction_counts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The activity then belongs to no episode of before the reset."""
    monkeypatch.setattr(recording, "LARGE", 2)
    direct = services_of(store)
    await account_with_integration(direct)
    await send(direct, login(-9, PLACES[0]), login(-8, PLACES[1]))
    done = False

    async def meanwhile() -> None:
        nonlocal done
        if not done and watched.writes:  # the first transaction refuses to decide so much
            done = True
            await reset_user(direct, ACCOUNT, COMMAND_LINE, KAI)

    watched = Watched(store, meanwhile)
    recorded = await send(replace(direct, store=watched.store), login(-7, PLACES[0]), login(-6, PLACES[2]))
    ((standing, findings),) = await outcome(direct, ACCOUNT)
    assert (len(recorded.findings), standing.resets, standing.event_count, len(findings)) == (1, 1, 1, 1)
    assert (watched.reads, watched.writes) == (3, 3)
