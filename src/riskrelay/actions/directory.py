"""Keep the directory of an account, and resolve names by it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from riskrelay.actions.large_writes import write_users
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.email_addresses import email_key
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.core.sources.directory import MAX_MISSED_NAMES, DirectoryEntry, name_key
from riskrelay.core.sources.signals import Name
from riskrelay.ports import Services, Store, Transaction

T = TypeVar("T")

_CLEARED_AT_ONCE = 10_000  # guessed: some tens of milliseconds, so that other transactions run in between
_MISSED_FOR = timedelta(days=30)  # guessed: a name that no signal had for this time loses no more signals
_DIRECTORY = "directory"


async def put_entries(
    services: Services, account_id: AccountId, actor: Actor, entries: Sequence[DirectoryEntry]
) -> int:
    """Add *entries*, or overwrite entries with the same names. Of entries with one name the last is stored.

    Returns: the number of new names.
    Raises: Invalid: the quota of entries would be exceeded; nothing was stored.
    """
    latest = {(entry.name.kind, name_key(entry.name)): entry for entry in entries}
    quota = services.quotas.directory_entries
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.DIRECTORY, _DIRECTORY)

    def store(tx: Transaction) -> int:
        names = [one.name for one in latest.values()]
        new = len(names) - len(tx.directory.find_emails(names))
        if new and tx.directory.count(quota + 1) + new > quota:
            message = f"{new:,} of these names are new, and an account may have {quota:,} entries; delete some first"
            raise Invalid([Fault(FaultKind.QUOTA_REACHED, "", message)])
        moved = _in_groups(tx, names) | {email_key(one.email) for one in latest.values() if one.groups}
        tx.directory.put(list(latest.values()))
        _decide_levels_soon(tx, moved)
        tx.missed_names.delete(names)
        tx.audit.record(entry)
        return new

    return await _write(services, account_id, store)


async def delete_entries(services: Services, account_id: AccountId, actor: Actor, names: Collection[Name]) -> int:
    """Delete the entries of *names*.

    Returns: the number of deleted entries.
    """
    entry = services.audit_entry(actor, Verb.DELETED, Kind.DIRECTORY, _DIRECTORY)

    def store(tx: Transaction) -> int:
        moved = _in_groups(tx, names)
        deleted = tx.directory.delete(names)
        _decide_levels_soon(tx, moved)
        if deleted:
            tx.audit.record(entry)
        return deleted

    return await _write(services, account_id, store)


async def clear_directory(services: Services, account_id: AccountId, actor: Actor) -> int:
    """Delete all entries, in several transactions.

    Returns: the number of deleted entries.
    """
    entry = services.audit_entry(actor, Verb.DELETED, Kind.DIRECTORY, _DIRECTORY)

    def clear(tx: Transaction) -> int:
        deleted, moved = tx.directory.clear(_CLEARED_AT_ONCE)
        _decide_levels_soon(tx, moved)
        return deleted

    total = deleted = await _write(services, account_id, clear)
    while deleted == _CLEARED_AT_ONCE:
        deleted = await _write(services, account_id, clear)
        total += deleted
    if total:
        await services.store.write(account_id, lambda tx: tx.audit.record(entry))
    return total


async def _write(services: Services, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
    """Run *work*, which changes entries, in a transaction.

    If an exception names a group, it runs after any large write of the account has ended. Otherwise the parts of that
    write would overwrite that levels are due.
    """
    name_groups = await services.store.read(account_id, lambda tx: tx.levels.rules().exceptions.name_groups)
    if name_groups:
        return await write_users(services, account_id, work)
    return await services.store.write(account_id, work)


def _in_groups(tx: Transaction, names: Collection[Name]) -> set[str]:
    """Return the `email_key` of users that have groups by the entries of *names*, if an exception names a group."""
    return tx.directory.keys_with_groups(names) if tx.levels.rules().exceptions.name_groups else set()


def _decide_levels_soon(tx: Transaction, moved: Collection[str]) -> None:
    """Let the levels of users whose groups may have changed be decided again, if an exception names a group.

    Args:
        moved: the `email_key` of these users.
    """
    if moved and tx.levels.rules().exceptions.name_groups:
        tx.users.decide_soon(moved)


async def record_missed_names(store: Store, missed: Mapping[AccountId, Mapping[Name, int]], at: datetime) -> None:
    """Store the counts of names that the directory did not have, and delete old ones.

    Raises: Unavailable: the database refused; the counts of some accounts were not stored.
    """
    for account_id, names in missed.items():

        def add(tx: Transaction, names: Mapping[Name, int] = names) -> None:
            tx.missed_names.delete_before(at - _MISSED_FOR)
            known = tx.directory.find_emails(names)  # added since the signal arrived
            tx.missed_names.add(
                {name: count for name, count in names.items() if name not in known}, at, MAX_MISSED_NAMES
            )

        await store.write(account_id, add)
