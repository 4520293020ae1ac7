"""Integrations: create, update, delete, and settings that only this service has."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from riskrelay.actions.changing import change_integration, syncing_streams
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.lanes import CANCELLED_AT_ONCE, LaneKey
from riskrelay.core.errors import found
from riskrelay.core.integrations import (
    AccountId,
    DeliveryLimits,
    Integration,
    IntegrationId,
    IntegrationType,
    OpenedTls,
    ReceiverTls,
    reference_taken,
    tls_row,
)
from riskrelay.core.keys import Algorithm
from riskrelay.core.products import PRODUCTS, require_algorithm
from riskrelay.core.quotas import refuse_above
from riskrelay.core.ssf.streams import INTEGRATION_DELETED, Stream, StreamId, StreamStatus
from riskrelay.ports import Services, Transaction, Vault

LANES = 1  # measured: one lane delivers as fast as a process on two cores can (ADR 0016); why not more: docs/choices.md
MAX_RETRY_AGE = timedelta(minutes=10)  # contract 8: the oldest record that is returned for an unmarked retry


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntegration:
    """The integration that a client requests.

    Attributes:
        tenant_url: a valid URL, stored byte for byte.
        reference_id: None: a new UUID.
    """

    integration_type: IntegrationType
    tenant_url: str
    reference_id: str | None = None
    active: bool = True


async def create_integration(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    wanted: NewIntegration,
    *,
    public_origin: str,
    retry_count: int | None = None,
) -> Integration:
    """Store a new integration.

    If its product has an implicit stream, the stream is created too and carries events from now on. Receivers of other
    products create their own streams.

    Args:
        public_origin: the current origin of this transmitter, without a final slash.
        retry_count: the number of earlier tries of this request; None: the client does not count.

    Returns: the stored record. A request that can be a retry (`_is_retry`) returns the existing record and changes
        nothing, because SDKs repeat a POST whose response got lost.
    Raises:  Invalid: another integration has the reference id.
    Rule: contract 6, 8.
    """
    now = services.clock.now()
    product = PRODUCTS[wanted.integration_type]
    integration = Integration(
        account_id=account_id,
        integration_id=IntegrationId(services.ids.uuid()),
        integration_type=wanted.integration_type,
        reference_id=wanted.reference_id or services.ids.uuid(),
        tenant_url=wanted.tenant_url,
        active=wanted.active,
        public_origin=public_origin,
        created_at=now.replace(microsecond=0),
        signing_algorithm=product.algorithms[0],
        limits=product.limits,
    )
    stream = Stream(
        stream_id=StreamId(services.ids.uuid()), integration=integration, status=StreamStatus.ENABLED, lanes=LANES
    )
    entry = services.audit_entry(actor, Verb.CREATED, Kind.INTEGRATION, integration.integration_id, at=now)

    def store(tx: Transaction) -> Integration:
        stored = tx.integrations.by_reference(integration.reference_id)
        if stored is not None:
            if not _is_retry(stored, integration, retry_count, now):
                raise reference_taken(stored.integration_id)
            return stored
        refuse_above(
            services.quotas.integrations,
            len(tx.integrations.all()),
            "integrations",
            "delete one that is no longer used",
        )
        tx.integrations.add(integration)
        if product.implicit_stream is not None:
            tx.streams.add(stream)
            tx.streams.refresh_lanes(stream, is_fixed=False)
        tx.audit.record(entry)
        return integration

    return await services.store.write(account_id, store)


def _is_retry(stored: Integration, requested: Integration, retry_count: int | None, now: datetime) -> bool:
    """Return whether a create can be a retry of the request that created *stored*.

    Terraform with create_before_destroy creates the replacement first and then deletes the old record. If a first try
    returned the old record, this delete would destroy the only one.

    Rule: contract 8.
    """
    old = stored.integration_type, stored.tenant_url, stored.active
    if old != (requested.integration_type, requested.tenant_url, requested.active):
        return False
    if retry_count is not None:
        return retry_count >= 1
    # The absolute value, because records have future times after a clock was set back.
    return abs(now - stored.created_at) < MAX_RETRY_AGE


async def update_integration(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    integration_id: IntegrationId,
    tenant_url: str,
    reference_id: str | None,
    active: bool | None,
) -> Integration:
    """Overwrite tenant URL, reference id and active, and update the integration's streams.

    A stream that this service paused or disabled is enabled, and its events are retried at once, because the edit has
    perhaps fixed the failure. Streams that the receiver stopped, and an operator's pause, do not change. While an
    integration is inactive, its backlog is kept and no event is queued. Receivers are notified of changes.

    Args:
        reference_id: None: unchanged.
        active: None: unchanged.

    Raises:
        NotFound: no such integration in this account.
        Invalid: another integration has the reference id.
    Rule: contract 7, 10; faults.md row 29 ("resumes on update"), 34; SSF 1.0 §8.1.5.
    """
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.INTEGRATION, integration_id)

    def update(stored: Integration) -> Integration:
        return replace(
            stored,
            tenant_url=tenant_url,
            reference_id=stored.reference_id if reference_id is None else reference_id,
            active=stored.active if active is None else active,
        )

    sync = syncing_streams(services, entry, "integration_updated", retry=True)
    return await change_integration(services, account_id, entry, update, sync=sync)


async def limit_integration(
    services: Services, account_id: AccountId, actor: Actor, integration_id: IntegrationId, limits: DeliveryLimits
) -> Integration:
    """Overwrite the limits. They apply from the next batch on.

    Raises: NotFound: no such integration in this account.
    """
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.INTEGRATION, integration_id)

    def start_coalescing(tx: Transaction, before: Integration) -> list[LaneKey]:
        if limits.coalesces_level_changes and not before.limits.coalesces_level_changes:
            for stream in tx.streams.of_integration(before.integration_id):
                tx.streams.start_coalescing(stream)
        return []

    def set_limits(stored: Integration) -> Integration:
        return replace(stored, limits=limits)

    return await change_integration(services, account_id, entry, set_limits, sync=start_coalescing)


async def set_integration_tls(
    services: Services, account_id: AccountId, actor: Actor, integration_id: IntegrationId, tls: ReceiverTls | None
) -> Integration:
    """Replace the TLS material of an integration. It applies from the next batch on, and events are retried at once.

    Args:
        tls: None: the default of all receivers.

    Raises: NotFound: no such integration in this account.
    """
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.INTEGRATION, integration_id)

    def refresh(tx: Transaction, before: Integration) -> list[LaneKey]:
        streams = tx.streams.of_integration(before.integration_id)
        return [lane for stream in streams for lane in tx.streams.refresh_lanes(stream, is_fixed=True)]

    def set_tls(stored: Integration) -> Integration:
        return replace(stored, tls=tls)

    return await change_integration(services, account_id, entry, set_tls, sync=refresh)


def opened_tls(integration: Integration, vault: Vault) -> OpenedTls | None:
    """Return an integration's TLS material with its opened key; None: the default of all receivers.

    Raises: Misconfigured: the key was sealed under another master key.
    """
    tls = integration.tls
    if tls is None:
        return None
    row = tls_row(integration.account_id, integration.integration_id)
    key = None if tls.sealed_key is None else vault.open(tls.sealed_key, row)
    return OpenedTls(tls.trusted_ca, tls.certificate, key)


async def set_signing_algorithm(
    services: Services, account_id: AccountId, actor: Actor, integration_id: IntegrationId, algorithm: Algorithm
) -> Integration:
    """Set the algorithm that signs all SETs sent from now on, including waiting events.

    Raises:
        NotFound: no such integration in this account.
        Invalid: the receiver product does not accept it.
    Rule: IOP 1.0 §2.6.
    """
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.INTEGRATION, integration_id)

    def set_algorithm(stored: Integration) -> Integration:
        require_algorithm(stored.integration_type, algorithm)
        return stored if stored.signing_algorithm is algorithm else replace(stored, signing_algorithm=algorithm)

    return await change_integration(services, account_id, entry, set_algorithm)


async def delete_integration(
    services: Services, account_id: AccountId, actor: Actor, integration_id: IntegrationId
) -> None:
    """Delete an integration. Its undelivered events are cancelled.

    Raises: NotFound: no such integration in this account.
    Rule: contract 10; faults.md row 34.
    """
    entry = services.audit_entry(actor, Verb.DELETED, Kind.INTEGRATION, integration_id)

    def store(tx: Transaction) -> None:
        found(tx.integrations.get(integration_id))
        left = CANCELLED_AT_ONCE
        for stream in tx.streams.of_integration(integration_id):
            left -= tx.streams.cancel_backlog(stream, stream.all_lanes, INTEGRATION_DELETED, left)
        tx.integrations.delete(integration_id, entry.at)
        tx.audit.record(entry)

    await services.store.write(account_id, store)
