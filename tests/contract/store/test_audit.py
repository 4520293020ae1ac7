"""The audit log, on both engines: each change leaves one entry, in its own transaction, for ever."""

import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, exc

import riskrelay.storage
from riskrelay.actions.accounts import create_account, initialise
from riskrelay.actions.behaviors import set_behaviors
from riskrelay.actions.integrations import NewIntegration, create_integration, delete_integration, update_integration
from riskrelay.actions.streams import configure_stream, create_stream, delete_stream, set_stream_status
from riskrelay.actions.tokens import create_token, revoke_token
from riskrelay.actions.users import reset_user
from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import COMMAND_LINE, Actor, hash_token
from riskrelay.core.errors import Invalid, NotFound
from riskrelay.core.integrations import AccountId, IntegrationId, IntegrationType
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.ssf.access import ALL_RECEIVER_SCOPES, CredentialId, Receiver
from riskrelay.core.ssf.stream_documents import PushRules, patched
from riskrelay.core.ssf.streams import StreamStatus
from riskrelay.ports import Services, Store, Transaction
from riskrelay.push.addresses import TargetRules
from riskrelay.push.targets import PushTargets
from riskrelay.storage.engines.postgres_engine import postgres_engine
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.engines.sqlite import sqlite_engine
from support.databases import PostgresServer
from support.services import NOON, HandClock, services_of
from support.transmitting import VAULT
from support.world import ACCOUNT, ORIGIN, OTHER, account_with_integration, finding, record

KAI = Actor("token-1", "kai's token", "192.0.2.7")


async def entries(store: Store, owner: AccountId | None = ACCOUNT) -> list[AuditEntry]:
    """The whole log of an account or of the installation, newest first."""
    return await store.read_installation(lambda tx: tx.audit_of(owner).page(None, None, 100))


def said(found: list[AuditEntry]) -> list[tuple[str, str, str]]:
    return [(entry.verb.value, entry.kind.value, entry.thing_id) for entry in found]


async def create(services: Services, tenant_url: str) -> IntegrationId:
    made = await create_integration(
        services,
        ACCOUNT,
        KAI,
        NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=tenant_url, reference_id="ref"),
        public_origin=ORIGIN,
    )
    return made.integration_id


async def test_what_happens_to_an_integration_is_recorded(store: Store) -> None:
    """Created, changed, deleted: by whom, from where, when. A repeated create and a refused one record nothing."""
    clock = HandClock()
    services = services_of(store, clock)
    await create_account(services, ACCOUNT, COMMAND_LINE)
    made = await create(services, "https://a.example.com")
    assert await create(services, "https://a.example.com") == made
    with pytest.raises(Invalid):
        await create(services, "https://b.example.com")
    clock.pass_time(timedelta(minutes=1))
    await update_integration(services, ACCOUNT, KAI, made, "https://b.example.com", None, None)
    clock.pass_time(timedelta(minutes=1))
    await delete_integration(services, ACCOUNT, KAI, made)
    with pytest.raises(NotFound):
        await delete_integration(services, ACCOUNT, KAI, made)
    found = await entries(store)
    assert said(found) == [(verb, "integration", made) for verb in ("deleted", "changed", "created")]
    assert [entry.at for entry in found] == [NOON + timedelta(minutes=minute) for minute in (2, 1, 0)]
    assert {entry.actor for entry in found} == {KAI}


async def test_behaviors_and_resets_are_recorded(store: Store) -> None:
    """One entry per behavior that really changed; a reset by the user's id, never by the e-mail."""
    services = services_of(store)
    await account_with_integration(services)
    before = await entries(store)
    recorded = await record(services, finding("kai@example.com"))
    user_id = recorded.changes[0].user_id
    assert await entries(store) == before
    settings = {
        BehaviorId("high_dlp"): BehaviorSetting(False, RiskLevel.LOW),
        BehaviorId("high_risk_domain"): BehaviorSetting(True, RiskLevel.HIGH),
    }
    await set_behaviors(services, ACCOUNT, KAI, settings)
    await set_behaviors(services, ACCOUNT, KAI, settings)
    await reset_user(services, ACCOUNT, KAI, user_id)
    found = [entry for entry in await entries(store) if entry not in before]
    assert sorted(said(found)) == [
        ("changed", "behavior", "high_dlp"),
        ("changed", "behavior", "high_risk_domain"),
        ("reset", "user", user_id),
    ]
    assert "kai@example.com" not in repr(found)


