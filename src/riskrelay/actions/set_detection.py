"""Change what an account takes to be possible."""

from riskrelay.audit import AuditEntry, Kind, Verb
from riskrelay.credentials import Actor
from riskrelay.integrations import AccountId
from riskrelay.ports import Outside, Transaction
from riskrelay.risk.travel import TravelLimits


async def set_detection(outside: Outside, account_id: AccountId, actor: Actor, limits: TravelLimits) -> None:
    """Overwrite the limits of impossible travel. They hold for activity that arrives from now on; what was found before
    stays.
    """
    entry = AuditEntry(outside.ids.uuid(), outside.clock.now(), actor, Verb.CHANGED, Kind.DETECTION, "imp_travel")

    def store(tx: Transaction) -> None:
        if tx.detection.limits() != limits:
            tx.detection.save(limits)
            tx.audit.record(entry)

    await outside.store.write(account_id, store)
