"""Bulk resets: clear the risk of many users."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.bulk_resets import control_bulk_reset, start_bulk_reset
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Invalid, found
from riskrelay.core.jobs import JobStatus
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId, settings_with
from riskrelay.core.risk.bulk_resets import (
    MAX_LISTED_USERS,
    BulkReset,
    BulkResetFilter,
    BulkResetId,
)
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.bodies import PlainText, read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.timestamps import Timestamp
from riskrelay.web.account_api.users import Reason
from riskrelay.web.auth import caller_of
from riskrelay.web.paths import Handler

PAGE = 100
SAMPLE = 10

_Id = Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class UserFilterBody(BaseModel):
    """Which users at risk; other members are ignored."""

    level: Literal["low", "medium", "high"] | None = None
    behavior: Annotated[PlainText, Field(max_length=64)] | None = None
    last_event_from: Timestamp | None = None
    last_event_to: Timestamp | None = None
    users: Annotated[list[_Id], Field(min_length=1, max_length=MAX_LISTED_USERS)] | None = None


class BulkResetBody(BaseModel):
    """The body of a bulk reset. Other members are ignored."""

    filter: UserFilterBody
    reason: Reason | None = None
    dry_run: bool = False


class BulkResetRoutes:
    """The handlers of bulk resets."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def start(self, request: Request) -> Response:
        """Count, show a sample, and start unless it is a dry run."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_object(request, BulkResetBody)
        wanted = filter_of(body.filter)
        count, sample = await self._services.store.read(caller.account_id, lambda tx: preview(tx, wanted))
        answer = {
            "count": count,
            "sample": [_user(one) for one in sample] if caller.may_see_subjects else [],
            "reset": None,
        }
        if not body.dry_run:
            started = await start_bulk_reset(
                self._services, caller.account_id, caller.actor, wanted, reason=body.reason, total=count
            )
            answer["reset"] = rendered(started)
        return success(answer)

    async def list_all(self, request: Request) -> Response:
        """Return the newest hundred bulk resets."""
        caller = await caller_of(request, self._services, Scope.READ)
        resets = await self._services.store.read(caller.account_id, lambda tx: tx.bulk_resets.all(PAGE))
        return success([rendered(one) for one in resets])

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        stored, _ = found(
            await self._services.store.read(caller.account_id, lambda tx: tx.bulk_resets.get(_reset_id(request)))
        )
        return success(rendered(stored))

    async def pause(self, request: Request) -> Response:
        return await self._control(request, JobStatus.PAUSED)

    async def resume(self, request: Request) -> Response:
        return await self._control(request, JobStatus.RUNNING)

    async def cancel(self, request: Request) -> Response:
        return await self._control(request, JobStatus.CANCELLED)

    async def _control(self, request: Request, status: JobStatus) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        controlled = await control_bulk_reset(
            self._services, caller.account_id, caller.actor, _reset_id(request), status=status
        )
        return success(rendered(controlled))


def bulk_reset_routes(services: Services) -> list[tuple[str, str, Handler]]:
    """Return the routes of bulk resets."""
    resets = BulkResetRoutes(services)
    return [
        ("POST", "/resets", resets.start),
        ("GET", "/resets", resets.list_all),
        ("GET", "/resets/{reset_id}", resets.get),
        ("POST", "/resets/{reset_id}/pause", resets.pause),
        ("POST", "/resets/{reset_id}/resume", resets.resume),
        ("POST", "/resets/{reset_id}/cancel", resets.cancel),
    ]


def preview(tx: Transaction, wanted: BulkResetFilter) -> tuple[int, list[Standing]]:
    """Return the number of users that match, and the first of them.

    Raises: Invalid: the account has no such behavior, not even a retired one.
    """
    if wanted.behavior is not None and wanted.behavior not in settings_with(tx.behaviors.stored()):
        message = "must be the id of a behavior of this account"
        raise Invalid([Fault(FaultKind.UNKNOWN_BEHAVIOR, "/filter/behavior", message)])
    return tx.bulk_resets.matching(wanted, SAMPLE)


def filter_of(body: UserFilterBody) -> BulkResetFilter:
    """Return the filter of a body."""
    return BulkResetFilter(
        level=None if body.level is None else RiskLevel.from_word(body.level),
        behavior=None if body.behavior is None else BehaviorId(body.behavior),
        last_event_from=body.last_event_from,
        last_event_to=body.last_event_to,
        users=None if body.users is None else [UserId(user_id) for user_id in body.users],
    )


def rendered(reset: BulkReset) -> dict[str, Any]:
    """Return a bulk reset in a response."""
    wanted = reset.filter
    return {
        "id": reset.reset_id,
        "status": reset.status.value,
        "filter": {
            "level": None if wanted.level is None else wanted.level.word,
            "behavior": wanted.behavior,
            "last_event_from": _time(wanted.last_event_from),
            "last_event_to": _time(wanted.last_event_to),
            "listed_users": reset.listed,
        },
        "reason": reset.reason,
        "total": reset.total,
        "users_reset": reset.reset,
        "users_skipped": reset.skipped,
        "created_at": _time(reset.created_at),
    }


def _user(standing: Standing) -> dict[str, Any]:
    return {
        "user_id": standing.user_id,
        "email": standing.email,
        "risk_level": None if standing.level is None else standing.level.word,
        "last_event": _time(standing.last_event_at),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _reset_id(request: Request) -> BulkResetId:
    return BulkResetId(request.path_params["reset_id"])
