"""Deleting an account removes all of its rows, in short steps, and nothing else. The same on both engines."""

import pytest
from sqlalchemy import Connection, func, insert, select

from riskrelay.actions import account_deletion
from riskrelay.actions.account_deletion import (
    STEP_ROWS,
    continue_deletions,
    delete_account,
    delete_rows,
    finish_deletions,
)
from riskrelay.actions.accounts import create_account
from riskrelay.actions.directory import put_entries
from riskrelay.actions.receiver_credentials import WantedCredential, create_receiver_credential
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.sources.directory import DirectoryEntry
from riskrelay.core.sources.signals import Name
from riskrelay.core.ssf.access import ALL_RECEIVER_SCOPES, CredentialKind
from riskrelay.ports import Services, Store, Transaction
from riskrelay.storage.accounts.deletions import DELETED_TABLES
from riskrelay.storage.tables import metadata, users
from support.services import NOON, services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

KEPT = {"audit_entries", "deleted_accounts"}
OF_INSTALLATION = {"signing_keys", "nodes", "clock_readings"}


def test_every_table_of_accounts_is_deleted() -> None:
    """The list comes from the schema; each row that refers to another one goes first."""
    names = [table.name for table in DELETED_TABLES]
    assert {*names} | KEPT | OF_INSTALLATION | {"accounts"} == metadata.tables.keys()
    for table in DELETED_TABLES:
        for key in table.foreign_keys:
            referred = key.column.table.name
            assert referred == "accounts" or names.index(table.name) < names.index(referred), (table.name, referred)


@pytest.fixture
async def services(store: Store) -> Services:
    services = services_of(store)
    for account_id in (ACCOUNT, OTHER):
        integration = await account_with_integration(services, account_id)
        await record(services, *[finding(f"u{n}@example.com") for n in range(30)], account_id=account_id)
        entry = DirectoryEntry(name=Name(kind="host", value="laptop"), email="u1@example.com")
        await put_entries(services, account_id, COMMAND_LINE, [entry])
        wanted = WantedCredential(
            kind=CredentialKind.STATIC_TOKEN, name="", scopes=ALL_RECEIVER_SCOPES, expires_at=None
        )
        await create_receiver_credential(services, account_id, COMMAND_LINE, integration.integration_id, wanted)
    return services


async def rows_of(store: Store, account_id: str) -> dict[str, int]:
    """How many rows of an account each table has, if it has some."""

    def read(tx: Transaction) -> dict[str, int]:
        connection: Connection = tx.users._connection  # type: ignore[attr-defined]
        counts = {
            name: connection.execute(
                select(func.count()).select_from(table).where(table.c.account_id == account_id)
            ).scalar_one()
            for name, table in metadata.tables.items()
            if "account_id" in table.columns
        }
        return {name: count for name, count in counts.items() if count}

    return await store.read(ACCOUNT, read)


async def test_an_account_is_deleted_with_all_of_its_rows(services: Services) -> None:
    """Only its audit log is left, and the installation's log says who deleted it. The other account has everything."""
    store = services.store
    other = await rows_of(store, OTHER)
    assert (await rows_of(store, ACCOUNT)).keys() == other.keys()
    assert await delete_account(services, ACCOUNT, COMMAND_LINE)
    while await continue_deletions(services):
        continue
    assert (await rows_of(store, ACCOUNT)).keys() == KEPT
    assert await rows_of(store, OTHER) == other
    entry, *_ = await store.read_installation(lambda tx: tx.audit_of(None).page(Kind.ACCOUNT, None, 10))
    assert (entry.verb, entry.thing_id) == (Verb.DELETED, ACCOUNT)
    assert [ledger.imbalance for ledger in await store.read_installation(lambda tx: tx.ledgers())] == [0]


async def test_a_deleted_account_is_unknown_at_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its rows are gone: it is in no list, no lane of it is sent, and it can't be created or deleted again."""
    monkeypatch.setattr(account_deletion, "STEP_ROWS", 1)
    assert await delete_account(services, ACCOUNT, COMMAND_LINE)
    store = services.store
    assert await store.read_installation(lambda tx: tx.accounts.get(ACCOUNT)) is None
    assert [one.account_id for one in await store.read_installation(lambda tx: tx.accounts.all())] == [OTHER]
    claimed = await store.write_installation(lambda tx: tx.lanes.claim(9, NOON - NOON))
    assert {lease.key.account_id for lease in claimed} == {OTHER}
    assert not await create_account(services, ACCOUNT, COMMAND_LINE)
    assert not await delete_account(services, ACCOUNT, COMMAND_LINE)


async def test_a_step_deletes_a_bounded_number_of_rows(services: Services) -> None:
    """Whatever tables they are in."""
    await delete_account(services, ACCOUNT, COMMAND_LINE)
    before = sum((await rows_of(services.store, ACCOUNT)).values())
    await delete_rows(services, ACCOUNT)
    after = sum((await rows_of(services.store, ACCOUNT)).values())
    assert 0 < before - after <= STEP_ROWS


async def test_a_new_account_can_have_the_name_of_a_deleted_one(services: Services) -> None:
    """Its rows are not deleted with what is left of the old one."""
    await delete_account(services, ACCOUNT, COMMAND_LINE)
    while await continue_deletions(services):
        continue
    assert await create_account(services, ACCOUNT, COMMAND_LINE)
    await finish_deletions(services)
    assert await services.store.read_installation(lambda tx: tx.accounts.get(ACCOUNT)) is not None


async def test_rows_of_a_request_under_way_are_deleted_later(services: Services) -> None:
    """PostgreSQL has no foreign key that would refuse them (ADR 0014); SQLite refuses them."""
    await delete_account(services, ACCOUNT, COMMAND_LINE)
    while await continue_deletions(services):
        continue

    def late(tx: Transaction) -> None:
        connection: Connection = tx.users._connection  # type: ignore[attr-defined]
        if connection.dialect.name == "postgresql":
            row = {"account_id": ACCOUNT, "user_id": "u", "email_key": "k", "email": "k", "triggered": ""}
            connection.execute(insert(users), row)

    await services.store.write(ACCOUNT, late)
    await finish_deletions(services)
    assert (await rows_of(services.store, ACCOUNT)).keys() == KEPT
