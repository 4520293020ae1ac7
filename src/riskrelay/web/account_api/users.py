"""Users and their risk. Rule: contract 19 to 21."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.erasures import erase_user
from riskrelay.actions.users import MAX_REASON_CHARACTERS, reset_user
from riskrelay.core.credentials import Scope
from riskrelay.core.email_addresses import MAX_EMAIL_CHARACTERS
from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting, name_of
from riskrelay.core.risk.exceptions import ExceptionId, RiskException
from riskrelay.core.risk.findings import MAX_SHOWN_DETAILS_BYTES, UserId
from riskrelay.ports import RecordedFinding, Services, UserProfile
from riskrelay.web.account_api.bodies import PlainText, read_optional
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.paging import Page, read_page_if_asked
from riskrelay.web.account_api.user_exports import UserExports
from riskrelay.web.account_api.whole_summary import WholeSummaries
from riskrelay.web.auth import caller_of

Reason = Annotated[PlainText, Field(min_length=1, max_length=MAX_REASON_CHARACTERS)]
"""Why a person resets users: a text for people."""

MAX_FOUND = 20  # chosen: candidates that a person reads

MAX_EVENTS = 1_000  # guessed: without a page in the query, as many as the largest page


class ResetBody(BaseModel):
    """The body of a reset, which may be empty. Other members are ignored."""

    reason: Reason | None = None


class UserRoutes:
    """The handlers of users."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._whole_summaries = WholeSummaries(services)
        self._exports = UserExports(services)

    async def summary(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.PII_READ)
        page = read_page_if_asked(request.query_params)
        if page is None:
            return await self._whole_summaries.answer(caller.account_id, _row)
        found, total = await self._services.store.read(
            caller.account_id, lambda tx: tx.users.summary(page.offset, page.per_page)
        )
        return success({"users": [_row(standing) for standing in found]}, page.result_info(len(found), total))

    async def find(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.PII_READ)
        start = request.query_params.get("email", "")
        if len(start) > MAX_EMAIL_CHARACTERS or "\0" in start:  # PostgreSQL has no text with a null character
            message = f"email: must have at most {MAX_EMAIL_CHARACTERS} characters, and no null character"
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)])
        found = await self._services.store.read(
            caller.account_id, lambda tx: tx.user_views.by_email(start, None, MAX_FOUND)
        )
        return success([_found(standing) for standing in found])

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.PII_READ)
        user_id = user_id_of(request)
        asked = read_page_if_asked(request.query_params)
        page = asked or Page(1, MAX_EVENTS)
        found, settings, exceptions = await self._services.store.read(
            caller.account_id,
            lambda tx: (
                tx.users.profile(user_id, page.offset, page.per_page),
                tx.behaviors.stored(),
                tx.exceptions.all(),
            ),
        )
        if found is None:
            raise NotFound
        info = page.result_info(len(found.findings), found.standing.event_count) if asked else None
        return success(_profile(found, settings, {one.exception_id: one for one in exceptions}), info)

    async def export(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.PII_READ)
        return await self._exports.answer(caller.account_id, user_id_of(request))

    async def erase(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        status = await erase_user(self._services, caller.account_id, caller.actor, user_id_of(request))
        return success({"status": status.value})

    async def reset(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        user_id = user_id_of(request)
        body = await read_optional(request, ResetBody)
        await reset_user(self._services, caller.account_id, caller.actor, user_id, reason=body.reason)
        return success({})


def user_id_of(request: Request) -> UserId:
    """Return the id in the path.

    All ids are UUIDs, so that a route's name is never taken for a user's id (contract 23).
    """
    text = request.path_params["user_id"].lower()
    try:
        found = str(UUID(text))
    except ValueError:
        raise NotFound from None
    if found != text:  # a form without hyphens or in braces, which this service never returns
        raise NotFound
    return UserId(found)


def _found(standing: Standing) -> dict[str, Any]:
    return {
        "user_id": standing.user_id,
        "name": standing.name or "",
        "email": standing.email,
        "risk_level": None if standing.level is None else standing.level.word,
    }


def _row(standing: Standing) -> dict[str, Any]:
    assert standing.level is not None  # noqa: S101  the summary has only such
    assert standing.last_event_at is not None  # noqa: S101  a user with a level has a finding
    return {
        "user_id": standing.user_id,
        "name": standing.name or "",
        "email": standing.email,
        "event_count": standing.event_count,
        "last_event": _time(standing.last_event_at),
        "max_risk_level": standing.level.word,
    }


def _profile(
    found: UserProfile,
    settings: Mapping[BehaviorId, BehaviorSetting],
    exceptions: Mapping[ExceptionId, RiskException],
) -> dict[str, Any]:
    standing = found.standing
    shown = {
        "name": standing.name or "",
        "email": standing.email,
        "events": [_event(finding, settings, exceptions) for finding in found.findings],
        "last_reset_time": None if standing.last_reset_at is None else _time(standing.last_reset_at),
    }
    return shown if standing.level is None else {**shown, "risk_level": standing.level.word}


def _event(
    finding: RecordedFinding,
    settings: Mapping[BehaviorId, BehaviorSetting],
    exceptions: Mapping[ExceptionId, RiskException],
) -> dict[str, Any]:
    event: dict[str, Any] = {
        "id": finding.finding_id,
        "name": name_of(finding.behavior, settings),
        "risk_level": finding.risk_level.word,
        "timestamp": _time(finding.occurred_at),
    }
    if finding.exception_id is not None:
        event["exception"] = _exception(finding.exception_id, exceptions.get(finding.exception_id))
    if finding.left_out_bytes:
        return {**event, "event_details": {"left_out": _why_left_out(finding.left_out_bytes)}}
    if finding.details_json is None:
        return event
    return {**event, "event_details": msgspec.Raw(finding.details_json.encode())}


def _exception(exception_id: ExceptionId, stored: RiskException | None) -> dict[str, Any]:
    """Return the exception that applied to a finding; without its members if it was deleted."""
    if stored is None:
        return {"id": exception_id, "effect": None, "level": None, "reason": None}
    level = None if stored.level is None else stored.level.word
    return {"id": exception_id, "effect": stored.effect.value, "level": level, "reason": stored.reason}


def _why_left_out(size: int) -> str:
    """Return why details of *size* bytes are missing, and how to get them."""
    if size > MAX_SHOWN_DETAILS_BYTES:
        return (
            f"these details have {size:,} bytes, and an answer has room for {MAX_SHOWN_DETAILS_BYTES:,}, so they are "
            "never shown; an earlier version accepted them, send the finding again under a new id with smaller details"
        )
    return f"{size:,} bytes of details do not fit into this answer; ask for a smaller page"


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
