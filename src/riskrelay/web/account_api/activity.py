"""Activity in: logins and DLP hits, in our own form or as OCSF."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from ipaddress import ip_address
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.record_activity import ActivityRecorded, record_activity
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Invalid, pointer
from riskrelay.core.risk.activity import Activity, ActivityId, DlpHit, Login, written
from riskrelay.core.risk.assessment import Standing
from riskrelay.ports import Outside, RecordedFinding
from riskrelay.web.account_api import ocsf
from riskrelay.web.account_api.batches import (
    Batch,
    ItemId,
    UserBody,
    digest_of,
    read_batch,
    rendered_change,
)
from riskrelay.web.account_api.bodies import PlainText, Reading, WholeNumber, parse
from riskrelay.web.account_api.timestamps import Timestamp
from riskrelay.web.auth import caller_of

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
    """What logins and DLP hits have in common; other members are ignored, and noted in the answer."""

    user: UserBody
    timestamp: Timestamp
    id: ItemId | None = None

    def activity(self, seen: Login | DlpHit) -> Activity:
        """The same, for the domain."""
        digest = digest_of([self.user.email, self.user.name, self.user.user_id, seen])
        return Activity(
            activity_id=None if self.id is None else ActivityId(self.id),
            user=self.user.reference(),
            seen=seen,
            digest=digest,
        )


class LoginByAddressBody(_ActivityBody):
    """A successful login, or a session that was refreshed. Without coordinates, geolocation says where it was."""

    type: Literal["login", "session_refresh"] = "login"
    latitude: ocsf.Latitude | None = None
    longitude: ocsf.Longitude | None = None
    application: Text | None = None
    ip: IpAddress | None = None
    accuracy_km: Annotated[float, Field(ge=0, le=20_000)] = 0.0
    asn: Annotated[WholeNumber, Field(ge=0, le=MAX_ASN)] | None = None
    country: Text | None = None
    city: Text | None = None
    source: Text | None = None
    anonymous: bool = False

    def login(self) -> Login:
        """The same, for the domain."""
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

    latitude: ocsf.Latitude
    longitude: ocsf.Longitude


class DlpHitBody(_ActivityBody):
    """A hit of a DLP profile."""

    type: Literal["dlp_hit"] = "dlp_hit"
    profile: Text


class _Shape(msgspec.Struct, kw_only=True):
    """What tells one form from another."""

    class_uid: Any = msgspec.UNSET
    type: Any = msgspec.UNSET
    profile: Any = msgspec.UNSET
    latitude: Any = msgspec.UNSET
    longitude: Any = msgspec.UNSET
    ip: Any = msgspec.UNSET
    metadata: Any = msgspec.UNSET


_LOGIN = TypeAdapter(LoginBody)
_LOGIN_BY_ADDRESS = TypeAdapter(LoginByAddressBody)
_DLP_HIT = TypeAdapter(DlpHitBody)
_OBJECT = TypeAdapter(dict[str, Any])
_SHAPE = msgspec.json.Decoder(_Shape)


@dataclass(frozen=True, slots=True)
class _Read:
    """One item of a request.

    Attributes:
        activity: None: an OCSF event that says nothing we can use.
        members: where the sender's form has a member of ours, when it has another name there.
    """

    activity: Activity | None
    members: Mapping[str, str]


class ActivityRoutes:
    """The handler of activity.

    Args:
        docs_base: the origin where the pages that explain the codes stand.
    """

    def __init__(self, outside: Outside, docs_base: str) -> None:
        self._outside = outside
        self._docs_base = docs_base

    async def record(self, request: Request) -> Response:
        caller = await caller_of(request, self._outside, Scope.INGEST)
        batch = await read_batch(request, _read_one, "activities")
        sent = _named({place: item.activity for place, item in enumerate(batch.items) if item.activity is not None})
        try:
            recorded = await record_activity(self._outside, caller.account_id, sent)
        except Invalid as error:
            raise batch.located(_as_sent(error, batch)) from None
        return batch.success(_rendered(recorded, unusable=len(batch.items) - len(sent)), self._docs_base)


def _named(sent: Mapping[int, Activity]) -> dict[int, Activity]:
    """Give activity without an id one that follows from its content, so that a repeated delivery is a duplicate.

    Activity of one request that is alike is told apart by its number: a user can do the same twice in a second.

    Rule: docs/choices.md, "Activity".
    """
    seen: Counter[bytes] = Counter()
    named: dict[int, Activity] = {}
    for place, activity in sent.items():
        if activity.activity_id is None:
            number = seen[activity.digest]
            seen[activity.digest] += 1
            content = sha256(activity.digest + number.to_bytes(4, "big")).hexdigest()[:40]
            activity = replace(activity, activity_id=ActivityId(f"content-{content}"))
        named[place] = activity
    return named


def _read_one(body: bytes, prefix: Sequence[int], reading: Reading) -> _Read:
    try:
        shape = _SHAPE.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        parse(_OBJECT, body, prefix, Reading(room=reading.room))  # says what is wrong with it
        shape = _Shape()
    if shape.class_uid is not msgspec.UNSET:
        return _read_event(shape, body, prefix, reading)
    if _is_dlp_hit(shape, prefix):
        hit = parse(_DLP_HIT, body, prefix, reading)
        return _Read(hit.activity(DlpHit(hit.timestamp, hit.profile)), {})
    form: TypeAdapter[Any] = _LOGIN if shape.ip in (msgspec.UNSET, None) else _LOGIN_BY_ADDRESS
    login: LoginByAddressBody = parse(form, body, prefix, reading)
    if (login.latitude is None) != (login.longitude is None):
        missing = "latitude" if login.latitude is None else "longitude"
        raise Invalid([Fault(FaultKind.REQUIRED, pointer([*prefix, missing]), "is required beside the other one")])
    return _Read(login.activity(login.login()), {})


def _read_event(shape: _Shape, body: bytes, prefix: Sequence[int], reading: Reading) -> _Read:
    class_uid, place = shape.class_uid, pointer([*prefix, "class_uid"])
    if isinstance(class_uid, bool) or not isinstance(class_uid, int | float):
        raise Invalid([Fault(FaultKind.WRONG_TYPE, place, "must be a whole number")])
    reader = next((read for known, read in ocsf.CLASSES.items() if known == class_uid), None)
    if reader is None:
        taken = "3002 (Authentication), 2004 (Detection Finding) or 2006 (Data Security Finding)"
        raise Invalid([Fault(FaultKind.WRONG_VALUE, place, f"must be {taken}; other OCSF classes are not supported")])
    has_uid = isinstance(shape.metadata, dict) and bool(shape.metadata.get("uid"))
    return _Read(reader(body, prefix, Reading(room=reading.room)), ocsf.members(has_event_uid=has_uid))


def _is_dlp_hit(shape: _Shape, prefix: Sequence[int]) -> bool:
    """Whether it is a DLP hit rather than a login: `type` says so, or else what it has.

    Raises: Invalid: it could be either, or is neither.
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


def _as_sent(error: Invalid, batch: Batch[_Read]) -> Invalid:
    """The same faults at the members that the sender's form has: OCSF has other names."""
    faults: list[Fault] = []
    for fault in error.faults:
        place, _, member = fault.pointer[1:].partition("/")
        member = batch.items[int(place)].members.get(member, member)
        faults.append(Fault(fault.kind, f"/{place}/{member}", fault.message))
    return Invalid(faults, error.more)


def _rendered(recorded: ActivityRecorded, unusable: int) -> dict[str, Any]:
    disabled = recorded.ignored - len(recorded.exempt)
    reasons = Counter({"behavior_disabled": disabled, "unusable": unusable})
    reasons.update(exemption.value for exemption in recorded.exempt.values())
    return {
        "accepted": recorded.accepted,
        "duplicates": recorded.duplicates,
        "ignored": recorded.ignored + unusable,
        "ignored_by_reason": {reason: count for reason, count in sorted(reasons.items()) if count},
        "late": recorded.late,
        "findings": [_rendered_finding(finding, standing) for finding, standing in recorded.findings],
        "changes": [rendered_change(change) for change in recorded.changes],
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
