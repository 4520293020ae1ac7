"""Which streams take events: the question every change of a level asks."""

from typing import Any

from sqlalchemy import event

from riskrelay.actions.stream_subjects import remove_subject
from riskrelay.actions.streams import create_stream
from riskrelay.core.ssf.access import CredentialId, Receiver
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE
from riskrelay.core.ssf.stream_documents import PushRules
from riskrelay.core.ssf.streams import Stream, takes
from riskrelay.core.ssf.subjects import email_subject
from riskrelay.ports import Store
from riskrelay.storage.engines.sqlite import SqliteStore
from support.receiver_world import ssf_integration
from support.services import services_of
from support.transmitting import VAULT
from support.world import ACCOUNT, account_with_integration

RULES = PushRules(lambda url: None, lambda secret: VAULT.seal(secret, "a row"))
KAI = email_subject("kai@example.com")


async def asked(store: Store, statements: list[str]) -> tuple[list[Stream], int]:
    """The streams, and how many statements that took."""
    before = len(statements)
    streams = await store.read(ACCOUNT, lambda tx: tx.streams.taking_events())
    return streams, len(statements) - before


async def test_it_is_one_statement_until_a_receiver_removes_a_subject(sqlite_store: Store) -> None:
    """However many streams there are; then one more, whoever and however many are removed."""
    assert isinstance(sqlite_store, SqliteStore)
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        if arguments[2].startswith("SELECT"):
            statements.append(arguments[2])

    event.listen(sqlite_store._engine, "before_cursor_execute", note)
    services = services_of(sqlite_store)
    await account_with_integration(services)
    integration = await ssf_integration(services)
    receiver = Receiver(
        account_id=ACCOUNT,
        integration_id=integration.integration_id,
        credential_id=CredentialId("c"),
        scopes=frozenset(),
    )
    body = {"events_requested": [CAEP_RISK_LEVEL_CHANGE]}
    made = [await create_stream(services, receiver, body, RULES) for _ in range(3)]
    streams, count = await asked(sqlite_store, statements)
    assert (len(streams), count) == (4, 1)
    await remove_subject(services, receiver, made[0].stream_id, KAI)
    await remove_subject(services, receiver, made[1].stream_id, KAI)
    streams, count = await asked(sqlite_store, statements)
    assert count == 2
    hearing = {stream.stream_id for stream in streams if takes(stream, CAEP_RISK_LEVEL_CHANGE, KAI)}
    assert hearing == {made[2].stream_id}
