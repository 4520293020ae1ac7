"""Accept events of sources, and the handshakes by which senders test a destination."""

from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from riskrelay.actions.record_signals import Signals, record_events, try_events
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import found
from riskrelay.core.risk.activity import Activity, DlpHit, written
from riskrelay.core.risk.findings import Finding
from riskrelay.core.sources.outcomes import Outcome, Reasoned, became_of, pointer_of, words
from riskrelay.core.sources.preparing import Prepared, Rest
from riskrelay.core.sources.signals import Ignored, Refused
from riskrelay.core.sources.sources import Became, SourceId
from riskrelay.ports import Services
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.packed_bodies import read_events
from riskrelay.web.account_api.source_senders import check_signature, sender_of
from riskrelay.web.auth import caller_of

_MAX_ECHO_CHARACTERS = 1_024
_OKTA_CHALLENGE = "x-okta-verification-challenge"


class SourceEventRoutes:
    """The handlers of a source's events."""

    def __init__(self, services: Services, signals: Signals) -> None:
        self._services = services
        self._signals = signals

    async def record(self, request: Request) -> Response:
        """Record events, and return the result of each, always with status 200.

        Microsoft tests a notification URL by a POST with a token in its query, and expects the token in the response.
        Rule: Microsoft Graph, "notificationUrl validation": decoded, as text/plain, within 10 seconds.
        """
        token = request.query_params.get("validationToken")
        if token is not None:
            await sender_of(request, self._services, self._signals.vault)
            return PlainTextResponse(token[:_MAX_ECHO_CHARACTERS])
        return success(rendered(await self._record(request)))

    async def record_as_splunk(self, request: Request) -> Response:
        """Record events, and respond with the two members that clients of Splunk's collector read.

        Rule: Splunk, "HTTP Event Collector REST API endpoints": code 0 is success.
        """
        outcome = await self._record(request)
        return _json({"text": "Success", "code": 0, **rendered(outcome)})

    async def verify(self, request: Request) -> Response:
        """Answer Okta's test of an event hook. Another GET gets an empty answer.

        Rule: Okta, "Event hooks": one-time verification request.
        """
        await sender_of(request, self._services, self._signals.vault)
        challenge = request.headers.get(_OKTA_CHALLENGE, "")
        return _json({"verification": challenge[:_MAX_ECHO_CHARACTERS]})

    async def splunk_health(self, request: Request) -> Response:
        """Answer a client of Splunk's collector that asks whether it works."""
        await sender_of(request, self._services, self._signals.vault)
        return _json({"text": "HEC is healthy", "code": 17})

    async def attempt(self, request: Request) -> Response:
        """Return the result that each event would have. Nothing is stored."""
        caller = await caller_of(request, self._services, Scope.READ)
        source_id = SourceId(request.path_params["source_id"])
        source = found(await self._services.store.read(caller.account_id, lambda tx: tx.sources.get(source_id)))
        events = await read_events(request)
        prepared = await try_events(self._services, self._signals, source, events)
        return success({"events": rendered_attempt(prepared, len(events), is_shown=caller.may_see_subjects)})

    async def _record(self, request: Request) -> Outcome:
        sender = await sender_of(request, self._services, self._signals.vault)
        events = await read_events(request, partial(check_signature, request, sender))
        return await record_events(self._services, self._signals, sender.source, events)


def rendered(outcome: Outcome) -> dict[str, Any]:
    """Return the results of a request's events, as a response."""
    return {
        "events": outcome.events,
        "findings": outcome.findings,
        "activity": outcome.activity,
        "exempt": [rendered_reason(one) for one in outcome.exemptions],
        "duplicates": outcome.duplicates,
        "ignored": [rendered_reason(one) for one in outcome.reasons(Ignored)],
        "refused": [rendered_reason(one) for one in outcome.reasons(Refused)],
        "level_changes": len({change.user_id for change in outcome.changes}),
    }


def rendered_reason(one: Reasoned) -> dict[str, Any]:
    """Return the events with one reason, as a response."""
    return {
        "reason": one.reason.value,
        "count": one.count,
        "first": [{"index": place.index, "pointer": place.pointer, "message": place.message} for place in one.first],
    }


def rendered_attempt(prepared: Prepared, events: int, *, is_shown: bool) -> list[dict[str, Any]]:
    """Return the result that each event would have.

    Args:
        is_shown: whether the client may see the users of events.
    """
    shown: list[dict[str, Any]] = []
    for index in range(events):
        if (finding := prepared.findings.get(index)) is not None:
            shown.append({"index": index, **_finding(finding, is_shown=is_shown)})
        elif (activity := prepared.activity.get(index)) is not None:
            exempt = prepared.exempt.get(index)
            shown.append({"index": index, **_activity(activity, exempt, is_shown=is_shown)})
        else:
            shown.append({"index": index, **_rest(prepared.rest[index])})
    return shown


def _finding(finding: Finding, *, is_shown: bool) -> dict[str, Any]:
    return {
        "became": Became.FINDING.value,
        "behavior": finding.behavior,
        "email": finding.user.email if is_shown else None,
        "timestamp": None if finding.occurred_at is None else written(finding.occurred_at),
        "details": finding.details if is_shown else None,
    }


def _activity(activity: Activity, exempt: Ignored | None, *, is_shown: bool) -> dict[str, Any]:
    seen = activity.seen
    shown: dict[str, Any] = {
        "became": Became.ACTIVITY.value,
        "type": "dlp_hit" if isinstance(seen, DlpHit) else "login",
        "email": activity.user.email if is_shown else None,
        "timestamp": written(seen.at),
    }
    if exempt is not None:
        shown["exempt"] = {"reason": exempt.reason.value, "message": words(exempt)}
    return shown


def _rest(one: Rest) -> dict[str, Any]:
    return {
        "became": became_of(one).value,
        "reason": one.reason.value,
        "pointer": pointer_of(one),
        "message": words(one),
    }


def _json(body: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
