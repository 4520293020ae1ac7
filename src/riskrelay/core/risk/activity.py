"""Activity of users, in which the service detects risk behaviors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Generic, NewType, Protocol, TypeVar

from msgspec import Struct

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId, UserRef

ActivityId = NewType("ActivityId", str)

LOGIN_BEHAVIOR = BehaviorId("imp_travel")
HIT_BEHAVIOR = BehaviorId("high_dlp")

LATENESS = timedelta(hours=1)  # specified: activity may be this late unless the account allows more
MAX_LATENESS_HOURS = 7 * 24  # specified
# the most stored activity to compare of one user, kind and span; more than people cause, so it bounds machines
MAX_KEPT = 2_000
SKEW = timedelta(minutes=5)  # guessed: a sender's clock may be this much ahead of this service's


class Login(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="login"):
    """A successful login, or a refreshed session.

    Attributes:
        at: aware UTC.
        latitude, longitude: the place in degrees; both 0: the place is not known.
        application: the application of the login; None: not supplied.
        accuracy_km: the accuracy radius of the place.
        ip: the client's address in its canonical form.
        source: the system that reported it.
        event_id: the sender's id of the event.
        is_refresh: whether a session was refreshed without a new login.
        is_anonymous: whether the address belongs to a VPN, a proxy, a relay or Tor.
        is_known: whether the user logged in from there in the days before, if the account learns places.
        is_undated: whether the event had no time; `at` is then the time of its arrival.
    """

    at: datetime
    latitude: float
    longitude: float
    application: str | None
    accuracy_km: float = 0.0
    ip: str | None = None
    asn: int | None = None
    country: str | None = None
    city: str | None = None
    source: str | None = None
    event_id: str | None = None
    is_refresh: bool = False
    is_anonymous: bool = False
    is_known: bool = False
    is_undated: bool = False


class DlpHit(Struct, frozen=True, tag="dlp_hit"):
    """Something a user did matched a DLP profile.

    Attributes:
        at: aware UTC.
        profile: the name of the profile; None: not supplied.
    """

    at: datetime
    profile: str | None


class Episode(Protocol):
    """One continuing triggering of a behavior, however much activity it is made of: it is one finding."""

    @property
    def identity(self) -> str:
        """The identity of the episode among those of the same user and behavior."""

    @property
    def triggered_at(self) -> datetime:
        """The time at which the activity first met the behavior's condition."""

    def details(self) -> dict[str, Any]:
        """Return the evidence as JSON."""


S = TypeVar("S", Login, DlpHit)
E = TypeVar("E", bound=Episode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Activity of a user, as the client sent it.

    Attributes:
        activity_id: the client's id, unique per account, which identifies repeats; None: no id was sent.
        digest: 32 bytes over all members. A repeat must have the same digest.
    """

    activity_id: ActivityId | None
    user: UserRef
    seen: Login | DlpHit
    digest: bytes

    @property
    def behavior(self) -> BehaviorId:
        """The behavior that activity of this kind can trigger."""
        return LOGIN_BEHAVIOR if isinstance(self.seen, Login) else HIT_BEHAVIOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(Generic[S]):
    """Activity as it is stored.

    Attributes:
        episode: the finding of the episode it belongs to; None: it belongs to none.
        fresh: stored by the transaction that asks.
    """

    activity_id: ActivityId
    seen: S
    episode: FindingId | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class Derived(Generic[E]):
    """An episode that new activity started, extended or merged.

    Attributes:
        episode: the whole episode, with its earlier parts.
        joined: the activity that now belongs to it and belonged to no episode before.
        replaced: the findings of the earlier episodes that are part of it.
    """

    episode: E
    joined: tuple[ActivityId, ...]
    replaced: frozenset[FindingId]


class Timing(Enum):
    """When activity happened, seen from the moment it arrives."""

    TIMELY = auto()
    LATE = auto()
    FUTURE = auto()


def timing(at: datetime, now: datetime, lateness: timedelta = LATENESS) -> Timing:
    """Return whether activity of the time *at* can be used.

    Args:
        lateness: the largest age of activity that can be used.
    """
    if at < now - lateness:
        return Timing.LATE
    return Timing.FUTURE if at > now + SKEW else Timing.TIMELY


def written(at: datetime) -> str:
    """Return a time in the format of evidence. `datetime.fromisoformat` parses it."""
    return at.isoformat().replace("+00:00", "Z")


T = TypeVar("T")


class InSteps(Protocol):
    """Iterates over many items. Between some of them, the caller can let other work run."""

    def __call__(self, items: Iterable[T], /) -> Iterable[T]: ...


def at_once(items: Iterable[T]) -> Iterable[T]:
    """Implement InSteps: let nothing else run in between."""
    return items


def connected(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the connected components of the numbers below *count* under *links*.

    Returns: the components in the order of their smallest numbers, each in ascending order.

    >>> connected(5, [(0, 3), (3, 4)])
    [[0, 3, 4], [1], [2]]
    """
    parent = list(range(count))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for one, other in links:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    groups: dict[int, list[int]] = {}
    for number in range(count):
        groups.setdefault(root(number), []).append(number)
    return list(groups.values())


def same_episode(kept: Sequence[Kept[S]]) -> list[tuple[int, int]]:
    """Return links between the places in *kept* of activity that already belongs to the same episode."""
    first: dict[FindingId, int] = {}
    return [
        (first.setdefault(activity.episode, place), place)
        for place, activity in enumerate(kept)
        if activity.episode is not None
    ]
