"""Add, change and retire behaviors of an account; change the limits of impossible travel and the trusted networks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from riskrelay.actions.releveling import change_rules
from riskrelay.core.audit import Kind, Verb, difference
from riskrelay.core.credentials import Actor
from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound
from riskrelay.core.integrations import AccountId
from riskrelay.core.quotas import refuse_above
from riskrelay.core.risk.behaviors import (
    BEHAVIORS,
    MAX_RETIRED_BEHAVIORS,
    BehaviorId,
    BehaviorSetting,
    OwnBehavior,
    behaviors_in_use,
    description_problem,
    id_problem,
    name_problem,
)
from riskrelay.core.risk.networks import TrustedNetwork
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.core.sources.mappings import SuggestedBehavior
from riskrelay.ports import Services, Transaction

Settings = Mapping[BehaviorId, BehaviorSetting]


async def set_behaviors(
    services: Services, account_id: AccountId, actor: Actor, named: Mapping[BehaviorId, BehaviorSetting]
) -> Settings:
    """Overwrite the settings of the *named* behaviors, and update the levels of affected users.

    A new risk level of a behavior updates each user that triggered it since their last reset, and notifies the
    receivers. Disabling a behavior changes no user. Names and descriptions are kept.

    Returns: the settings of all behaviors.
    Raises: Invalid: the account has no such behavior; pointers start with its id.
    Rule: contract 18, 22.
    """

    def change(tx: Transaction, before: Settings) -> None:
        in_use = behaviors_in_use(before)
        unknown = [behavior for behavior in named if behavior not in in_use]
        if unknown:
            message = f"must be one of {', '.join(in_use)}"
            raise Invalid([Fault(FaultKind.UNKNOWN_BEHAVIOR, f"/{behavior}", message) for behavior in unknown])
        changed = {behavior: replace(setting, own=before[behavior].own) for behavior, setting in named.items()}
        tx.behaviors.save(changed)
        for behavior in changed:
            if changed[behavior] != before[behavior]:
                note = difference(_shown(before[behavior]), _shown(changed[behavior]))
                tx.audit.record(services.audit_entry(actor, Verb.CHANGED, Kind.BEHAVIOR, behavior, note=note))

    return await _change(services, account_id, actor, change)


def _shown(setting: BehaviorSetting) -> Mapping[str, object]:
    """Return the members of a setting that the audit log names."""
    return {"enabled": setting.enabled, "risk level": setting.risk_level.word}


async def add_behavior(
    services: Services, account_id: AccountId, actor: Actor, behavior: SuggestedBehavior, *, is_enabled: bool = False
) -> Settings:
    """Add an account's own behavior. If the id is of a retired behavior, restore that behavior.

    Adding the same behavior again changes nothing, so that a client can repeat its request.

    Returns: the settings of all behaviors.
    Raises: Invalid: the id, name or description is not accepted, the account has a behavior with this id, or it has
        too many; pointers are /id, /name and /description.
    """
    wanted = replace(_suggested(behavior), enabled=is_enabled)
    behavior_id = BehaviorId(behavior.behavior_id)

    def change(tx: Transaction, before: Settings) -> None:
        stored = before.get(behavior_id)
        if stored == wanted:
            return
        if stored is not None and not stored.is_retired:
            message = f"the account has a behavior {behavior_id} already; change it, or choose another id"
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "/id", message)])
        refuse_above(
            services.quotas.own_behaviors,
            sum(setting.own is not None and not setting.is_retired for setting in before.values()),
            "behaviors of the account's own",
            "retire one that is no longer used",
        )
        tx.behaviors.save({behavior_id: wanted})
        tx.audit.record(services.audit_entry(actor, Verb.CREATED, Kind.BEHAVIOR, behavior_id))

    return await _change(services, account_id, actor, change)


async def create_missing_behaviors(
    services: Services, account_id: AccountId, actor: Actor, suggestions: Iterable[SuggestedBehavior]
) -> list[BehaviorId]:
    """Add the *suggestions* that the account has never had, disabled like all new behaviors.

    A behavior that the account has changed or retired is not changed.

    Returns: the ids of the added behaviors.
    Raises: Invalid: a suggestion is not accepted, or the account has too many behaviors; nothing was added.
    """
    suggested = {
        BehaviorId(one.behavior_id): _suggested(one) for one in suggestions if one.behavior_id not in BEHAVIORS
    }

    def store(tx: Transaction) -> list[BehaviorId]:
        stored = tx.behaviors.stored()
        missing = {behavior: setting for behavior, setting in suggested.items() if behavior not in stored}
        in_use = sum(setting.own is not None and not setting.is_retired for setting in stored.values())
        if missing:
            refuse_above(
                services.quotas.own_behaviors,
                in_use + len(missing) - 1,
                "behaviors of the account's own with those of this source",
                "retire some that are no longer used",
            )
        tx.behaviors.save(missing)
        for behavior in missing:
            tx.audit.record(services.audit_entry(actor, Verb.CREATED, Kind.BEHAVIOR, behavior))
        return list(missing)

    return await services.store.write(account_id, store)


async def change_behavior(
    services: Services,
    account_id: AccountId,
    actor: Actor,
    behavior_id: BehaviorId,
    change: Callable[[BehaviorSetting], BehaviorSetting],
) -> Settings:
    """Change an account's own behavior. A new level updates the users that triggered it.

    Args:
        change: returns the changed behavior from the current one; both have `own`.

    Returns: the settings of all behaviors.
    Raises:
        NotFound: the account has no own behavior with this id.
        Invalid: the name or the description is not accepted; pointers are /name and /description.
    """

    def store(tx: Transaction, before: Settings) -> None:
        stored, _ = _own(before, behavior_id)
        changed = change(stored)
        _refuse_faults(behavior_id, changed.own)
        if changed == stored:
            return
        tx.behaviors.save({behavior_id: changed})
        tx.audit.record(services.audit_entry(actor, Verb.CHANGED, Kind.BEHAVIOR, behavior_id))

    return await _change(services, account_id, actor, store)


async def retire_behavior(services: Services, account_id: AccountId, actor: Actor, behavior_id: BehaviorId) -> None:
    """Retire an account's own behavior: it accepts no more findings and is not listed.

    Its findings are kept and count for their users' levels until a reset, as with a disabled behavior.

    Raises:
        NotFound: the account has no own behavior with this id.
        Invalid: the account has retired too many.
    """

    def store(tx: Transaction) -> None:
        before = tx.behaviors.stored()
        stored, own = _own(before, behavior_id)
        refuse_above(
            MAX_RETIRED_BEHAVIORS,
            sum(setting.is_retired for setting in before.values()),
            "retired behaviors",
            "disable this one instead, or bring a retired one back under its id",
        )
        tx.behaviors.save({behavior_id: replace(stored, enabled=False, own=replace(own, is_retired=True))})
        tx.audit.record(services.audit_entry(actor, Verb.DELETED, Kind.BEHAVIOR, behavior_id))

    await services.store.write(account_id, store)


async def _change(
    services: Services, account_id: AccountId, actor: Actor, change: Callable[[Transaction, Settings], None]
) -> Settings:
    """Store what *change* stores, and update the users that triggered a behavior with a new level.

    Args:
        change: stores changed settings, from the settings of all behaviors.

    Returns: the settings of all behaviors.
    """
    rules = await change_rules(services, account_id, actor, lambda tx, before: change(tx, before.behaviors))
    return rules.behaviors


def _own(
    settings: Mapping[BehaviorId, BehaviorSetting], behavior_id: BehaviorId
) -> tuple[BehaviorSetting, OwnBehavior]:
    """Return an account's own behavior.

    Raises: NotFound: the account has no own behavior with this id, or it is retired.
    """
    setting = settings.get(behavior_id)
    if setting is None or setting.own is None or setting.own.is_retired:
        raise NotFound
    return setting, setting.own


def _suggested(behavior: SuggestedBehavior) -> BehaviorSetting:
    """Return the setting of a new behavior, which is disabled.

    Raises: Invalid: the id, name or description is not accepted.
    """
    own = OwnBehavior(behavior.name, behavior.description)
    _refuse_faults(behavior.behavior_id, own)
    return BehaviorSetting(enabled=False, risk_level=behavior.level, own=own)


def _refuse_faults(behavior_id: str, own: OwnBehavior | None) -> None:
    """Check the texts of a behavior.

    Raises: Invalid: the id, name or description is not accepted.
    """
    problems = {"/id": id_problem(behavior_id)}
    if own is not None:
        problems |= {"/name": name_problem(own.name), "/description": description_problem(own.description)}
    faults = [
        Fault(FaultKind.WRONG_VALUE, pointer, problem) for pointer, problem in problems.items() if problem is not None
    ]
    if faults:
        raise Invalid(faults)


async def set_detection(services: Services, account_id: AccountId, actor: Actor, limits: TravelLimits) -> None:
    """Overwrite the limits of impossible travel. They apply to new activity; earlier findings are kept."""
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.DETECTION, "imp_travel")

    def store(tx: Transaction) -> None:
        if tx.detection.limits() != limits:
            tx.detection.save(limits)
            tx.audit.record(entry)

    await services.store.write(account_id, store)


async def set_networks(
    services: Services, account_id: AccountId, actor: Actor, networks: Sequence[TrustedNetwork]
) -> None:
    """Overwrite the trusted networks. They apply to new activity."""
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.DETECTION, "networks")

    def store(tx: Transaction) -> None:
        if tx.detection.networks() != tuple(networks):
            tx.detection.save_networks(networks)
            tx.audit.record(entry)

    await services.store.write(account_id, store)
