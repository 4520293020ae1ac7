"""Activity in: logins and DLP hits, in our own form or as OCSF."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from ipaddress import ip_address
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.computing import compute_for
from riskrelay.actions.giving_way import in_steps
from riskrelay.actions.record_activity import ActivityRecorded, record_activity
from riskrelay.actions.record_signals import Signals, take_events
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Invalid, pointer
from riskrelay.core.risk.activity import Activity, ActivityId, DlpHit, Login, written
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.sources.outcomes import Outcome
from riskrelay.core.sources.preparing import Rest
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Ignored, Refused
from riskrelay.core.sources.sources import ocsf_source
from riskrelay.ports import RecordedFinding, Services
from riskrelay.web.account_api.batches import (
    ItemId,
    UserBody,
    digest_of,
    read_batch,
    rendered_changes,
)
from riskrelay.web.account_api.bodies import PlainText, Reading, WholeNumber, parse
from riskrelay.web.account_api.source_events import rendered_reason
from riskrelay.web.account_api.timestamps import Timestamp
from riskrelay.web.auth import caller_of

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Text = Annotated[PlainText, Field(min_length=1, max_length=255)]
MAX_ASN = 4_294_967_295  # RFC 6793


def _canonical_ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None


IpAddress = Annotated[PlainText, Field(max_length=64), AfterValidator(_canonical_ip)]
"""An address in its canonical form."""


class _ActivityBody(BaseModel):
    """The common members of logins and DLP hits. Other members are ignored, and noted in the response."""

    user: UserBody
    timestamp: Timestamp
    id: ItemId | None = None

    def activity(self, seen: Login | DlpHit) -> Activity:
        """Return the same activity as a record of the domain."""
        digest = digest_of([self.user.email, self.user.name, self.user.user_id, seen])
        return Activity(
            activity_id=None if self.id is None else ActivityId(self.id),
            user=self.user.reference(),
            seen=seen,
            digest=digest,
        )


class LoginByAddressBody(_ActivityBody):
    """A successful login or a refreshed session. Without coordinates, geolocation finds its place."""

    type: Literal["login", "session_refresh"] = "login"
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    application: Text | None = None
    ip: IpAddress | None = None
    accuracy_km: Annotated[float, Field(ge=0, le=20_000)] = 0.0
    asn: Annotated[WholeNumber, Field(ge=0, le=MAX_ASN)] | None = None
    country: Text | None = None
    city: Text | None = None
    source: Text | None = None
    anonymous: bool = False

    def login(self) -> Login:
        """Return the same login as a record of the domain."""
        return Login(
            at=self.timestamp,
            latitude=self.latitude or 0.0,
            longitude=self.longitude or 0.0,
            application=self.application,
            accuracy_km=self.accuracy_km,
            ip=self.ip,
            asn=self.asn,
            country=self.country,
            city=self.city,
            source=self.source,
            is_refresh=self.type == "session_refresh",
            is_anonymous=self.anonymous,
        )


class LoginBody(LoginByAddressBody):
    """A login without an address: it must have coordinates."""

    latitude: Latitude
    longitude: Longitude


class DlpHitBody(_ActivityBody):
    """A hit of a DLP profile."""

    type: Literal["dlp_hit"] = "dlp_hit"
    profile: Text


class _Shape(msgspec.Struct, kw_only=True):
    """The members that distinguish the forms of an item."""

    class_uid: Any = msgspec.UNSET
    type: Any = msgspec.UNSET
    profile: Any = msgspec.UNSET
    latitude: Any = msgspec.UNSET
    longitude: Any = msgspec.UNSET
    ip: Any = msgspec.UNSET
    type_uid: Any = msgspec.UNSET


_LOGIN = TypeAdapter(LoginBody)
_LOGIN_BY_ADDRESS = TypeAdapter(LoginByAddressBody)
_DLP_HIT = TypeAdapter(DlpHitBody)
_OBJECT = TypeAdapter(dict[str, Any])
_SHAPE = msgspec.json.Decoder(_Shape)


@dataclass(frozen=True, slots=True)
class _OcsfEvent:
    """An event of OCSF, which is mapped like the events of a source."""

    event: dict[str, Any]


_Read = Activity | _OcsfEvent


class ActivityRoutes:
    """The handler of activity.

    Args:
        docs_base: the origin of the pages that explain the codes.
    """

    def __init__(self, services: Services, signals: Signals, docs_base: str) -> None:
        self._services = services
        self._signals = signals
        self._docs_base = docs_base

    async def record(self, request: Request) -> Response:
        """Record activity. Items in this API's form are recorded all or none, before any event of OCSF."""
        caller = await caller_of(request, self._services, Scope.INGEST)
        batch = await read_batch(request, _read_one, "activities")
        unnamed = {place: one for place, one in enumerate(batch.items) if isinstance(one, Activity)}
        sent = await compute_for(len(unnamed), partial(_named, unnamed))
        try:
            recorded = await record_activity(self._services, caller.account_id, sent)
        except Invalid as error:
            raise batch.located(error) from None
        events = {place: one.event for place, one in enumerate(batch.items) if isinstance(one, _OcsfEvent)}
        source = ocsf_source(caller.account_id, self._services.clock.now())
        outcome, episodes = await take_events(self._services, self._signals, source, list(events.values()))
        result = partial(_rendered, recorded, outcome, episodes, places=list(events))
        return await batch.success(result, self._docs_base)


