"""Change the behaviors of an account, the limits of impossible travel and the trusted networks."""

from collections.abc import Mapping, Sequence

from riskrelay.actions.recording import tell
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Cause, with_findings
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting, settings_with
from riskrelay.core.risk.networks import TrustedNetwork
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.ports import Outside, Transaction


async def set_behaviors(
    outside: Outside, account_id: AccountId, actor: Actor, named: Mapping[BehaviorId, BehaviorSetting]
) -> dict[BehaviorId, BehaviorSetting]:
    """Overwrite the settings of the *named* behaviors, and move the levels of the users whom that concerns.

    Raising or lowering what a behavior weighs moves every user who has triggered it since their last reset, and
    their receivers are told. Disabling one moves nobody.

    Returns: the settings of all behaviors.
    Rule: contract 18, 22.
    """
    now = outside.clock.now()

    def store(tx: Transaction) -> tuple[dict[BehaviorId, BehaviorSetting], list[LaneKey]]:
        before = settings_with(tx.behaviors.stored())
        tx.behaviors.save(named)
        for behavior in named:
            if named[behavior] != before[behavior]:
                tx.audit.record(outside.audit_entry(actor, Verb.CHANGED, Kind.BEHAVIOR, behavior, at=now))
        settings = {**before, **named}
        if all(settings[behavior].risk_level == before[behavior].risk_level for behavior in named):
            return settings, []
        standings = [(old, with_findings(old, (), settings)) for old in tx.users.at_risk()]
        moved = [(old, new) for old, new in standings if old.level != new.level]
        tx.users.save([new for _, new in moved])
        _, queued = tell(tx, moved, settings, Cause.ADMIN, now=now, ids=outside.ids)
        return settings, queued

    settings, queued = await outside.store.write(account_id, store)
    outside.wake(queued)
    return settings


async def set_detection(outside: Outside, account_id: AccountId, actor: Actor, limits: TravelLimits) -> None:
    """Overwrite the limits of impossible travel. They hold for activity that arrives from now on; what was found before
    stays.
    """
    entry = outside.audit_entry(actor, Verb.CHANGED, Kind.DETECTION, "imp_travel")

    def store(tx: Transaction) -> None:
        if tx.detection.limits() != limits:
            tx.detection.save(limits)
            tx.audit.record(entry)

    await outside.store.write(account_id, store)


async def set_networks(
    outside: Outside, account_id: AccountId, actor: Actor, networks: Sequence[TrustedNetwork]
) -> None:
    """Overwrite the trusted networks. They hold for activity that arrives from now on."""
    entry = outside.audit_entry(actor, Verb.CHANGED, Kind.DETECTION, "networks")

    def store(tx: Transaction) -> None:
        if tx.detection.networks() != tuple(networks):
            tx.detection.save_networks(networks)
            tx.audit.record(entry)

    await outside.store.write(account_id, store)
