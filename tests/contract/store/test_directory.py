"""The directory in both stores: which names are one, batches, pages, and the names that signals were lost for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.accounts import create_account
from riskrelay.actions.directory import (
    clear_directory,
    delete_entries,
    put_entries,
    record_missed_names,
)
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import FaultKind, Invalid
from riskrelay.core.quotas import Quotas
from riskrelay.core.sources.directory import MAX_MISSED_NAMES, DirectoryEntry, missed_names, names_to_find, with_users
from riskrelay.core.sources.signals import FindingSignal, Name, NameKind
from riskrelay.local.missed_names import MAX_PENDING_NAMES, PendingMissedNames
from riskrelay.ports import Services, Store
from support.services import NOON, services_of
from support.world import ACCOUNT, OTHER

KAI, LOU = "kai@example.com", "lou@example.com"


def host(value: str) -> Name:
    return Name(kind="host", value=value)


def entry(kind: NameKind, value: str, email: str = KAI) -> DirectoryEntry:
    return DirectoryEntry(name=Name(kind=kind, value=value), email=email)


@pytest.fixture
async def services(store: Store) -> Services:
    services = services_of(store)
    await create_account(services, ACCOUNT, COMMAND_LINE)
    await create_account(services, OTHER, COMMAND_LINE)
    return services


async def put(services: Services, *entries: DirectoryEntry) -> int:
    return await put_entries(services, ACCOUNT, COMMAND_LINE, entries)


async def resolve(services: Services, signals: Sequence[Sequence[Name]]) -> list[str | None]:
    """The address that each signal gets from the directory; the names of lost ones are noted."""
    mapped = [
        FindingSignal(behavior="b", identities=(), names=tuple(names), at_ms=0, event_id="e") for names in signals
    ]
    names = names_to_find(mapped)
    found = with_users(mapped, await services.store.read(ACCOUNT, lambda tx: tx.directory.find_emails(names)))
    services.missed_names.note(ACCOUNT, missed_names(found), services.clock.now())
    signals_found = [one for one in found if isinstance(one, FindingSignal)]
    return [one.identities[0] if one.identities else None for one in signals_found]


async def missed(services: Services) -> list[tuple[str, int]]:
    found = await services.store.read(ACCOUNT, lambda tx: tx.missed_names.top(MAX_MISSED_NAMES))
    return [(one.name.value, one.signals) for one in found]


async def miss(services: Services, names: Mapping[Name, int]) -> None:
    await record_missed_names(services.store, {ACCOUNT: names}, services.clock.now())


async def test_letter_case_counts_where_the_kind_says_so(services: Services) -> None:
    """User names, UPNs and hosts are one in any spelling; device ids and subs are not, and kinds are apart."""
    kinds: list[NameKind] = ["user_name", "upn", "host", "device_id", "sub"]
    assert await put(services, *(entry(kind, "Müller-7", f"{kind}@example.com") for kind in kinds)) == 5
    spelled = [Name(kind=kind, value=value) for kind in kinds for value in ("Müller-7", "MU\u0308LLER-7")]
    found = await services.store.read(ACCOUNT, lambda tx: tx.directory.find_emails(spelled))
    exact = [name for name in spelled if name.value == "Müller-7" or name.kind not in ("device_id", "sub")]
    assert found == {name: f"{name.kind}@example.com" for name in exact}
    assert await put(services, entry("host", "MÜLLER-7", LOU)) == 0
    assert await services.store.read(ACCOUNT, lambda tx: tx.directory.find("müller-7")) == [
        entry("user_name", "Müller-7", "user_name@example.com"),
        entry("upn", "Müller-7", "upn@example.com"),
        entry("host", "MÜLLER-7", LOU),
    ]


async def test_a_request_is_resolved_by_the_first_name_that_is_known(services: Services) -> None:
    """Whatever its names hold; another account's directory is not asked."""
    await put(services, entry("host", "a"), entry("upn", "b", LOU))
    await put_entries(services, OTHER, COMMAND_LINE, [entry("host", "theirs")])
    b, strange = Name(kind="upn", value="B"), host("\ud800\x00")
    signals = [[strange, host("A")], [b, host("a")], [], [host("theirs")], [strange], [host("x" * 10_000)]]
    assert await resolve(services, signals) == [KAI, LOU, None, None, None, None]
    many = [[host(f"{number}")] for number in range(12_000)] + [[host("a")]]
    assert (await resolve(services, many))[-1] == KAI