def _named(sent: Mapping[int, Activity]) -> dict[int, Activity]:
    """Derive missing ids of activity from its content, so that a repeated delivery is a duplicate.

    Equal activity in one request is numbered, because a user can do the same twice in a second.

    Rule: docs/choices.md, "Activity".
    """
    seen: Counter[bytes] = Counter()
    named: dict[int, Activity] = {}
    for place, activity in in_steps(sent.items()):
        if activity.activity_id is None:
            number = seen[activity.digest]
            seen[activity.digest] += 1
            content = sha256(activity.digest + number.to_bytes(4, "big")).hexdigest()[:40]
            activity = replace(activity, activity_id=ActivityId(f"content-{content}"))
        named[place] = activity
    return named


def read_activity(body: bytes) -> Activity | None:
    """Read one item of a body, outside of a request.

    Returns: None: it is an event of OCSF.
    Raises: Invalid.
    """
    activity = _read_one(body, (), Reading())
    return None if isinstance(activity, _OcsfEvent) else _named({0: activity})[0]


def _read_one(body: bytes, prefix: Sequence[int], reading: Reading) -> _Read:
    try:
        shape = _SHAPE.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        parse(_OBJECT, body, prefix, Reading(room=reading.room))  # raises the faults of the item
        shape = _Shape()
    if shape.class_uid is not msgspec.UNSET or shape.type_uid is not msgspec.UNSET:
        return _OcsfEvent(parse(_OBJECT, body, prefix, Reading(room=reading.room)))
    if _is_dlp_hit(shape, prefix):
        hit = parse(_DLP_HIT, body, prefix, reading)
        return hit.activity(DlpHit(hit.timestamp, hit.profile))
    form: TypeAdapter[Any] = _LOGIN if shape.ip in (msgspec.UNSET, None) else _LOGIN_BY_ADDRESS
    login: LoginByAddressBody = parse(form, body, prefix, reading)
    if (login.latitude is None) != (login.longitude is None):
        missing = "latitude" if login.latitude is None else "longitude"
        raise Invalid([Fault(FaultKind.REQUIRED, pointer([*prefix, missing]), "is required beside the other one")])
    return login.activity(login.login())


def _is_dlp_hit(shape: _Shape, prefix: Sequence[int]) -> bool:
    """Return whether an item is a DLP hit and not a login, by its `type` or otherwise by its members.

    Raises: Invalid: it matches both or neither.
    """
    if shape.type is msgspec.UNSET:
        has_profile = shape.profile is not msgspec.UNSET
        if has_profile and (shape.latitude is not msgspec.UNSET or shape.longitude is not msgspec.UNSET):
            message = "is required with a profile and coordinates: login or dlp_hit"
            raise Invalid([Fault(FaultKind.REQUIRED, pointer([*prefix, "type"]), message)])
        return has_profile
    if shape.type not in ("login", "session_refresh", "dlp_hit"):
        raise Invalid(
            [Fault(FaultKind.WRONG_VALUE, pointer([*prefix, "type"]), "must be login, session_refresh or dlp_hit")]
        )
    return bool(shape.type == "dlp_hit")


def _rendered(
    recorded: ActivityRecorded,
    outcome: Outcome,
    episodes: Sequence[tuple[RecordedFinding, Standing]],
    places: Sequence[int],
) -> dict[str, Any]:
    """Build the response.

    Args:
        outcome, episodes: the results of the events of OCSF.
        places: the places of these events in the request.
    """
    # Here, logins that detection does not use count as ignored, in both forms. A source counts them as accepted.
    rest: dict[int, Rest] = dict(sorted({**outcome.rest, **outcome.exempt}.items()))
    late = {place: one for place, one in rest.items() if one.reason is Reason.TOO_OLD}
    ignored = Counter(one.reason.value for one in rest.values() if isinstance(one, Ignored))
    ignored.update(exemption.value for exemption in recorded.exempt.values())
    ignored["behavior_disabled"] += recorded.ignored - len(recorded.exempt)
    ignored["too_old"] -= len(late)
    placed = replace(outcome, rest={places[place]: one for place, one in rest.items()})
    return {
        "accepted": recorded.accepted + outcome.activity - len(outcome.exempt) + outcome.findings,
        "duplicates": recorded.duplicates + outcome.duplicates,
        "ignored": ignored.total(),
        "ignored_by_reason": {reason: count for reason, count in sorted(ignored.items()) if count},
        "refused": sum(isinstance(one, Refused) for one in rest.values()),
        "reasons": [rendered_reason(one) for kind in (Ignored, Refused) for one in placed.reasons(kind)],
        "late": recorded.late + len(late),
        "findings": [_rendered_finding(finding, standing) for finding, standing in (*recorded.findings, *episodes)],
        "changes": rendered_changes((*recorded.changes, *outcome.changes)),
    }


def _rendered_finding(finding: RecordedFinding, standing: Standing) -> dict[str, Any]:
    return {
        "id": finding.finding_id,
        "behavior": finding.behavior,
        "user_id": finding.user_id,
        "email": standing.email,
        "risk_level": finding.risk_level.word,
        "timestamp": written(finding.occurred_at),
        "details": msgspec.Raw((finding.details_json or "{}").encode()),
    }
