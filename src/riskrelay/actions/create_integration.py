"""Create an integration."""

from riskrelay.audit import AuditEntry, Kind, Verb
from riskrelay.credentials import Actor
from riskrelay.integrations import AccountId, Integration, IntegrationId, IntegrationType, reference_taken
from riskrelay.ports import Outside, Transaction
from riskrelay.ssf.streams import Stream, StreamId, StreamStatus

LANES = 1  # measured: one lane is as fast as a process of two cores (ADR 0016); why not more: docs/choices.md


async def create_integration(
    outside: Outside,
    account_id: AccountId,
    actor: Actor,
    integration_type: IntegrationType,
    tenant_url: str,
    reference_id: str | None = None,
    *,
    active: bool = True,
    public_origin: str,
) -> Integration:
    """Store a new integration. An Okta integration has its stream at once, which carries events from this moment on;
    the receiver of another makes its own.

    Args:
        tenant_url: of valid form; kept byte for byte.
        reference_id: None: a fresh UUID.
        public_origin: where this transmitter is reachable now, without a final slash.

    Returns: the stored record. A repeat (same given reference id, type and tenant URL) returns the record that is
        there already and changes nothing: SDKs repeat a POST whose answer they did not get.
    Raises:  Invalid: the reference id belongs to another tenant URL.
    Rule: contract 6, 8.
    """
    now = outside.clock.now()
    integration = Integration(
        account_id=account_id,
        integration_id=IntegrationId(outside.ids.uuid()),
        integration_type=integration_type,
        reference_id=reference_id or outside.ids.uuid(),
        tenant_url=tenant_url,
        active=active,
        public_origin=public_origin,
        created_at=now.replace(microsecond=0),
    )
    stream = Stream(StreamId(outside.ids.uuid()), integration, StreamStatus.ENABLED, LANES)
    entry = AuditEntry(outside.ids.uuid(), now, actor, Verb.CREATED, Kind.INTEGRATION, integration.integration_id)

    def store(tx: Transaction) -> Integration:
        stored = tx.integrations.by_reference(integration.reference_id)
        if stored is not None:
            if not _same(stored, integration):
                raise reference_taken()
            return stored
        tx.integrations.add(integration)
        if integration_type is IntegrationType.OKTA:
            tx.streams.add(stream)
            tx.streams.refresh_lanes(stream, is_mended=False)
        tx.audit.record(entry)
        return integration

    return await outside.store.write(account_id, store)


def _same(stored: Integration, repeated: Integration) -> bool:
    return (stored.integration_type, stored.tenant_url) == (repeated.integration_type, repeated.tenant_url)
