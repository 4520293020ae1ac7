"""Change what an account takes to be possible."""

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.ports import Outside, Transaction


async def set_detection(outside: Outside, account_id: AccountId, actor: Actor, limits: TravelLimits) -> None:
    """Overwrite the limits of impossible travel. They hold for activity that arrives from now on; what was found before
    stays.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=actor,
        verb=Verb.CHANGED,
        kind=Kind.DETECTION,
        thing_id="imp_travel",
    )

    def store(tx: Transaction) -> None:
        if tx.detection.limits() != limits:
            tx.detection.save(limits)
            tx.audit.record(entry)

    await outside.store.write(account_id, store)
