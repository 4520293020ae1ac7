"""Findings in: one, an array, or NDJSON."""

from datetime import UTC
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import msgspec
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.record_findings import record_findings
from riskrelay.credentials import Scope
from riskrelay.errors import BodyTooLarge, Fault, FaultKind, Invalid
from riskrelay.ports import Outside
from riskrelay.risk.assessment import LevelChange
from riskrelay.risk.behaviors import BehaviorId
from riskrelay.risk.findings import Finding, FindingId, UserId, UserRef
from riskrelay.web.account_api.bodies import (
    MAX_BATCH_BYTES,
    MAX_OBJECT_BYTES,
    BehaviorName,
    PlainText,
    media_type,
    parse,
    read_body,
)
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import caller_of

MAX_FINDINGS = 10_000


def _email(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if not local or not domain or any(c.isspace() for c in text):
        raise ValueError("must be an e-mail address, such as kai@example.com")
    return text


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


class UserBody(BaseModel):
    """The user a finding is about."""

    email: Annotated[PlainText, Field(max_length=320), AfterValidator(_email)]
    name: Annotated[PlainText, Field(max_length=255)] | None = None
    user_id: Annotated[str, AfterValidator(_uuid)] | None = None


class FindingBody(BaseModel):
    """A finding; other members are ignored."""

    behavior: BehaviorName
    user: UserBody
    timestamp: AwareDatetime | None = None
    id: Annotated[PlainText, Field(min_length=1, max_length=255)] | None = None
    details: dict[str, Any] | None = None


_ONE = TypeAdapter(FindingBody)
_MANY = TypeAdapter(Annotated[list[FindingBody], Field(min_length=1, max_length=MAX_FINDINGS)])


class FindingRoutes:
    """The handler of findings."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def record(self, request: Request) -> Response:
        caller = await caller_of(request, self._outside, Scope.INGEST)
        bodies, single = await _read(request)
        try:
            recorded = await record_findings(self._outside, caller.account_id, [_finding(body) for body in bodies])
        except Invalid as error:
            raise _without_place(error) if single else error from None
        return success(
            {
                "accepted": recorded.accepted,
                "duplicates": recorded.duplicates,
                "ignored": recorded.ignored,
                "changes": [_rendered(change) for change in recorded.changes],
            }
        )


async def _read(request: Request) -> tuple[list[FindingBody], bool]:
    """The findings of a body, and whether it was a single object."""
    if media_type(request) == "application/x-ndjson":
        return _lines(await read_body(request, MAX_BATCH_BYTES)), False
    body = await read_body(request, MAX_BATCH_BYTES)
    if body.lstrip()[:1] == b"[":
        return parse(_MANY, body), False
    if len(body) > MAX_OBJECT_BYTES:
        raise BodyTooLarge(MAX_OBJECT_BYTES)
    return [parse(_ONE, body)], True


def _lines(body: bytes) -> list[FindingBody]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= MAX_FINDINGS:
        message = f"send 1 to {MAX_FINDINGS:,} findings in one request, one JSON object a line; this has {len(lines):,}"
        raise Invalid([Fault(FaultKind.TOO_LONG if lines else FaultKind.REQUIRED, "", message)])
    bodies: list[FindingBody] = []
    faults: list[Fault] = []
    for place, line in enumerate(lines):
        try:
            bodies.append(parse(_ONE, line, [place]))
        except Invalid as error:
            faults.extend(error.faults)
    if faults:
        raise Invalid(faults)
    return bodies


def _finding(body: FindingBody) -> Finding:
    sent = [body.behavior, body.user.email, body.user.name, body.user.user_id, body.timestamp, body.details]
    return Finding(
        finding_id=None if body.id is None else FindingId(body.id),
        behavior=BehaviorId(body.behavior),
        user=UserRef(body.user.email, body.user.name, None if body.user.user_id is None else UserId(body.user.user_id)),
        occurred_at=None if body.timestamp is None else body.timestamp.astimezone(UTC),
        details=body.details,
        digest=sha256(msgspec.json.encode(sent, order="sorted")).digest(),
    )


def _without_place(error: Invalid) -> Invalid:
    """The faults of a body that is one object: its pointers start at its members."""
    return Invalid([Fault(f.kind, f.pointer.removeprefix("/0"), f.message) for f in error.faults])


def _rendered(change: LevelChange) -> dict[str, Any]:
    return {
        "user_id": change.user_id,
        "email": change.email,
        "previous_level": None if change.previous is None else change.previous.word,
        "current_level": None if change.current is None else change.current.word,
    }
