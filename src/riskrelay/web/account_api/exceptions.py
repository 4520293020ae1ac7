"""Exceptions of users over the API."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.exceptions import WantedException, add_exception, change_exception, delete_exception
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Faults, found
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exceptions import (
    Coverage,
    Effect,
    ExceptionId,
    RiskException,
    covered_problem,
    reason_problem,
)
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Services
from riskrelay.web.account_api.behaviors import Level
from riskrelay.web.account_api.bodies import read_object, without_problem
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.known_behaviors import BehaviorName, known_behaviors
from riskrelay.web.account_api.paging import cursor_of, read_cursor
from riskrelay.web.account_api.timestamps import Timestamp
from riskrelay.web.auth import caller_of

PAGE = 100

_CURSOR: msgspec.json.Decoder[str] = msgspec.json.Decoder(
    Annotated[str, msgspec.Meta(max_length=36, pattern=r"^[^\x00]*$")]
)


class ExceptionBody(BaseModel):
    """An exception: one of user, group and pattern; other members are ignored."""

    user: str | None = None
    group: str | None = None
    pattern: str | None = None
    behavior: BehaviorName | None = None
    effect: Literal["ignore", "cap", "level"]
    level: Level | None = None
    reason: Annotated[str, without_problem(reason_problem)]
    ends_at: Timestamp | None = None

    def wanted(self) -> WantedException:
        """Return the same exception as a record of the domain.

        Raises: Invalid: it covers not exactly one of user, group and pattern; what it covers is not accepted; or its
            effect does not fit its level.
        """
        faults = Faults()
        given = {one: text for one in Coverage if (text := getattr(self, one.value)) is not None}
        if len(given) != 1:
            faults.extend([Fault(FaultKind.REQUIRED, "", "must have exactly one of user, group and pattern")])
        for coverage, text in given.items():
            if (problem := covered_problem(coverage, text)) is not None:
                faults.extend([Fault(FaultKind.WRONG_VALUE, f"/{coverage}", problem)])
        effect = Effect(self.effect)
        if (effect is Effect.IGNORE) != (self.level is None):
            needs = "must be absent" if effect is Effect.IGNORE else "is required"
            faults.extend([Fault(FaultKind.WRONG_VALUE, "/level", f"{needs} with the effect {effect}")])
        faults.refuse()
        ((coverage, covered),) = given.items()
        return WantedException(
            coverage=coverage,
            covered=covered,
            behavior=None if self.behavior is None else BehaviorId(self.behavior),
            effect=effect,
            level=None if self.level is None else RiskLevel.from_word(self.level),
            reason=self.reason,
            ends_at=self.ends_at,
        )


class ExceptionRoutes:
    """The handlers of exceptions."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_page(self, request: Request) -> Response:
        """Return a page of exceptions, oldest first."""
        caller = await caller_of(request, self._services, Scope.PII_READ)
        after = read_cursor(request.query_params, _CURSOR)
        last = None if after is None else ExceptionId(after)
        stored = await self._services.store.read(caller.account_id, lambda tx: tx.exceptions.page(last, PAGE + 1))
        page, now = stored[:PAGE], self._services.clock.now()
        cursor = cursor_of(page[-1].exception_id) if len(stored) > PAGE else None
        return success([rendered(one, now) for one in page], {"cursor": cursor, "count": len(page)})

    async def add(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        wanted = await self._read(request, caller.account_id)
        added = await add_exception(self._services, caller.account_id, caller.actor, wanted)
        return success(rendered(added, self._services.clock.now()))

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.PII_READ)
        exception_id = _exception_id(request)
        stored = found(await self._services.store.read(caller.account_id, lambda tx: tx.exceptions.get(exception_id)))
        return success(rendered(stored, self._services.clock.now()))

    async def change(self, request: Request) -> Response:
        """Overwrite an exception."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        wanted = await self._read(request, caller.account_id)
        changed = await change_exception(
            self._services, caller.account_id, caller.actor, _exception_id(request), wanted=wanted
        )
        return success(rendered(changed, self._services.clock.now()))

    async def delete(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        await delete_exception(self._services, caller.account_id, caller.actor, _exception_id(request))
        return success({})

    async def _read(self, request: Request, account_id: AccountId) -> WantedException:
        known = known_behaviors(self._services, account_id, with_retired=True)
        await known.complete()
        return (await read_object(request, ExceptionBody, known)).wanted()


def rendered(exception: RiskException, now: datetime) -> dict[str, Any]:
    """Return an exception in a response. A client can send it back to change it."""
    return {
        "id": exception.exception_id,
        **{one.value: exception.covered if exception.coverage is one else None for one in Coverage},
        "behavior": exception.behavior,
        "effect": exception.effect.value,
        "level": None if exception.level is None else exception.level.word,
        "reason": exception.reason,
        "ends_at": None if exception.ends_at is None else _moment(exception.ends_at),
        "has_ended": exception.has_ended(now),
        "created_at": _moment(exception.created_at),
    }


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _exception_id(request: Request) -> ExceptionId:
    return ExceptionId(request.path_params["exception_id"])
