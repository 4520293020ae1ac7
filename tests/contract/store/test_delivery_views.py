"""What the console shows of deliveries, on both engines."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import DeliveryFilter, DeliveryPage, EventPlace, ReasonPlace, Sent, Services, Store
from riskrelay.storage.delivery import scans
from support.delivering import ACCEPTED, FAILED, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_request", status=400, retry_after=None, detail="no")


async def queued(world: World, *emails: str) -> None:
    """A change of each user, a minute apart."""
    for email in emails:
        await record(world.services, finding(email, "high_dlp"))
        world.clock.pass_time(timedelta(minutes=1))


async def page_of(
    world: World, state: DeliveryState | None, behind: Mapping[str, int] | None = None, limit: int = 10
) -> DeliveryPage:
    """A page of the world's integration."""
    integration_id = world.integration.integration_id
    return await world.services.store.read(
        ACCOUNT, lambda tx: tx.delivery_views.page(integration_id, DeliveryFilter(state=state), behind or {}, limit)
    )


async def emails_of(world: World, page: DeliveryPage) -> list[str]:
    """About whom the deliveries of a page are."""
    return [(await at(world, one.stream_id, one.lane, one.seq)).claims["sub_id"]["email"] for one in page.deliveries]


async def at(world: World, stream_id: str, lane: int, seq: int) -> Sent:
    place = EventPlace(stream_id, lane, seq)  # type: ignore[arg-type]
    found = await world.services.store.read(
        ACCOUNT, lambda tx: tx.delivery_views.at(world.integration.integration_id, place)
    )
    assert found is not None
    return found


async def mixed(store: Store) -> World:
    """One of each: delivered, dead, pending after a failure, delivered, not tried yet."""
    world = await world_of(store, HandClock())
    outcomes = {"dead@x.org": REFUSED, "fails@x.org": FAILED}
    world.receiver.answers = lambda email: outcomes.get(email, ACCEPTED)
    await queued(world, "first@x.org", "dead@x.org", "fails@x.org", "last@x.org")
    await world.deliver_once(10)
    await queued(world, "waits@x.org")
    return world


async def test_each_state_shows_its_own_and_nothing_else(store: Store) -> None:
    """The newest first."""
    world = await mixed(store)
    shown = {state: await emails_of(world, await page_of(world, state)) for state in DeliveryState}
    assert shown == {
        DeliveryState.PENDING: ["waits@x.org", "fails@x.org"],
        DeliveryState.DELIVERED: ["last@x.org", "first@x.org"],
        DeliveryState.DEAD: ["dead@x.org"],
        DeliveryState.EXPIRED: [],
        DeliveryState.CANCELLED: [],
        DeliveryState.ERASED: [],
        DeliveryState.SUPERSEDED: [],
    }
    everything = await page_of(world, None)
    assert await emails_of(world, everything) == [
        "waits@x.org",
        "last@x.org",
        "fails@x.org",
        "dead@x.org",
        "first@x.org",
    ]
    assert everything.older is None


async def paged(world: World, state: DeliveryState | None) -> list[str]:
    """The deliveries of all pages of one."""
    found: list[str] = []
    behind: Mapping[str, int] | None = {}
    for _ in range(20):
        page = await page_of(world, state, behind, 1)
        found += [one.jti for one in page.deliveries]
        behind = page.older
        if behind is None:
            return found
    raise AssertionError("the pages do not end")


async def test_pages_together_are_the_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing twice, nothing left out, however little one page looks at."""
    world = await mixed(store)
    states = [None, *DeliveryState]
    whole = [[one.jti for one in (await page_of(world, state)).deliveries] for state in states]
    for near in (1, 4):  # pages in the first window
        monkeypatch.setattr(scans, "_NEAR", near)
        for window in (1, 2, 2_000):
            monkeypatch.setattr(scans, "_WINDOW", window)
            assert [await paged(world, state) for state in states] == whole


async def test_a_few_of_a_long_log_need_no_whole_window(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest delivered and dead ones are near the end of nearly every log."""
    world = await mixed(store)
    read: list[int] = []
    window = scans._window

    def noted(*arguments: Any, many: int, **more: Any) -> scans.Scan:
        read.append(many)
        return window(*arguments, many=many, **more)

    monkeypatch.setattr(scans, "_window", noted)
    for state in (DeliveryState.DELIVERED, DeliveryState.DEAD):
        assert len((await page_of(world, state, limit=1)).deliveries) == 1
    assert max(read) == 8


async def test_the_newest_of_the_account_are_found_where_something_happened(store: Store) -> None:
    """Tried or waiting, with what their SETs say; nothing of another account."""
    world = await mixed(store)
    await account_with_integration(world.services, OTHER)
    await record(world.services, finding("elsewhere@x.org", "high_dlp"), account_id=OTHER)

    async def newest(account_id: AccountId, limit: int) -> list[str]:
        found = await store.read(account_id, lambda tx: tx.delivery_views.latest(None, None, limit))
        return [one.claims["sub_id"]["email"] for one in found]

    assert await newest(ACCOUNT, 2) == ["waits@x.org", "last@x.org"]
    assert await newest(OTHER, 10) == ["elsewhere@x.org"]
    mine = world.integration.integration_id
    dead = await store.read(ACCOUNT, lambda tx: tx.delivery_views.latest(mine, DeliveryState.DEAD, 10))
    assert [one.delivery.state for one in dead] == [DeliveryState.DEAD]
    assert await store.read(OTHER, lambda tx: tx.delivery_views.latest(mine, None, 10)) == []


