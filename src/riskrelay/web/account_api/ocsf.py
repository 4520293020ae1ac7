"""OCSF events as activity: Authentication (3002), Detection Finding (2004), Data Security Finding (2006).

Only what is needed is read, whatever else an event carries. An event that says nothing we can use (a failed login, a
logoff, a finding that is updated or closed, no e-mail address, no coordinates) is no mistake of its sender: it is
ignored. docs/choices.md says which members are looked at, in which order.

Rule: OCSF schema, classes authentication, detection_finding, data_security_finding; objects user, location, policy.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any

from msgspec.structs import replace
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, model_validator

from riskrelay.core.errors import FaultKind
from riskrelay.core.risk.activity import Activity, ActivityId, DlpHit, Login
from riskrelay.core.risk.findings import UserRef
from riskrelay.web.account_api import model_errors
from riskrelay.web.account_api.batches import digest_of, is_email
from riskrelay.web.account_api.bodies import Reading, WholeNumber, parse
from riskrelay.web.account_api.timestamps import read_moment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND = 253_402_300_799_999  # the end of the year 9999
_SUCCESS = 1  # status_id
_LOGON = 1  # activity_id of Authentication
_CREATE = 1  # activity_id of a finding
_MAX_TEXT = 255
_DLP = re.compile(r"\bDLP\b|\bdata[ _-]loss\b", re.IGNORECASE)


def _shown(text: str) -> str:
    """What people read of a text: its beginning, on one line."""
    return "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text[:_MAX_TEXT])


def _on_earth(coordinates: list[float]) -> list[float]:
    if len(coordinates) != 2 or abs(coordinates[0]) > 180 or abs(coordinates[1]) > 90:
        raise ValueError("must be a longitude from -180 to 180 and a latitude from -90 to 90")
    return coordinates


def _milliseconds(given: Any) -> Any:
    """Milliseconds since 1970; many products write RFC 3339 here, which the schema has in `time_dt`."""
    if isinstance(given, str):
        return (read_moment(given) - _EPOCH) // timedelta(milliseconds=1)
    if isinstance(given, bool) or not isinstance(given, int | float) or given != given // 1:
        message = "must be milliseconds since 1970-01-01T00:00:00Z, or a timestamp such as 2026-11-29T10:00:00Z"
        raise model_errors.custom(FaultKind.WRONG_TYPE, message)
    return int(given)


Text = Annotated[str, AfterValidator(_shown)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


class _Object(BaseModel):
    """An object of OCSF; null is as good as absent."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value is not None}


class _Named(_Object):
    name: Text = ""
    uid: Text = ""


class _User(_Object):
    email_addr: str = ""
    name: str = ""
    full_name: Text = ""
    display_name: Text = ""

    def reference(self) -> UserRef | None:
        """The user, if they have an e-mail address; many sources put it into `name`.

        Sources also fill `email_addr` with "", "unknown" or an account name: that is as good as absent.
        """
        email = next((text for text in (self.email_addr, self.name) if is_email(text)), None)
        return None if email is None else UserRef(email, self.full_name or self.display_name or None)


class _Actor(_Object):
    user: _User = _User()


class _Location(_Object):
    """`coordinates`, the longitude first, is what versions before 1.2 had."""

    city: Text = ""
    country: Text = ""
    lat: Latitude | None = None
    long: Longitude | None = None
    coordinates: Annotated[list[float], AfterValidator(_on_earth)] | None = None

    def latitude_and_longitude(self) -> tuple[float, float] | None:
        """Where it is; None: nobody said."""
        if self.lat is not None and self.long is not None:
            return self.lat, self.long
        return None if self.coordinates is None else (self.coordinates[1], self.coordinates[0])


class _System(_Object):
    number: int | None = None


class _Session(_Object):
    is_vpn: bool = False


class _Endpoint(_Object):
    ip: Text = ""
    location: _Location = _Location()
    autonomous_system: _System = _System()
    svc_name: Text = ""
    hostname: Text = ""


class _Metadata(_Object):
    uid: str = ""
    product: _Named = _Named()


class _Event(_Object):
    """What every class has."""

    @model_validator(mode="before")
    @classmethod
    def _timed(cls, given: Any) -> Any:
        """Rule: OCSF, profile datetime: `time_dt` is the time as RFC 3339."""
        if isinstance(given, dict) and given.get("time") is None and isinstance(given.get("time_dt"), str):
            return {**given, "time": given["time_dt"]}
        return given

    class_uid: WholeNumber
    activity_id: WholeNumber
    time: Annotated[int, BeforeValidator(_milliseconds), Field(ge=0, le=_LAST_MILLISECOND)]
    metadata: _Metadata = _Metadata()
    actor: _Actor = _Actor()
    user: _User = _User()

    @property
    def at(self) -> datetime:
        """When it happened."""
        return _EPOCH + timedelta(milliseconds=self.time)

    def activity(self, uid: str, user: UserRef, seen: Login | DlpHit) -> Activity:
        """The same, for the domain; under an id that no other sender's can be, when there is a *uid*."""
        named = sha256(f"{self.class_uid} {uid}".encode()).hexdigest()[:40]
        return Activity(
            activity_id=ActivityId(f"ocsf-{named}") if uid else None,
            user=user,
            seen=seen,
            digest=digest_of([user.email, user.name, seen]),
        )


