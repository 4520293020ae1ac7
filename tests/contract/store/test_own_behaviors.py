"""Behaviors of an account's own in both stores: names in events, levels, quotas, what a source suggests."""

from dataclasses import replace

import pytest

from riskrelay.actions.behaviors import (
    add_behavior,
    change_behavior,
    create_missing_behaviors,
    retire_behavior,
    set_behaviors,
)
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import FaultKind, Invalid
from riskrelay.core.quotas import Quotas
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting, OwnBehavior
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.sources.mappings import SuggestedBehavior
from riskrelay.ports import Services, Store
from support.services import services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record


def suggested(behavior_id: str, level: RiskLevel = RiskLevel.LOW) -> SuggestedBehavior:
    return SuggestedBehavior(behavior_id=behavior_id, name=f"Name of {behavior_id}", description="", level=level)


async def add(services: Services, behavior_id: str, level: RiskLevel = RiskLevel.LOW) -> None:
    await add_behavior(services, ACCOUNT, COMMAND_LINE, suggested(behavior_id, level), is_enabled=True)


async def stored(services: Services) -> dict[BehaviorId, BehaviorSetting]:
    settings = await services.store.read(ACCOUNT, lambda tx: tx.behaviors.stored())
    return {behavior: setting for behavior, setting in settings.items() if setting.own is not None}


async def test_receivers_get_the_names_of_the_accounts_own_behaviors(store: Store) -> None:
    """The eight first, then the own ones by id; after a change the new name."""
    services = services_of(store)
    await account_with_integration(services)
    await add(services, "zeta", RiskLevel.HIGH)
    await add(services, "alpha", RiskLevel.HIGH)
    recorded = await record(services, *(finding(behavior=name) for name in ("zeta", "alpha", "high_dlp")))
    (change,) = recorded.changes
    assert change.behaviors == ("alpha", "high_dlp", "zeta")
    assert change.reason == "High Number of DLP Policies Triggered, Name of alpha, Name of zeta"
    own = OwnBehavior("Alpha", "")
    await change_behavior(
        services, ACCOUNT, COMMAND_LINE, BehaviorId("alpha"), lambda setting: replace(setting, own=own)
    )
    (change,) = (await record(services, finding("pat@example.com", "alpha"))).changes
    assert change.reason == "Alpha"


async def test_a_changed_level_moves_users_and_a_retired_behavior_moves_none(store: Store) -> None:
    """Contract 22 holds for own behaviors; what PUT changes keeps the name."""
    services = services_of(store)
    await account_with_integration(services)
    await add(services, "alpha")
    (change,) = (await record(services, finding(behavior="alpha"))).changes
    named = {BehaviorId("alpha"): BehaviorSetting(True, RiskLevel.HIGH)}
    await set_behaviors(services, ACCOUNT, COMMAND_LINE, named)
    standing = await store.read(ACCOUNT, lambda tx: tx.users.get(change.user_id))
    assert standing is not None
    assert standing.level is RiskLevel.HIGH
    await retire_behavior(services, ACCOUNT, COMMAND_LINE, BehaviorId("alpha"))
    assert await store.read(ACCOUNT, lambda tx: tx.users.get(change.user_id)) == standing
    assert (await record(services, finding(behavior="alpha"))).ignored == 1
    own = OwnBehavior("Name of alpha", "", is_retired=True)
    assert list((await stored(services)).values()) == [BehaviorSetting(False, RiskLevel.HIGH, own)]
    with pytest.raises(Invalid) as refused:
        await set_behaviors(services, ACCOUNT, COMMAND_LINE, named)
    assert [fault.kind for fault in refused.value.faults] == [FaultKind.UNKNOWN_BEHAVIOR]
    await record(services, finding("more@example.com", "imp_travel"), finding(behavior="imp_travel"))


async def test_a_source_adds_what_the_account_never_had(store: Store) -> None:
    """Disabled; what the account has changed or retired stays as it is; the eight are never added."""
    services = services_of(store)
    await account_with_integration(services)
    await add(services, "alpha", RiskLevel.HIGH)
    await add(services, "beta")
    await retire_behavior(services, ACCOUNT, COMMAND_LINE, BehaviorId("beta"))
    before = await stored(services)
    suggestions = [suggested(name) for name in ("alpha", "beta", "gamma", "high_dlp")]
    added = await create_missing_behaviors(services, ACCOUNT, COMMAND_LINE, suggestions)
    assert added == ["gamma"]
    gamma = BehaviorSetting(False, RiskLevel.LOW, OwnBehavior("Name of gamma", ""))
    assert await stored(services) == {**before, BehaviorId("gamma"): gamma}
    assert await create_missing_behaviors(services, ACCOUNT, COMMAND_LINE, suggestions) == []


async def test_an_account_has_so_many_behaviors_and_no_more(store: Store) -> None:
    """A retired one makes room; another account's count apart; suggestions are all added or none."""
    services = replace(services_of(store), quotas=Quotas(own_behaviors=2))
    await account_with_integration(services)
    await account_with_integration(services, OTHER)
    await add_behavior(services, OTHER, COMMAND_LINE, suggested("theirs"))
    await add(services, "alpha")
    with pytest.raises(Invalid) as refused:
        await create_missing_behaviors(services, ACCOUNT, COMMAND_LINE, [suggested("beta"), suggested("gamma")])
    assert [fault.kind for fault in refused.value.faults] == [FaultKind.QUOTA_REACHED]
    assert set(await stored(services)) == {"alpha"}
    await add(services, "beta")
    with pytest.raises(Invalid) as refused:
        await add(services, "gamma")
    assert "there are 2 behaviors" in refused.value.faults[0].message
    await retire_behavior(services, ACCOUNT, COMMAND_LINE, BehaviorId("alpha"))
    await add(services, "gamma")
