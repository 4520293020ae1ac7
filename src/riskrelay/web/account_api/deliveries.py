"""The deliveries of an integration, and their attempts."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.deliveries import retry_delivery
from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.attempts import Attempt, Delivery, DeliveryState
from riskrelay.core.delivery.reasons import shown_detail
from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.paging import cursor_of, read_cursor
from riskrelay.web.auth import caller_of

PAGE = 100

_Id = Annotated[str, Meta(pattern="^[0-9a-f-]{36}$")]
_Lane = Annotated[int, Meta(ge=-1, lt=2**31)]
_Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_CURSOR: msgspec.json.Decoder[tuple[StreamId, int, int]] = msgspec.json.Decoder(tuple[_Id, _Lane, _Seq])


class DeliveryRoutes:
    """The handlers of deliveries."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_page(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        integration_id = IntegrationId(request.path_params["integration_id"])
        state = _read_state(request.query_params.get("state"))
        after = read_cursor(request.query_params, _CURSOR)

        def read(tx: Transaction) -> list[Delivery]:
            if tx.integrations.get(integration_id) is None:
                raise NotFound
            return tx.events.deliveries(integration_id, state, after, PAGE + 1)

        found = await self._services.store.read(caller.account_id, read)
        page = found[:PAGE]
        cursor = cursor_of(_place(page[-1])) if len(found) > PAGE else None
        return success(
            [rendered(delivery, may_see_subjects=caller.may_see_subjects) for delivery in page],
            {"cursor": cursor, "count": len(page)},
        )

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        integration_id, jti = _place_in(request)

        def read(tx: Transaction) -> Delivery | None:
            if tx.integrations.get(integration_id) is None:
                raise NotFound
            return tx.events.delivery(integration_id, jti)

        found = await self._services.store.read(caller.account_id, read)
        if found is None:
            raise NotFound
        return success(rendered(found, may_see_subjects=caller.may_see_subjects))

    async def retry(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        delivery = await retry_delivery(self._services, caller.account_id, caller.actor, *_place_in(request))
        return success(rendered(delivery, may_see_subjects=caller.may_see_subjects))


def _place_in(request: Request) -> tuple[IntegrationId, Jti]:
    return IntegrationId(request.path_params["integration_id"]), Jti(request.path_params["jti"])


def _read_state(text: str | None) -> DeliveryState | None:
    if text is None:
        return None
    try:
        return DeliveryState(text)
    except ValueError:
        message = f"state: must be one of {', '.join(DeliveryState)}"
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)]) from None


def _place(delivery: Delivery) -> tuple[StreamId, int, int]:
    return delivery.stream_id, delivery.lane, delivery.seq


def rendered(delivery: Delivery, *, may_see_subjects: bool) -> dict[str, Any]:
    """Return a delivery on the wire."""
    return {
        "jti": delivery.jti,
        "state": delivery.state.value,
        "reason": delivery.reason,
        "queued_at": delivery.queued_at.isoformat().replace("+00:00", "Z"),
        "attempts": [_attempt(attempt, may_see_subjects=may_see_subjects) for attempt in delivery.attempts],
    }


def _attempt(attempt: Attempt, *, may_see_subjects: bool) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": attempt.started_at.isoformat().replace("+00:00", "Z"),
        "duration_ms": _milliseconds(attempt.duration),
        "phases": {
            f"{name}_ms": None if duration is None else _milliseconds(duration)
            for name, duration in attempt.outcome.phases._asdict().items()
        },
        "outcome": attempt.outcome.kind.value,
        "reason": attempt.outcome.reason,
        "status": attempt.outcome.status,
        "detail": shown_detail(attempt.outcome, may_see_subjects=may_see_subjects),
    }


def _milliseconds(duration: timedelta) -> float:
    return round(duration.total_seconds() * 1000, 3)
