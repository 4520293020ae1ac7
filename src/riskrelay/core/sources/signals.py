"""The result of mapping an event of a source: a finding, activity, or the reason why it is neither."""

from typing import Literal

from msgspec import Struct

from riskrelay.core.sources.reasons import Reason

NameKind = Literal["user_name", "upn", "host", "device_id", "sub"]
ActivityKind = Literal["login", "session_refresh", "dlp_hit"]


class Name(Struct, frozen=True, kw_only=True, array_like=True):
    """A name of a user or of a user's device, for the directory to resolve to an e-mail address."""

    kind: NameKind
    value: str


class FindingSignal(Struct, frozen=True, kw_only=True, tag="finding"):
    """An event that is a risk finding about a user.

    Attributes:
        behavior: the id of the behavior that the mapping names.
        identities: the first usable e-mail address; empty: resolve `names`.
        names: other names of the user, in the order of the mapping; empty when there is an e-mail address.
        at_ms: the time of the event, in milliseconds since 1970; None: the event has no time.
        event_id: the sender's id, or a hash of the event's content.
        full_name: the user's name, for people; None: not supplied.
        title: the product's title of the finding; None: not supplied.
        ip: an address in its canonical form; None: not supplied.
        evidence: short texts for people, by name.
    """

    behavior: str
    identities: tuple[str, ...]
    names: tuple[Name, ...]
    at_ms: int | None
    event_id: str
    full_name: str | None = None
    title: str | None = None
    ip: str | None = None
    application: str | None = None
    evidence: dict[str, str] = {}


class ActivitySignal(Struct, frozen=True, kw_only=True, tag="activity"):
    """An event that is a user's activity. The attributes it shares with `FindingSignal` mean the same.

    Attributes:
        latitude, longitude: in degrees, from the event; None: not supplied, or out of range.
        accuracy_km: the radius around that place; None: not supplied.
        is_anonymous: whether the event says that the address belongs to a VPN, proxy, relay or Tor.
        policy: the DLP policy, profile or rule that matched; None: not supplied.
    """

    activity: ActivityKind
    identities: tuple[str, ...]
    names: tuple[Name, ...]
    at_ms: int | None
    event_id: str
    full_name: str | None = None
    ip: str | None = None
    application: str | None = None
    evidence: dict[str, str] = {}
    latitude: float | None = None
    longitude: float | None = None
    accuracy_km: float | None = None
    country: str | None = None
    city: str | None = None
    asn: int | None = None
    is_anonymous: bool = False
    policy: str | None = None


class Ignored(Struct, frozen=True, kw_only=True, tag="ignored"):
    """An event that the mapping ignores.

    Attributes:
        detail: the mapping's explanation; empty: the reason's sentence is sufficient.
    """

    reason: Reason
    detail: str = ""


class Refused(Struct, frozen=True, kw_only=True, tag="refused"):
    """An event that should have been usable.

    Attributes:
        pointer: the member of the mapping that failed, such as `rules[2].time`; empty: no particular member.
        detail: the mistake, without any value of the event.
    """

    reason: Reason
    pointer: str = ""
    detail: str = ""


Mapped = FindingSignal | ActivitySignal | Ignored | Refused
