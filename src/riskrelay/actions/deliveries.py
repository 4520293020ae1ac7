"""Send one delivery again."""

from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.attempts import Delivery
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import found
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.events import Jti
from riskrelay.ports import Services, Transaction


async def retry_delivery(
    services: Services, account_id: AccountId, actor: Actor, integration_id: IntegrationId, jti: Jti
) -> Delivery:
    """Make one delivery due now, in any state except superseded, with the same jti and claims.

    Its retention starts again. It still waits while the receiver's Retry-After lasts, while the stream is stopped, and
    for an earlier event of its subject.

    Returns: the delivery, which is pending now.
    Raises:
        NotFound: the integration has no such delivery, it was purged, or its stream was deleted.
        Invalid: the delivery is superseded.
    """
    entry = services.audit_entry(actor, Verb.REPLAYED, Kind.DELIVERY, jti)

    def store(tx: Transaction) -> tuple[Delivery, list[LaneKey]]:
        found(tx.integrations.get(integration_id))
        ready = found(tx.replays.retry(integration_id, jti))
        delivery = found(tx.events.delivery(integration_id, jti))
        tx.audit.record(entry)
        return delivery, ready

    delivery, ready = await services.store.write(account_id, store)
    services.wake(ready)
    return delivery
