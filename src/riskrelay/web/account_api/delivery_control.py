"""Control delivery to an integration: pause, resume, limits, verification, health."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.integrations import limit_integration
from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.actions.verification import verify_integration
from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.health import StreamHealth, what_next, why
from riskrelay.core.delivery.target_warnings import target_warnings
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import DeliveryLimits, Integration, IntegrationId
from riskrelay.core.ssf.refused_requests import RefusedRequest, sentence
from riskrelay.ports import Services, Targets, Transaction
from riskrelay.web.account_api.bodies import PlainText, WholeNumber, read_object, read_optional
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import Caller, caller_of

Refused = Mapping[IntegrationId, Sequence[RefusedRequest]]

_STATES = ("queued", "delivered", "pending", "dead", "expired", "cancelled", "erased", "superseded")


class PauseBody(BaseModel):
    """The body of pause. Other members are ignored."""

    reason: Annotated[PlainText, Field(max_length=255)] | None = None


class VerifyBody(BaseModel):
    """The body of verify. Other members are ignored."""

    state: Annotated[PlainText, Field(max_length=255)] | None = None


class LimitsBody(BaseModel):
    """The limits; null: none of its own. Other members are ignored.

    Attributes:
        coalesce_level_changes: whether a user's waiting level changes collapse into one.
    """

    pushes_per_second: Annotated[WholeNumber, Field(ge=1, le=10_000)] | None
    concurrency: Annotated[WholeNumber, Field(ge=1, le=256)] | None
    coalesce_level_changes: StrictBool = False


class DeliveryControlRoutes:
    """The handlers.

    Args:
        targets: the rules about where may be pushed to.
        retention: how long undelivered events are kept.
    """

    def __init__(self, services: Services, targets: Targets, retention: timedelta) -> None:
        self._services = services
        self._targets = targets
        self._retention = retention

    async def pause(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_optional(request, PauseBody)
        await pause_integration(
            self._services, caller.account_id, caller.actor, _integration_id(request), reason=body.reason
        )
        return await self._health(caller, _integration_id(request))

    async def resume(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        await resume_integration(self._services, caller.account_id, caller.actor, _integration_id(request))
        return await self._health(caller, _integration_id(request))

    async def limit(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_object(request, LimitsBody)
        limits = DeliveryLimits(body.pushes_per_second, body.concurrency, body.coalesce_level_changes)
        await limit_integration(
            self._services, caller.account_id, caller.actor, _integration_id(request), limits=limits
        )
        return await self._health(caller, _integration_id(request))

    async def verify(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_optional(request, VerifyBody)
        queued = await verify_integration(
            self._services, caller.account_id, caller.actor, _integration_id(request), state=body.state
        )
        sent = [{"jti": signal.event.jti, "stream_id": signal.stream.stream_id} for signal in queued]
        return success({"deliveries": sent})

    async def health(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        return await self._health(caller, _integration_id(request))

    async def health_of_all(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)

        def read(tx: Transaction) -> tuple[list[Integration], Sequence[StreamHealth], Refused]:
            return tx.integrations.all(), tx.health.streams(None), tx.refused_requests.by_integration(None)

        integrations, streams, refused = await self._services.store.read(caller.account_id, read)
        by_integration: dict[IntegrationId, list[StreamHealth]] = defaultdict(list)
        for health in streams:
            by_integration[health.stream.integration.integration_id].append(health)
        see = caller.may_see_subjects
        return success(
            [
                self._rendered(one, by_integration[one.integration_id], refused, may_see_subjects=see)
                for one in integrations
            ]
        )

    async def _health(self, caller: Caller, integration_id: IntegrationId) -> Response:
        def read(tx: Transaction) -> tuple[Integration, Sequence[StreamHealth], Refused]:
            integration = tx.integrations.get(integration_id)
            if integration is None:
                raise NotFound
            refused = tx.refused_requests.by_integration(integration_id)
            return integration, tx.health.streams(integration_id), refused

        found = await self._services.store.read(caller.account_id, read)
        return success(self._rendered(*found, may_see_subjects=caller.may_see_subjects))

    def _rendered(
        self, integration: Integration, streams: Sequence[StreamHealth], refused: Refused, *, may_see_subjects: bool
    ) -> dict[str, Any]:
        pause = integration.pause
        return {
            "integration_id": integration.integration_id,
            "active": integration.active,
            "paused": None if pause is None else {"since": _moment(pause.since), "reason": pause.reason},
            "limits": {
                "pushes_per_second": integration.limits.pushes_per_second,
                "concurrency": integration.limits.concurrency,
                "coalesce_level_changes": integration.limits.coalesces_level_changes,
            },
            "warnings": target_warnings(integration, [health.stream for health in streams], self._targets.problem),
            "streams": [_stream(health, self._retention, may_see_subjects=may_see_subjects) for health in streams],
            "refused_requests": [_refused(one) for one in refused.get(integration.integration_id, ())],
        }


def _refused(one: RefusedRequest) -> dict[str, Any]:
    return {
        "operation": one.operation.value,
        "at": _moment(one.at),
        "status": one.status,
        "error": one.error,
        "message": sentence(one),
    }


def _stream(health: StreamHealth, retention: timedelta, *, may_see_subjects: bool) -> dict[str, Any]:
    stream, ledger = health.stream, health.ledger
    return {
        "stream_id": stream.stream_id,
        "delivery": "poll" if stream.is_polled else "push",
        "endpoint_url": stream.endpoint_url,
        "condition": health.condition.value,
        "why": why(health, may_see_subjects=may_see_subjects),
        "next": what_next(health, retention),
        "ledger": {state: getattr(ledger, state) for state in _STATES},
        "oldest_pending_seconds": _seconds(ledger.oldest_pending),
        "next_attempt_in_seconds": _seconds(health.next_attempt_in),
        "failures_in_a_row": health.failures,
        "last_attempt": None
        if health.last_attempt_at is None
        else {"at": _moment(health.last_attempt_at), "outcome": health.last_outcome, "reason": health.last_reason},
    }


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else round(duration.total_seconds(), 3)


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _integration_id(request: Request) -> IntegrationId:
    return IntegrationId(request.path_params["integration_id"])
