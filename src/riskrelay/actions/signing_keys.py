"""Signing keys: create missing keys, rotate."""

import asyncio
from collections.abc import Sequence

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.keys import (
    Algorithm,
    KeyMaker,
    Keyring,
    SealedKey,
    completed,
    missing,
    published,
    rotated,
    rotation_problem,
)
from riskrelay.ports import Installation, Services


async def complete_signing_keys(services: Services, actor: Actor, make: KeyMaker) -> None:
    """Create the current and the next key of each algorithm, if they are missing.

    Args:
        make: creates a key. It is slow, so it is called before the transaction.
    """
    wanted = missing(await services.store.read_installation(lambda tx: tx.keys.all()))
    if not wanted:
        return
    fresh = [await asyncio.to_thread(make, algorithm) for algorithm in wanted]
    now = services.clock.now()
    entries = {key.kid: services.audit_entry(actor, Verb.CREATED, Kind.KEY, key.kid, at=now) for key in fresh}

    def store(tx: Installation) -> None:
        changes = completed(tx.keys.all(), fresh, now)
        tx.keys.apply(changes)
        for key in changes.added:
            tx.audit_of(None).record(entries[key.kid])

    await services.store.write_installation(store)


async def rotate_signing_keys(
    services: Services, actor: Actor, keyring: Keyring, *, at_once: bool
) -> Sequence[SealedKey]:
    """Make the next keys the current ones, and publish new next keys.

    Running nodes sign with the new keys within seconds. The old keys stay published for the keyring's horizon.

    Args:
        at_once: rotate even if receivers may not have the next keys yet, for example because a key has leaked.

    Returns: the published keys, in the order of their creation.
    Raises:  Invalid: it is too early. So a request that is retried because its response was lost rotates once.
    """
    fresh = {algorithm: await asyncio.to_thread(keyring.make, algorithm) for algorithm in Algorithm}
    now = services.clock.now()
    ids = [services.ids.uuid() for _ in fresh]

    def store(tx: Installation) -> list[SealedKey]:
        keys = tx.keys.all()
        problem = None if at_once else rotation_problem(keys, now)
        if problem is not None:
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "/at_once", problem)])
        changes = rotated(keys, fresh, now, keyring.horizon)
        tx.keys.apply(changes)
        for entry_id, key in zip(ids, changes.promoted, strict=True):
            tx.audit_of(None).record(
                AuditEntry(entry_id=entry_id, at=now, actor=actor, verb=Verb.CHANGED, kind=Kind.KEY, thing_id=key.kid)
            )
        return published(tx.keys.all(), now, keyring.horizon)

    return await services.store.write_installation(store)