async def test_what_a_receiver_does_to_its_streams_is_recorded(store: Store) -> None:
    """By its credential, for the integration it is the receiver of. What changes nothing leaves no entry."""
    services = services_of(store)
    await create_account(services, ACCOUNT, COMMAND_LINE)
    made = await create(services, "https://a.example.com")
    receiver = Receiver(
        account_id=ACCOUNT,
        integration_id=made,
        credential_id=CredentialId("credential"),
        scopes=ALL_RECEIVER_SCOPES,
        address="198.51.100.1",
    )
    rules = PushRules(
        PushTargets(TargetRules([], allow_http=False)).problem, lambda secret: VAULT.seal(secret, "a row")
    )
    stream = await create_stream(services, receiver, {}, rules)
    for description in ("one", "one", "two"):
        body = {"stream_id": stream.stream_id, "description": description}
        await configure_stream(services, receiver, stream.stream_id, body, rules, patched)
    for _ in range(2):
        await set_stream_status(services, receiver, stream.stream_id, StreamStatus.PAUSED, "busy")
    await delete_stream(services, receiver, stream.stream_id)
    found = [entry for entry in await entries(store) if entry.kind is Kind.STREAM]
    assert sorted(said(found)) == [
        *[("changed", "stream", stream.stream_id)] * 3,
        ("created", "stream", stream.stream_id),
        ("deleted", "stream", stream.stream_id),
    ]
    assert {entry.actor for entry in found} == {Actor("credential", f"receiver of {made}", "198.51.100.1")}


async def test_accounts_keys_and_tokens_are_recorded(store: Store) -> None:
    """Accounts and the installation's tokens in the installation's log, an account's tokens in its own."""
    services = services_of(store)
    first = await initialise(services, ACCOUNT, COMMAND_LINE)
    assert await initialise(services, ACCOUNT, COMMAND_LINE) is None
    assert await create_account(services, OTHER, KAI)
    assert not await create_account(services, OTHER, KAI)
    token, stored = await create_token(services, ACCOUNT, KAI, "ci")
    _, operator = await create_token(services, None, COMMAND_LINE, "operator")
    await revoke_token(services, ACCOUNT, COMMAND_LINE, stored.token_id)
    own, of_account = await entries(store, None), await entries(store)
    assert sorted(said(own)) == [
        ("created", "account", ACCOUNT),
        ("created", "account", OTHER),
        ("created", "token", operator.token_id),
    ]
    (kept,) = await store.read_installation(lambda tx: tx.tokens.of(ACCOUNT))
    assert first is not None
    assert kept.token_hash == hash_token(first)
    assert sorted(said(of_account)) == [
        *sorted(("created", "token", token_id) for token_id in (kept.token_id, stored.token_id)),
        ("revoked", "token", stored.token_id),
    ]
    assert first not in repr(own + of_account)
    assert token not in repr(own + of_account)
    assert await entries(store, OTHER) == []


async def test_an_entry_exists_only_when_its_change_does(store: Store) -> None:
    """Both are of one transaction: what rolls back leaves no entry."""
    services = services_of(store)
    await create_account(services, ACCOUNT, COMMAND_LINE)

    def fails(tx: Transaction) -> None:
        tx.audit.record(AuditEntry(entry_id="1", at=NOON, actor=KAI, verb=Verb.CHANGED, kind=Kind.USER, thing_id="u"))
        raise NotFound

    with pytest.raises(NotFound):
        await store.write(ACCOUNT, fails)
    assert await entries(store) == []


