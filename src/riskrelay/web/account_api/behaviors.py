"""Behaviors and what the account decided about them. Rule: contract 18, 24."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.behaviors import set_behaviors
from riskrelay.core.credentials import Scope
from riskrelay.core.risk.behaviors import BEHAVIORS, BehaviorId, BehaviorSetting, settings_with
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Outside
from riskrelay.web.account_api.bodies import BehaviorName, read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import caller_of


class BehaviorBody(BaseModel):
    """What an account decides about a behavior; `name` and `description` are ignored."""

    enabled: bool
    risk_level: Literal["low", "medium", "high"]


class BehaviorsBody(BaseModel):
    """The behaviors to change, by id."""

    behaviors: dict[BehaviorName, BehaviorBody]


class BehaviorRoutes:
    """The handlers of behaviors."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def list_all(self, request: Request) -> Response:
        caller = await caller_of(request, self._outside, Scope.READ)
        stored = await self._outside.store.read(caller.account_id, lambda tx: tx.behaviors.stored())
        return success(_rendered(settings_with(stored)))

    async def update(self, request: Request) -> Response:
        caller = await caller_of(request, self._outside, Scope.WRITE)
        body = await read_object(request, BehaviorsBody)
        return success(_rendered(await set_behaviors(self._outside, caller.account_id, caller.actor, _settings(body))))


def _settings(body: BehaviorsBody) -> dict[BehaviorId, BehaviorSetting]:
    return {
        BehaviorId(name): BehaviorSetting(given.enabled, RiskLevel.from_word(given.risk_level))
        for name, given in body.behaviors.items()
    }


def _rendered(settings: Mapping[BehaviorId, BehaviorSetting]) -> dict[str, Any]:
    return {
        "behaviors": {
            behavior: {
                "name": BEHAVIORS[behavior].name,
                "description": BEHAVIORS[behavior].description,
                "enabled": setting.enabled,
                "risk_level": setting.risk_level.word,
            }
            for behavior, setting in settings.items()
        }
    }