class _Authentication(_Event):
    status_id: WholeNumber = 0
    src_endpoint: _Endpoint = _Endpoint()
    dst_endpoint: _Endpoint = _Endpoint()
    service: _Named = _Named()
    session: _Session = _Session()

    def login(self) -> Activity | None:
        """The successful login that it tells of."""
        user = _first_user((self.user, self.actor.user))
        source = self.src_endpoint
        where = source.location.latitude_and_longitude()
        if self.activity_id != _LOGON or self.status_id != _SUCCESS or user is None or not (where or source.ip):
            return None
        latitude, longitude = where or (0.0, 0.0)
        application = self.service.name or self.dst_endpoint.svc_name or self.dst_endpoint.hostname or None
        login = Login(at=self.at, latitude=latitude, longitude=longitude, application=application)
        known = replace(
            login,
            ip=source.ip or None,
            asn=source.autonomous_system.number,
            city=source.location.city or None,
            country=source.location.country or None,
            event_id=self.metadata.uid or None,
            is_anonymous=self.session.is_vpn,
        )
        activity = self.activity(self.metadata.uid, user, login)  # the digest is that of older versions
        return dataclasses.replace(activity, seen=known)


class _Analytic(_Named):
    category: str = ""


class _FindingInfo(_Object):
    uid: str = ""
    title: Text = ""
    types: list[str] = []
    analytic: _Analytic = _Analytic()


class _DataSecurity(_Object):
    policy: _Named = _Named()


class _Evidence(_Object):
    actor: _Actor = _Actor()
    user: _User = _User()


class _Resource(_Object):
    owner: _User = _User()


class _Finding(_Event):
    finding_info: _FindingInfo = _FindingInfo()
    data_security: _DataSecurity | None = None
    policy: _Named = _Named()
    evidences: list[_Evidence] = []
    resources: list[_Resource] = []

    def dlp_hit(self) -> Activity | None:
        """The DLP hit that it tells of."""
        user = _first_user(self._involved())
        if self.activity_id != _CREATE or user is None:
            return None
        return self.activity(self.metadata.uid or self.finding_info.uid, user, DlpHit(self.at, self._profile()))

    def about_data_loss(self) -> bool:
        """Whether a finding of any kind of detection is one of data loss prevention: it says so."""
        info = self.finding_info
        words = [self.metadata.product.name, info.title, *info.types, info.analytic.name, info.analytic.category]
        return self.data_security is not None or any(_DLP.search(word) for word in words)

    def _profile(self) -> str | None:
        """What the data matched."""
        named = [self.policy, self.finding_info.analytic]
        if self.data_security is not None:
            named.insert(0, self.data_security.policy)
        names = [*(one.name or one.uid for one in named), self.finding_info.title]
        return next((name for name in names if name), None)

    def _involved(self) -> Iterator[_User]:
        """Who it may be about, the likeliest first."""
        yield self.actor.user
        yield self.user
        for evidence in self.evidences:
            yield evidence.actor.user
            yield evidence.user
        for resource in self.resources:
            yield resource.owner


_AUTHENTICATION = TypeAdapter(_Authentication)
_FINDING = TypeAdapter(_Finding)


def _authentication(written: bytes, prefix: Sequence[int], reading: Reading) -> Activity | None:
    return parse(_AUTHENTICATION, written, prefix, reading).login()


def _detection(written: bytes, prefix: Sequence[int], reading: Reading) -> Activity | None:
    finding = parse(_FINDING, written, prefix, reading)
    return finding.dlp_hit() if finding.about_data_loss() else None


def _data_security(written: bytes, prefix: Sequence[int], reading: Reading) -> Activity | None:
    return parse(_FINDING, written, prefix, reading).dlp_hit()


CLASSES: Mapping[int, Callable[[bytes, Sequence[int], Reading], Activity | None]] = {
    3002: _authentication,
    2004: _detection,
    2006: _data_security,
}
"""How each class is read, by its `class_uid`. None: the event says nothing that we can use."""


def members(*, has_event_uid: bool) -> Mapping[str, str]:
    """Say where an event has what our own form of activity has under another name.

    Args:
        has_event_uid: it has a `metadata.uid`; without one, a finding is known by its own.

    >>> members(has_event_uid=False)["id"]
    'finding_info/uid'
    """
    return {"timestamp": "time", "id": "metadata/uid" if has_event_uid else "finding_info/uid"}


def _first_user(users: Iterable[_User]) -> UserRef | None:
    references = (user.reference() for user in users)
    return next((reference for reference in references if reference is not None), None)
