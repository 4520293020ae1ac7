"""Make the signing keys that are missing."""

import asyncio

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.keys import KeyMaker, completed, missing
from riskrelay.ports import Installation, Outside


async def complete_signing_keys(outside: Outside, actor: Actor, make: KeyMaker) -> None:
    """See to it that every algorithm has a key that signs and one that will; nothing happens when it has.

    Args:
        make: makes a key; called before the transaction, because it takes a while.
    """
    wanted = missing(await outside.store.read_installation(lambda tx: tx.keys.all()))
    if not wanted:
        return
    fresh = [await asyncio.to_thread(make, algorithm) for algorithm in wanted]
    now = outside.clock.now()
    entries = {
        key.kid: AuditEntry(
            entry_id=outside.ids.uuid(), at=now, actor=actor, verb=Verb.CREATED, kind=Kind.KEY, thing_id=key.kid
        )
        for key in fresh
    }

    def store(tx: Installation) -> None:
        changes = completed(tx.keys.all(), fresh, now)
        tx.keys.apply(changes)
        for key in changes.added:
            tx.audit_of(None).record(entries[key.kid])

    await outside.store.write_installation(store)