async def test_lost_signals_are_counted_once_for_each_of_their_names(services: Services) -> None:
    """After the next flush; an entry for a name takes it off the list; text that no database takes is left out."""
    await put(services, entry("host", "known"))
    signals = [[host("lost")], [host("LOST"), host("lost"), Name(kind="sub", value="s")], [host("lost"), host("known")]]
    await resolve(services, [*signals, [host("\ud800")], [host("a\x00b")]])
    assert await missed(services) == []
    counter = services.missed_names
    assert isinstance(counter, PendingMissedNames)
    await counter.flush(services.store)
    assert await missed(services) == [("lost", 3), ("s", 1)]
    await put(services, entry("host", "Lost"))
    assert await missed(services) == [("s", 1)]
    await miss(services, {host("lost"): 5})  # noted by another process before
    assert await missed(services) == [("s", 1)]


async def test_only_so_many_missed_names_are_kept(services: Services) -> None:
    """Those with the most signals, and the latest, which may become such; none that no signal has named for a month."""
    await miss(services, {host("often"): 5, host("seldom"): 1})
    minutes = [NOON + timedelta(minutes=minute) for minute in range(5)]
    many = {host(f"{number}"): 2 for number in range(2 * MAX_MISSED_NAMES)}
    await record_missed_names(services.store, {ACCOUNT: many}, minutes[1])
    names = await missed(services)
    assert (len(names), names[0]) == (MAX_MISSED_NAMES, ("often", 5))
    stored = await services.store.read(ACCOUNT, lambda tx: tx.missed_names.top(10 * MAX_MISSED_NAMES))
    assert len(stored) <= 2 * MAX_MISSED_NAMES
    assert "seldom" not in {one.name.value for one in stored}
    for minute in minutes[2:]:
        await record_missed_names(services.store, {ACCOUNT: {host("new"): 1}}, minute)
    assert (await missed(services))[1] == ("new", 3)
    later = NOON + timedelta(days=31)
    await record_missed_names(services.store, {ACCOUNT: {host("last"): 1}}, later)
    assert await missed(services) == [("last", 1)]


async def test_a_flood_of_names_takes_a_bounded_memory(services: Services) -> None:
    """Missed names above the bound are not counted until the next flush."""
    counter = PendingMissedNames()
    for start in range(0, 3 * MAX_PENDING_NAMES, 1_000):
        counter.note(ACCOUNT, {host(f"{number}"): 1 for number in range(start, start + 1_000)}, NOON)
    assert counter.pending == MAX_PENDING_NAMES
    await counter.flush(services.store)
    assert counter.pending == 0
    assert len(await missed(services)) == MAX_MISSED_NAMES


async def test_pages_follow_each_other_and_a_user_has_their_names(services: Services) -> None:
    """By kind and name; letter case of the address does not count; deleting takes one or all."""
    await put(services, *(entry("host", f"h{number}") for number in range(5)), entry("upn", "u", "Lou@Example.com"))
    first = await services.store.read(ACCOUNT, lambda tx: tx.directory.page(None, None, None, 4))
    rest = await services.store.read(ACCOUNT, lambda tx: tx.directory.page(None, None, ("host", "h3"), 4))
    assert [one.name.value for one in (*first, *rest)] == ["h0", "h1", "h2", "h3", "h4", "u"]
    assert await services.store.read(ACCOUNT, lambda tx: tx.directory.page(None, LOU, None, 4)) == [rest[-1]]
    assert await services.store.read(ACCOUNT, lambda tx: tx.directory.page("upn", None, None, 4)) == [rest[-1]]
    assert await delete_entries(services, ACCOUNT, COMMAND_LINE, [host("H0"), host("none")]) == 1
    await put_entries(services, OTHER, COMMAND_LINE, [entry("host", "theirs")])
    assert await clear_directory(services, ACCOUNT, COMMAND_LINE) == 5
    assert await clear_directory(services, ACCOUNT, COMMAND_LINE) == 0
    assert await services.store.read(OTHER, lambda tx: tx.directory.count(10)) == 1


async def test_an_account_has_so_many_entries_and_no_more(services: Services) -> None:
    """Overwriting needs no room; of entries of one name in a request the last counts."""
    small = replace(services, quotas=Quotas(directory_entries=2))
    assert await put(small, entry("host", "a"), entry("host", "A", LOU), entry("host", "b")) == 2
    with pytest.raises(Invalid) as refused:
        await put(small, entry("host", "a"), entry("host", "c"))
    assert [fault.kind for fault in refused.value.faults] == [FaultKind.QUOTA_REACHED]
    assert await put(small, entry("host", "a", LOU), entry("host", "b", LOU)) == 0
    assert await resolve(small, [[host("a")], [host("b")], [host("c")]]) == [LOU, LOU, None]
