"""Pause and resume delivery to an integration."""

from dataclasses import replace

from riskrelay.actions.changing import change_integration, syncing_streams
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId, Integration, IntegrationId, Pause
from riskrelay.ports import Services


async def pause_integration(
    services: Services, account_id: AccountId, actor: Actor, integration_id: IntegrationId, reason: str | None
) -> Integration:
    """Stop delivery for an integration until it is resumed, and notify its receivers.

    New events are still queued, unlike with an inactive integration. They are kept until their retention ends.

    Args:
        reason: a text for people; None: no reason.

    Returns: the integration. If it was paused before, it keeps the time of its first pause.
    Raises:  NotFound: no such integration in this account.
    Rule: SSF 1.0 §8.1.5.
    """
    entry = services.audit_entry(actor, Verb.PAUSED, Kind.INTEGRATION, integration_id)

    def pause(stored: Integration) -> Integration:
        since = entry.at if stored.pause is None else stored.pause.since
        return replace(stored, pause=Pause(since, reason))

    sync = syncing_streams(services, entry, "integration_paused", retry=False)
    return await change_integration(services, account_id, entry, pause, sync=sync)


async def resume_integration(
    services: Services, account_id: AccountId, actor: Actor, integration_id: IntegrationId
) -> Integration:
    """End an operator's pause, enable streams that this service stopped, and retry queued events at once.

    Returns: the integration. It need not be paused, so this also ends a retry delay.
    Raises:  NotFound: no such integration in this account.
    Rule: SSF 1.0 §8.1.5. Streams that the receiver stopped, and inactive integrations, do not start.
    """
    entry = services.audit_entry(actor, Verb.RESUMED, Kind.INTEGRATION, integration_id)

    def resume(stored: Integration) -> Integration:
        return replace(stored, pause=None)

    sync = syncing_streams(services, entry, "integration_resumed", retry=True)
    return await change_integration(services, account_id, entry, resume, sync=sync)