async def test_pages_follow_each_other_without_gap_or_repeat(store: Store) -> None:
    """Newest first, entries of one moment too; filtered by kind; nobody sees another account's."""
    moments = [NOON + timedelta(seconds=second // 3) for second in range(20)]
    kinds = [Kind.USER if number % 2 else Kind.TOKEN for number in range(20)]
    written = [
        AuditEntry(
            entry_id=f"{number:02}",
            at=moments[number],
            actor=KAI,
            verb=Verb.RESET,
            kind=kinds[number],
            thing_id=str(number),
        )
        for number in range(20)
    ]
    for entry in written:
        await store.write(ACCOUNT, lambda tx, entry=entry: tx.audit.record(entry))  # type: ignore[misc]
    await store.write(OTHER, lambda tx: tx.audit.record(written[0]))
    for kind in (None, Kind.USER):
        expected = [entry for entry in reversed(written) if kind in (None, entry.kind)]
        found: list[AuditEntry] = []
        while True:
            after = (found[-1].at, found[-1].entry_id) if found else None
            page = await store.read(ACCOUNT, lambda tx, after=after, kind=kind: tx.audit.page(kind, after, 3))  # type: ignore[misc]
            if not page:
                break
            found += page
        assert found == expected
    assert await entries(store, OTHER) == [written[0]]


_DAY_US = 86_400_000_000
_ADD = (
    "INSERT INTO audit_entries (account_id, at, entry_id, actor_name, verb, kind, thing_id) "
    "VALUES ('acme', {at}, 'e', 'kai', 'created', 'token', 't')"
)
_CHANGES = ("UPDATE audit_entries SET actor_name = 'nobody'", "DELETE FROM audit_entries")


def refused(connection: Connection, change: str) -> str:
    """What the database says to *change*."""
    with pytest.raises(exc.DBAPIError) as caught, connection.begin_nested():
        connection.exec_driver_sql(change)
    return str(caught.value)


def _prepare(connection: Connection) -> None:
    upgrade(connection)
    connection.exec_driver_sql(_ADD.format(at=time.time_ns() // 1_000 - 59 * _DAY_US))


def _refuses_all(connection: Connection, changes: tuple[str, ...]) -> None:
    for change in changes:
        assert "append-only" in refused(connection, change)
    assert connection.exec_driver_sql("SELECT actor_name FROM audit_entries").scalar() == "kai"
    connection.exec_driver_sql(_ADD.format(at=time.time_ns() // 1_000 - 61 * _DAY_US))
    assert (
        connection.exec_driver_sql("DELETE FROM audit_entries WHERE at < (SELECT max(at) FROM audit_entries)").rowcount
        == 1
    )


def test_sqlite_refuses_to_change_an_entry(tmp_path: Path) -> None:
    """Whoever has the database's password cannot change the log by an ordinary statement either."""
    engine = sqlite_engine(tmp_path / "audit.db")
    with engine.begin() as connection:
        _prepare(connection)
        _refuses_all(connection, _CHANGES)
    engine.dispose()


@pytest.mark.usefixtures("postgres")
async def test_postgresql_refuses_to_change_an_entry(postgres: PostgresServer) -> None:
    """The same, and TRUNCATE."""
    engine = postgres_engine(await postgres.new_database())
    async with engine.begin() as connection:
        await connection.run_sync(_prepare)
        await connection.run_sync(_refuses_all, (*_CHANGES, "TRUNCATE audit_entries"))
    await engine.dispose()


def test_storage_has_no_statement_that_changes_the_log() -> None:
    """Inserts and selects only; purging deletes old entries, and the triggers keep the others."""
    (folder,) = riskrelay.storage.__path__
    for module in Path(folder).rglob("*.py"):
        assert not re.search(r"(update|delete)\(\s*audit_entries", module.read_text()), module
