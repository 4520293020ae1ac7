"""Signing keys in the store, the same on both engines."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.signing_keys import complete_signing_keys, rotate_signing_keys
from riskrelay.core.audit import Kind
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import Invalid
from riskrelay.core.keys import Algorithm, Keyring, KeyState, SealedKey, key_in
from riskrelay.ports import Services, Store
from support.keys import HORIZON, KEYRING, make_key
from support.services import HandClock, services_of


async def stored(services: Services) -> list[SealedKey]:
    return await services.store.read_installation(lambda tx: tx.keys.all())


async def complete(services: Services) -> None:
    await complete_signing_keys(services, COMMAND_LINE, make_key)


async def rotate(services: Services) -> list[SealedKey]:
    return list(await rotate_signing_keys(services, COMMAND_LINE, KEYRING, at_once=True))


def kids(keys: list[SealedKey], state: KeyState) -> set[str]:
    return {key.kid for key in keys if key.state is state}


async def test_nodes_that_start_at_once_make_one_set_of_keys(store: Store) -> None:
    """Also when each has made its own before it looked."""
    services = services_of(store)
    await asyncio.gather(*(complete(services) for _ in range(4)))
    keys = await stored(services)
    assert sorted((key.algorithm, key.state) for key in keys) == [
        (algorithm, state) for algorithm in ("ES256", "RS256") for state in ("current", "next")
    ]
    entries = await store.read_installation(lambda tx: tx.audit_of(None).page(Kind.KEY, None, 100))
    assert {entry.thing_id for entry in entries} == {key.kid for key in keys}


async def test_a_rotation_promotes_the_next_key_and_deletes_unneeded_ones(store: Store) -> None:
    """The next key signs, the one before stays for the horizon, and is gone from the store with the rotation after."""
    clock = HandClock()
    services = services_of(store, clock)
    await complete(services)
    before = await stored(services)
    after = await rotate(services)
    assert after == await stored(services)
    assert kids(after, KeyState.CURRENT) == kids(before, KeyState.NEXT)
    assert kids(after, KeyState.RETIRED) == kids(before, KeyState.CURRENT)
    assert not kids(after, KeyState.NEXT) & {key.kid for key in before}
    clock.pass_time(HORIZON - timedelta(seconds=1))
    middle = await rotate(services)
    assert kids(before, KeyState.CURRENT) < kids(middle, KeyState.RETIRED)
    clock.pass_time(timedelta(seconds=1))
    last = await rotate(services)
    assert not kids(before, KeyState.CURRENT) & {key.kid for key in last}
    assert not kids(before, KeyState.CURRENT) & {key.kid for key in await stored(services)}
    entries = await store.read_installation(lambda tx: tx.audit_of(None).page(Kind.KEY, None, 100))
    assert len(entries) == 4 + 3 * 2


async def test_rotations_at_once_follow_each_other(store: Store) -> None:
    """Each one promotes a key that was there; never are there two current or two next keys."""
    services = services_of(store)
    await complete(services)
    await asyncio.gather(*(rotate(services) for _ in range(3)))
    keys = await stored(services)
    assert len(kids(keys, KeyState.RETIRED)) == 6
    for algorithm in Algorithm:
        assert key_in(keys, algorithm, KeyState.CURRENT) is not None
        assert sum(key.algorithm is algorithm and key.state is KeyState.NEXT for key in keys) == 1


async def test_a_rotation_waits_until_receivers_can_have_the_next_keys(store: Store) -> None:
    """An hour after they were published: so also a repeated request rotates once."""
    clock = HandClock()
    services = services_of(store, clock)
    keyring = Keyring(lambda algorithm: replace(make_key(algorithm), created_at=clock.now()), HORIZON)
    await complete_signing_keys(services, COMMAND_LINE, keyring.make)
    for _ in range(2):
        before = await stored(services)
        with pytest.raises(Invalid, match="/at_once: the next keys are not yet published for an hour"):
            await rotate_signing_keys(services, COMMAND_LINE, keyring, at_once=False)
        assert await stored(services) == before
        clock.pass_time(timedelta(hours=1))
        await rotate_signing_keys(services, COMMAND_LINE, keyring, at_once=False)