async def dead_letters(services: Services, after: ReasonPlace | None = None, limit: int = 10) -> list[tuple[str, int]]:
    found = await services.store.read(ACCOUNT, lambda tx: tx.delivery_views.dead_letters(after, limit))
    return [(group.reason, group.count) for group in found]


async def test_dead_letters_are_grouped_by_reason(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their numbers, counted to a bound, and their latest; in pages; those of a deleted integration are gone."""
    world = await world_of(store, HandClock())
    other = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_key", status=400)
    world.receiver.answers = lambda email: other if email.startswith("key") else REFUSED
    await queued(world, "a@x.org", "key@x.org", "b@x.org", "c@x.org")
    await world.deliver_once(10)
    assert await dead_letters(world.services) == [("invalid_key", 1), ("invalid_request", 3)]
    (first,) = await store.read(ACCOUNT, lambda tx: tx.delivery_views.dead_letters(None, 1))
    assert await dead_letters(world.services, first.place) == [("invalid_request", 3)]
    (latest,) = await store.read(ACCOUNT, lambda tx: tx.delivery_views.dead_letters(first.place, 1))
    assert (await at(world, *latest.latest)).claims["sub_id"]["email"] == "c@x.org"
    assert await store.read(OTHER, lambda tx: tx.delivery_views.dead_letters(None, 10)) == []
    at_time = world.clock.now()
    mine = world.integration.integration_id
    await store.write(ACCOUNT, lambda tx: tx.integrations.delete(mine, at_time))
    assert await dead_letters(world.services) == []


async def test_a_glance_tells_how_a_stream_is_doing(store: Store) -> None:
    """Its condition and what was tried last, without counting."""
    world = await mixed(store)
    mine = world.integration.integration_id
    (glance,) = await store.read(ACCOUNT, lambda tx: tx.delivery_views.glances([mine]))
    assert glance.condition.value == "healthy"
    assert glance.last_reason == "accepted"
    assert glance.last_attempt_at is not None
    assert await store.read(OTHER, lambda tx: tx.delivery_views.glances([mine])) == []


async def test_past_attempts_are_those_of_the_newest_events(store: Store) -> None:
    """Of one integration, with their results and latencies; a bound says from when on they are complete."""
    world = await mixed(store)
    mine = world.integration.integration_id
    everything = await store.read(ACCOUNT, lambda tx: tx.delivery_views.past_attempts(mine, 1_000))
    kinds = [one.kind for one in everything.attempts]
    assert sorted(kinds) == [OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.TRANSIENT]
    assert everything.since is None
    assert all(timedelta(0) <= one.latency <= timedelta(minutes=10) for one in everything.attempts)
    one_of_each_lane = await store.read(ACCOUNT, lambda tx: tx.delivery_views.past_attempts(mine, 1))
    assert one_of_each_lane.since is not None
    assert len(one_of_each_lane.attempts) < 4
    assert (await store.read(OTHER, lambda tx: tx.delivery_views.past_attempts(mine, 10))).attempts == []


async def test_a_type_and_a_time_filter_deliveries(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together with a state; pages find the same, however little one scans; the count is exact or unknown."""
    world = await mixed(store)
    mine = world.integration.integration_id
    everything = await page_of(world, None)
    third = everything.deliveries[2].queued_at
    okta = "https://schemas.okta.com/secevent/okta/event-type/user-risk-change"

    async def found(wanted: DeliveryFilter) -> tuple[list[str], int | None]:
        emails: list[str] = []
        behind: Mapping[str, int] | None = {}
        for _ in range(20):
            if behind is None:
                break
            place = behind
            page = await store.read(ACCOUNT, lambda tx, place=place: tx.delivery_views.page(mine, wanted, place, 2))  # type: ignore[misc]
            emails += await emails_of(world, page)
            behind = page.older
        assert behind is None
        return emails, await store.read(ACCOUNT, lambda tx: tx.delivery_views.count(mine, wanted))

    for window in (1, 2, 2_000):
        monkeypatch.setattr(scans, "_WINDOW", window)
        assert await found(DeliveryFilter(queued_from=third)) == (["waits@x.org", "last@x.org", "fails@x.org"], 3)
        delivered = DeliveryFilter(state=DeliveryState.DELIVERED, queued_from=third)
        assert await found(delivered) == (["last@x.org"], 1)
        pending = DeliveryFilter(state=DeliveryState.PENDING, event_type=okta)
        assert await found(pending) == (["waits@x.org", "fails@x.org"], None)
        assert await found(DeliveryFilter(event_type="https://example.com/other")) == ([], None)
    assert (await found(DeliveryFilter()))[1] == 5
    assert (await found(DeliveryFilter(state=DeliveryState.DEAD)))[1] == 1
