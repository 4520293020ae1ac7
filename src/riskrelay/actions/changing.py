"""Change an integration: read it, replace it, record the change, and update its streams."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from riskrelay.core.audit import AuditEntry, difference
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.errors import found
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.core.signals import Signal, stream_updated
from riskrelay.core.ssf.streams import Party, Stream, StreamStatus
from riskrelay.ports import Services, Transaction

SyncStreams = Callable[[Transaction, Integration], Sequence[WokenLane]]


def _no_lanes(tx: Transaction, before: Integration) -> list[WokenLane]:
    return []


async def change_integration(
    services: Services,
    account_id: AccountId,
    entry: AuditEntry,
    change: Callable[[Integration], Integration],
    *,
    sync: SyncStreams = _no_lanes,
) -> Integration:
    """Replace the integration of *entry*, record *entry*, and wake the lanes with new work.

    Args:
        change: returns the new record. If it returns its argument, nothing is stored or recorded.
        sync: called with the previous integration, after the change is stored.

    Returns: the integration as it is now.
    Raises:
        NotFound: no such integration in this account.
        Invalid: another integration has the reference id.
    """

    def store(tx: Transaction) -> tuple[Integration, Sequence[WokenLane]]:
        stored = found(tx.integrations.get(IntegrationId(entry.thing_id)))
        changed = change(stored)
        if changed is stored:
            return stored, []
        tx.integrations.update(changed)
        note = entry.note or difference(_shown(stored), _shown(changed))
        tx.audit.record(replace(entry, note=note))
        return changed, sync(tx, stored)

    changed, ready = await services.store.write(account_id, store)
    services.wake(ready)
    return changed


def _shown(integration: Integration) -> Mapping[str, object]:
    """Return the members of an integration that the audit log names. Certificates and reasons are not among them."""
    limits = integration.limits
    return {
        "reference": integration.reference_id,
        "tenant URL": integration.tenant_url,
        "active": integration.active,
        "signing algorithm": integration.signing_algorithm.value,
        "pushes per second": limits.pushes_per_second,
        "concurrency": limits.concurrency,
        "collapse level changes": limits.coalesces_level_changes,
        "own TLS settings": integration.tls is not None,
    }


def syncing_streams(services: Services, entry: AuditEntry, notice: str, *, retry: bool) -> SyncStreams:
    """Return a function that updates the streams of a changed integration and notifies their receivers.

    Args:
        notice: the reason in the notice to receivers, if the new status has none.
        retry: enable streams that this service stopped, because the operator may have fixed the cause, and end every
            wait.

    Rule: SSF 1.0 §8.1.5. Only the receiver can enable a stream that the receiver stopped.
    """

    def sync(tx: Transaction, before: Integration) -> list[WokenLane]:
        ready: list[WokenLane] = []
        for stream in tx.streams.of_integration(before.integration_id):
            is_enabled_again = retry and stream.status_set_by is Party.TRANSMITTER
            now = replace(stream, status=StreamStatus.ENABLED, status_reason=None) if is_enabled_again else stream
            tx.streams.set_status(now.stream_id, now.status, now.status_reason, now.status_set_by)
            ready += tx.streams.refresh_lanes(now, is_fixed=retry)
            updated = partial(stream_updated, now, now=entry.at, new_id=services.ids.uuid)
            ready += tx.events.queue(_notices(replace(stream, integration=before), now, notice, updated))
        return ready

    return sync


def _notices(before: Stream, now: Stream, notice: str, updated: Callable[[StreamStatus, str], Signal]) -> list[Signal]:
    """Return the notices to the receiver: none if its effective status is unchanged, or if it accepts no notices."""
    (old, _), (new, reason) = before.effective_status, now.effective_status
    if now.is_implicit or old is new or now.status is not StreamStatus.ENABLED:
        return []
    return [updated(new, reason or notice)]
