"""Replays: sending many deliveries of an integration again."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.replays import control_replay, start_replay
from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.replays import MAX_LISTED_USERS, Replay, ReplayFilter, ReplayId
from riskrelay.core.email_addresses import MAX_EMAIL_CHARACTERS, email_problem
from riskrelay.core.errors import Fault, FaultKind, Forbidden, Invalid, NotFound
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.jobs import JobStatus
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.bodies import PlainText, read_object, without_problem
from riskrelay.web.account_api.deliveries import rendered as rendered_delivery
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.timestamps import Timestamp
from riskrelay.web.auth import caller_of

_Email = Annotated[str, Field(max_length=MAX_EMAIL_CHARACTERS), without_problem(email_problem)]

PAGE = 100
SAMPLE = 10


class FilterBody(BaseModel):
    """Which deliveries; other members are ignored."""

    state: Literal["dead", "expired", "cancelled", "delivered"]
    reason: Annotated[PlainText, Field(max_length=64)] | None = None
    queued_from: Timestamp | None = None
    queued_to: Timestamp | None = None
    users: Annotated[list[_Email], Field(min_length=1, max_length=MAX_LISTED_USERS)] | None = None


class ReplayBody(BaseModel):
    """The body of a replay. Other members are ignored."""

    filter: FilterBody
    dry_run: bool = False


def rendered(replay: Replay) -> dict[str, Any]:
    """Return a replay in a response."""
    wanted = replay.filter
    return {
        "id": replay.replay_id,
        "status": replay.status.value,
        "filter": {
            "state": wanted.state.value,
            "reason": wanted.reason,
            "queued_from": None if wanted.queued_from is None else _moment(wanted.queued_from),
            "queued_to": _moment(wanted.queued_to),
            "listed_users": replay.listed,
        },
        "total": replay.total,
        "replayed": replay.replayed,
        "created_at": _moment(replay.created_at),
    }


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class ReplayRoutes:
    """The handlers of replays."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def start(self, request: Request) -> Response:
        """Count, show a sample, and start unless it is a dry run."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        integration_id = _integration_id(request)
        body = await read_object(request, ReplayBody)
        wanted = filter_of(body.filter, self._services.clock.now(), may_see_subjects=caller.may_see_subjects)

        def query(tx: Transaction) -> tuple[int, list[Delivery]]:
            if tx.integrations.get(integration_id) is None:
                raise NotFound
            return tx.replays.matching(integration_id, wanted, SAMPLE)

        count, sample = await self._services.store.read(caller.account_id, query)
        shown = [rendered_delivery(one, may_see_subjects=caller.may_see_subjects) for one in sample]
        answer = {"count": count, "sample": shown, "replay": None}
        if not body.dry_run:
            started = await start_replay(
                self._services, caller.account_id, caller.actor, integration_id, wanted=wanted, total=count
            )
            answer["replay"] = rendered(started)
        return success(answer)

    async def list_all(self, request: Request) -> Response:
        """Return the newest hundred replays."""
        caller = await caller_of(request, self._services, Scope.READ)
        integration_id = _integration_id(request)

        def read(tx: Transaction) -> list[Replay]:
            if tx.integrations.get(integration_id) is None:
                raise NotFound
            return tx.replays.all(integration_id, PAGE)

        return success([rendered(replay) for replay in await self._services.store.read(caller.account_id, read)])

    async def pause(self, request: Request) -> Response:
        return await self._control(request, JobStatus.PAUSED)

    async def resume(self, request: Request) -> Response:
        return await self._control(request, JobStatus.RUNNING)

    async def cancel(self, request: Request) -> Response:
        return await self._control(request, JobStatus.CANCELLED)

    async def _control(self, request: Request, status: JobStatus) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        replay_id = ReplayId(request.path_params["replay_id"])
        controlled = await control_replay(
            self._services,
            caller.account_id,
            caller.actor,
            _integration_id(request),
            replay_id=replay_id,
            status=status,
        )
        return success(rendered(controlled))


def filter_of(body: FilterBody, now: datetime, *, may_see_subjects: bool) -> ReplayFilter:
    """Return the filter of a body.

    Args:
        may_see_subjects: whether the client may read the users of events.

    Raises:
        Invalid: delivered events are requested without a start time, which would be all of them.
        Forbidden: users are listed by a client that must not learn which users have deliveries.
    """
    if body.users is not None and not may_see_subjects:
        raise Forbidden
    if body.state == "delivered" and body.queued_from is None:
        message = "is required for delivered events"
        raise Invalid([Fault(FaultKind.REQUIRED, "/filter/queued_from", message)])
    queued_to = now if body.queued_to is None else min(body.queued_to, now)
    return ReplayFilter(
        state=DeliveryState(body.state),
        reason=body.reason,
        queued_from=body.queued_from,
        queued_to=queued_to,
        users=body.users,
    )


def _integration_id(request: Request) -> IntegrationId:
    return IntegrationId(request.path_params["integration_id"])
