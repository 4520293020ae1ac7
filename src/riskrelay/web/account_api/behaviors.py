"""Behaviors, built in and the account's own, and the account's settings of them. Rule: contract 18, 24."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.behaviors import add_behavior, change_behavior, retire_behavior, set_behaviors
from riskrelay.core.credentials import Scope
from riskrelay.core.risk.behaviors import (
    BehaviorId,
    BehaviorSetting,
    OwnBehavior,
    behaviors_in_use,
    description_problem,
    id_problem,
    name_problem,
    settings_with,
)
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.sources.mappings import SuggestedBehavior
from riskrelay.ports import Services
from riskrelay.web.account_api.bodies import read_object, without_problem
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.known_behaviors import BehaviorName, known_behaviors
from riskrelay.web.auth import caller_of

Level = Literal["low", "medium", "high"]


class BehaviorBody(BaseModel):
    """An account's settings of a behavior; `name` and `description` are ignored."""

    enabled: bool
    risk_level: Level


class BehaviorsBody(BaseModel):
    """The behaviors to change, by id."""

    behaviors: dict[BehaviorName, BehaviorBody]


_Name = Annotated[str, without_problem(name_problem)]
_Description = Annotated[str, without_problem(description_problem)]


class NewBehaviorBody(BaseModel):
    """A behavior of the account's own."""

    id: Annotated[str, without_problem(id_problem)]
    name: _Name
    description: _Description = ""
    risk_level: Level
    enabled: bool = False


class ChangeBody(BaseModel):
    """The changes of an account's own behavior. Members that are absent or null do not change."""

    name: _Name | None = None
    description: _Description | None = None
    risk_level: Level | None = None
    enabled: bool | None = None

    def changed(self, setting: BehaviorSetting) -> BehaviorSetting:
        """Return *setting* with these changes."""
        own = setting.own or OwnBehavior("", "")
        return replace(
            setting,
            enabled=setting.enabled if self.enabled is None else self.enabled,
            risk_level=setting.risk_level if self.risk_level is None else RiskLevel.from_word(self.risk_level),
            own=replace(
                own,
                name=own.name if self.name is None else self.name,
                description=own.description if self.description is None else self.description,
            ),
        )


class BehaviorRoutes:
    """The handlers of behaviors."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_all(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        stored = await self._services.store.read(caller.account_id, lambda tx: tx.behaviors.stored())
        return success(_rendered(settings_with(stored)))

    async def update(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        known = known_behaviors(self._services, caller.account_id)
        await known.complete()
        body = await read_object(request, BehaviorsBody, known)
        return success(_rendered(await set_behaviors(self._services, caller.account_id, caller.actor, _settings(body))))

    async def add(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_object(request, NewBehaviorBody)
        behavior = SuggestedBehavior(
            behavior_id=body.id,
            name=body.name,
            description=body.description,
            level=RiskLevel.from_word(body.risk_level),
        )
        settings = await add_behavior(
            self._services, caller.account_id, caller.actor, behavior, is_enabled=body.enabled
        )
        return success(_one(BehaviorId(body.id), settings))

    async def change(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        behavior_id = BehaviorId(request.path_params["behavior_id"])
        body = await read_object(request, ChangeBody)
        settings = await change_behavior(
            self._services, caller.account_id, caller.actor, behavior_id, change=body.changed
        )
        return success(_one(behavior_id, settings))

    async def retire(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        behavior_id = BehaviorId(request.path_params["behavior_id"])
        await retire_behavior(self._services, caller.account_id, caller.actor, behavior_id)
        return success({})


def _settings(body: BehaviorsBody) -> dict[BehaviorId, BehaviorSetting]:
    return {
        BehaviorId(name): BehaviorSetting(given.enabled, RiskLevel.from_word(given.risk_level))
        for name, given in body.behaviors.items()
    }


def _one(behavior_id: BehaviorId, settings: Mapping[BehaviorId, BehaviorSetting]) -> dict[str, Any]:
    return {"id": behavior_id, **_rendered(settings)["behaviors"][behavior_id]}


def _rendered(settings: Mapping[BehaviorId, BehaviorSetting]) -> dict[str, Any]:
    return {
        "behaviors": {
            behavior: {
                "name": row.name,
                "description": row.description,
                "enabled": settings[behavior].enabled,
                "risk_level": settings[behavior].risk_level.word,
            }
            for behavior, row in behaviors_in_use(settings).items()
        }
    }
