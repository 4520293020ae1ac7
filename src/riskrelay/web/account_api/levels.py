"""How the levels of an account's users change with time."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.level_times import set_level_times
from riskrelay.core.credentials import Scope
from riskrelay.core.risk.behaviors import BehaviorId, behaviors_in_use
from riskrelay.core.risk.rules import MAX_LEVEL_TIME, Duration, LevelRules, LevelTimes
from riskrelay.ports import Services
from riskrelay.web.account_api.bodies import WholeNumber, read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.known_behaviors import BehaviorName, known_behaviors
from riskrelay.web.auth import caller_of

_SECOND = timedelta(seconds=1)
_MOST = MAX_LEVEL_TIME // _SECOND

Seconds = Annotated[WholeNumber, Field(ge=0, le=_MOST)]


class DurationBody(BaseModel):
    """How long findings of a behavior count: at the behavior's own level, and after that at lower ones."""

    expires_after_seconds: Annotated[WholeNumber, Field(ge=1, le=_MOST)]
    medium_seconds: Seconds = 0
    low_seconds: Seconds = 0

    def duration(self) -> Duration:
        """Return the same duration as a record of the domain."""
        return Duration(
            expires_after=self.expires_after_seconds * _SECOND,
            medium=self.medium_seconds * _SECOND,
            low=self.low_seconds * _SECOND,
        )


class LevelsBody(BaseModel):
    """All settings of how levels change with time. Findings of behaviors that are absent do not expire."""

    durations: dict[BehaviorName, DurationBody] = {}
    seconds_between_events: Seconds = 0

    def times(self) -> LevelTimes:
        """Return the same settings as a record of the domain."""
        return LevelTimes(
            durations={BehaviorId(behavior): body.duration() for behavior, body in self.durations.items()},
            between_events=self.seconds_between_events * _SECOND,
        )


LEVELS = TypeAdapter(LevelsBody)


class LevelRoutes:
    """The handlers of the settings."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        return success(rendered_times(await self._services.store.read(caller.account_id, lambda tx: tx.levels.rules())))

    async def update(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        known = known_behaviors(self._services, caller.account_id)
        await known.complete()
        body = await read_object(request, LevelsBody, known)
        return success(
            rendered_times(await set_level_times(self._services, caller.account_id, caller.actor, body.times()))
        )


def rendered_times(rules: LevelRules) -> dict[str, Any]:
    """Return the settings as a response of the API, in the order of the behaviors, without retired ones."""
    durations = rules.times.durations
    return {
        "durations": {
            behavior: {
                "expires_after_seconds": durations[behavior].expires_after // _SECOND,
                "medium_seconds": durations[behavior].medium // _SECOND,
                "low_seconds": durations[behavior].low // _SECOND,
            }
            for behavior in behaviors_in_use(rules.behaviors)
            if behavior in durations
        },
        "seconds_between_events": rules.times.between_events // _SECOND,
    }
