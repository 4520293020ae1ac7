"""Send an event that shows whether the streams of an integration work."""

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.signals import Signal, operators_verification
from riskrelay.core.ssf.streams import StreamStatus
from riskrelay.ports import Outside, Transaction


async def verify_integration(
    outside: Outside, account_id: AccountId, actor: Actor, integration_id: IntegrationId, state: str | None
) -> list[Signal]:
    """Queue one harmless event on every stream of an integration that is not disabled: it takes the way of all others,
    behind what waits already.

    Args:
        state: echoed in verification events; None: they have no such member.

    Returns: what was queued; none when no receiver has made a stream yet. What became of it, `events.delivery` tells.
    Raises:  NotFound: no such integration in this account.
    Rule: SSF 1.0 §8.1.4; docs/choices.md says what an Okta org is sent.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=actor,
        verb=Verb.VERIFIED,
        kind=Kind.INTEGRATION,
        thing_id=integration_id,
    )

    def store(tx: Transaction) -> tuple[list[Signal], list[LaneKey]]:
        if tx.integrations.get(integration_id) is None:
            raise NotFound
        streams = tx.streams.of_integration(integration_id)
        signals = [
            operators_verification(stream, state, entry.at, outside.ids.uuid)
            for stream in streams
            if stream.status is not StreamStatus.DISABLED
        ]
        tx.audit.record(entry)
        return signals, tx.events.queue(signals)

    signals, ready = await outside.store.write(account_id, store)
    outside.wake(ready)
    return signals
