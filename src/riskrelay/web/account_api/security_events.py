"""Security events that a caller asks to be sent: one, an array, or NDJSON."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.security_events import MAX_EVENTS, queue_security_events
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Invalid, pointer
from riskrelay.core.ssf.event_requests import AnsweredRequest, EventRequest, EventRequestId
from riskrelay.core.ssf.event_rules import request_faults, with_subject
from riskrelay.core.ssf.event_types import EVENT_TYPES
from riskrelay.ports import Services
from riskrelay.web.account_api.batches import digest_of, read_batch
from riskrelay.web.account_api.bodies import MAX_OBJECT_BYTES, PlainText, Reading, faults_of, parse
from riskrelay.web.auth import caller_of, confirming

Identifier = Annotated[PlainText, Field(min_length=1, max_length=255)]


class SecurityEventBody(BaseModel):
    """The body of a security event. Other members are ignored, and noted in the response."""

    event_type: str
    subject: dict[str, Any]
    event: dict[str, Any]
    txn: Identifier | None = None
    id: Identifier | None = None


_OBJECT = TypeAdapter(dict[str, Any])


class SecurityEventRoutes:
    """The handler of security events.

    Args:
        docs_base: the origin of the pages that explain the codes.
    """

    def __init__(self, services: Services, docs_base: str) -> None:
        self._services = services
        self._docs_base = docs_base

    async def queue(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE, confirms=True)
        async with confirming(request, self._services, caller):
            batch = await read_batch(
                request, _read_one, "security events", most_items=MAX_EVENTS, most_bytes=MAX_OBJECT_BYTES
            )
            try:
                answers = await queue_security_events(
                    self._services, caller.account_id, caller.actor, batch.items, unconfirmed=caller.unconfirmed
                )
            except Invalid as error:
                raise batch.located(error) from None

        def result() -> dict[str, Any]:
            return _rendered(answers[0]) if batch.single else {"events": [_rendered(one) for one in answers]}

        return await batch.success(result, self._docs_base)


def _read_one(written: bytes, prefix: Sequence[int], reading: Reading) -> EventRequest:
    """Read a requested event.

    Raises: Invalid: all faults of the form and all faults by the table of event types.
    """
    document = parse(_OBJECT, written, prefix, reading)
    faults = [
        one.under(pointer(prefix))
        for one in request_faults(document.get("event_type"), document.get("subject"), document.get("event"))
    ]
    try:
        body = SecurityEventBody.model_validate(document, strict=True)
    except ValidationError as error:
        raise Invalid([*faults_of(error, prefix), *faults]) from None
    if faults:
        raise Invalid(faults)
    reading.notes.add_unknown(SecurityEventBody, document, tuple(prefix))
    row = EVENT_TYPES[body.event_type]
    return EventRequest(
        request_id=None if body.id is None else EventRequestId(body.id),
        event_type=body.event_type,
        subject=body.subject,
        event=with_subject(row, body.event, body.subject),
        txn=body.txn,
        digest=digest_of([body.event_type, body.subject, body.event, body.txn]),
    )


def _rendered(answer: AnsweredRequest) -> dict[str, Any]:
    return {
        "txn": answer.txn,
        "deliveries": [
            {"jti": one.jti, "integration_id": one.integration_id, "stream_id": one.stream_id}
            for one in answer.deliveries
        ],
    }
