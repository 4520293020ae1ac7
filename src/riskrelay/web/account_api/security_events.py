"""Security events that a caller asks to be sent."""

from hashlib import sha256
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.security_events import queue_security_event
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Invalid, UnsupportedMediaType
from riskrelay.core.ssf.event_requests import AnsweredRequest, EventRequest, EventRequestId
from riskrelay.core.ssf.event_rules import request_faults, with_subject
from riskrelay.core.ssf.event_types import EVENT_TYPES
from riskrelay.ports import Services
from riskrelay.web.account_api import problems
from riskrelay.web.account_api.bodies import MAX_OBJECT_BYTES, PlainText, faults_of, media_type, parse, read_body
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.notes import Notes
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
            if media_type(request) != "application/json":
                raise UnsupportedMediaType
            document = parse(_OBJECT, await read_body(request, MAX_OBJECT_BYTES))
            asked = _read(document)
            notes = Notes()
            notes.add_unknown(SecurityEventBody, document, ())
            answer = await queue_security_event(
                self._services, caller.account_id, caller.actor, asked, unconfirmed=caller.unconfirmed
            )
        return success(_rendered(answer), messages=problems.messages(notes, self._docs_base))


def _read(document: dict[str, Any]) -> EventRequest:
    """Read a requested event.

    Raises: Invalid: all faults of the form and all faults by the table of event types.
    """
    faults = request_faults(document.get("event_type"), document.get("subject"), document.get("event"))
    try:
        body = SecurityEventBody.model_validate(document, strict=True)
    except ValidationError as error:
        raise Invalid([*faults_of(error), *faults]) from None
    if faults:
        raise Invalid(faults)
    row = EVENT_TYPES[body.event_type]
    sent = [body.event_type, body.subject, body.event, body.txn]
    return EventRequest(
        request_id=None if body.id is None else EventRequestId(body.id),
        event_type=body.event_type,
        subject=body.subject,
        event=with_subject(row, body.event, body.subject),
        txn=body.txn,
        digest=sha256(msgspec.json.encode(sent, order="sorted")).digest(),
    )


def _rendered(answer: AnsweredRequest) -> dict[str, Any]:
    return {
        "txn": answer.txn,
        "deliveries": [
            {"jti": one.jti, "integration_id": one.integration_id, "stream_id": one.stream_id}
            for one in answer.deliveries
        ],
    }
