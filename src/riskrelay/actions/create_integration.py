"""Create an integration."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId, Integration, IntegrationId, IntegrationType, reference_taken
from riskrelay.core.products import PRODUCTS
from riskrelay.core.quotas import refuse_above
from riskrelay.core.ssf.streams import Stream, StreamId, StreamStatus
from riskrelay.ports import Outside, Transaction

LANES = 1  # measured: one lane is as fast as a process of two cores (ADR 0016); why not more: docs/choices.md
MAX_RETRY_AGE = timedelta(minutes=10)  # contract 8: how old a record may be that an unmarked repeat is answered with


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntegration:
    """What a client asks for.

    Attributes:
        tenant_url: of valid form; kept byte for byte.
        reference_id: None: a fresh UUID.
    """

    integration_type: IntegrationType
    tenant_url: str
    reference_id: str | None = None
    active: bool = True


async def create_integration(
    outside: Outside,
    account_id: AccountId,
    actor: Actor,
    wanted: NewIntegration,
    *,
    public_origin: str,
    retry_count: int | None = None,
) -> Integration:
    """Store a new integration. One of a product with an implicit stream has it at once, and it carries events from this
    moment on; the receiver of another product creates its own.

    Args:
        public_origin: where this transmitter is reachable now, without a final slash.
        retry_count: how many times the client has sent this request before; None: the client does not count.

    Returns: the stored record. A request that can be a retry (`_is_retry`) returns the existing record and changes
        nothing: SDKs repeat a POST whose answer got lost.
    Raises:  Invalid: another integration has the reference id.
    Rule: contract 6, 8.
    """
    now = outside.clock.now()
    product = PRODUCTS[wanted.integration_type]
    integration = Integration(
        account_id=account_id,
        integration_id=IntegrationId(outside.ids.uuid()),
        integration_type=wanted.integration_type,
        reference_id=wanted.reference_id or outside.ids.uuid(),
        tenant_url=wanted.tenant_url,
        active=wanted.active,
        public_origin=public_origin,
        created_at=now.replace(microsecond=0),
        signing_algorithm=product.algorithms[0],
        limits=product.limits,
    )
    stream = Stream(
        stream_id=StreamId(outside.ids.uuid()), integration=integration, status=StreamStatus.ENABLED, lanes=LANES
    )
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=now,
        actor=actor,
        verb=Verb.CREATED,
        kind=Kind.INTEGRATION,
        thing_id=integration.integration_id,
    )

    def store(tx: Transaction) -> Integration:
        stored = tx.integrations.by_reference(integration.reference_id)
        if stored is not None:
            if not _is_retry(stored, integration, retry_count, now):
                raise reference_taken(stored.integration_id)
            return stored
        refuse_above(
            outside.quotas.integrations, len(tx.integrations.all()), "integrations", "delete one that is no longer used"
        )
        tx.integrations.add(integration)
        if product.implicit_stream is not None:
            tx.streams.add(stream)
            tx.streams.refresh_lanes(stream, is_mended=False)
        tx.audit.record(entry)
        return integration

    return await outside.store.write(account_id, store)


def _is_retry(stored: Integration, requested: Integration, retry_count: int | None, now: datetime) -> bool:
    """Return whether a create can be the repeat of the request that made *stored*.

    Terraform with create_before_destroy creates the replacement first and then deletes the old record. If a first try
    were answered with the old record, that delete would destroy the only one.

    Rule: contract 8.
    """
    old = stored.integration_type, stored.tenant_url, stored.active
    if old != (requested.integration_type, requested.tenant_url, requested.active):
        return False
    if retry_count is not None:
        return retry_count >= 1
    # The absolute value, because a clock that was set back makes records look as if they came from the future.
    return abs(now - stored.created_at) < MAX_RETRY_AGE
