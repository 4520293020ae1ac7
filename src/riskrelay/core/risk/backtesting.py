"""Run detection over a log of any age, without storing anything."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from riskrelay.core.risk import dlp, travel
from riskrelay.core.risk.activity import (
    HIT_BEHAVIOR,
    LOGIN_BEHAVIOR,
    MAX_KEPT,
    Activity,
    ActivityId,
    Derived,
    DlpHit,
    E,
    Kept,
    Login,
    S,
)
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exemptions import Exemption, exemption_of
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.known_places import is_known, place_day_of
from riskrelay.core.risk.networks import Networks
from riskrelay.core.risk.speeds import TravelLimits

_AT_ONCE = 500  # guessed: activities compared with the earlier ones at a time, like the size of a request


class WouldBeFound(Struct, frozen=True, kw_only=True):
    """An episode that detection would have made a finding of."""

    email: str
    behavior: BehaviorId
    timestamp: str
    details: Mapping[str, Any]


class Backtest(Struct, frozen=True, kw_only=True):
    """The result of detection over a log.

    Attributes:
        logins, dlp_hits: the numbers of logins and DLP hits that take part.
        exempt: the number of exempt logins, by reason.
        found: the findings, in the order of time.
    """

    users: int
    logins: int
    dlp_hits: int
    exempt: Mapping[Exemption, int]
    found: Sequence[WouldBeFound]


def backtest(activities: Iterable[Activity], limits: TravelLimits, networks: Networks) -> Backtest:
    """Run detection over activity as if each had arrived when it happened.

    Args:
        activities: activity in any order; repeats of an id are ignored.
    """
    exempt: Counter[Exemption] = Counter()
    users: dict[str, str] = {}
    logins: dict[str, dict[ActivityId, Login]] = defaultdict(dict)
    hits: dict[str, dict[ActivityId, DlpHit]] = defaultdict(dict)
    for number, activity in enumerate(activities):
        key, one = activity.user.email_key, activity.activity_id or ActivityId(str(number))
        users.setdefault(key, activity.user.email)
        if isinstance(activity.seen, DlpHit):
            hits[key].setdefault(one, activity.seen)
            continue
        exemption = exemption_of(activity.seen, limits, networks)
        if exemption is not None:
            exempt[exemption] += 1
        else:
            logins[key].setdefault(one, activity.seen)
    travelling = partial(travel.journeys, limits=limits)
    found: list[WouldBeFound] = []
    for key, email in users.items():
        seen = _with_known_places(logins.get(key, {}), limits)
        journeys = list(_episodes(seen, limits.reach, travelling))
        bursts = list(_episodes(hits.get(key, {}), dlp.REACH, dlp.bursts))
        found += [*_found(email, LOGIN_BEHAVIOR, journeys), *_found(email, HIT_BEHAVIOR, bursts)]
    return Backtest(
        users=len(users),
        logins=sum(map(len, logins.values())),
        dlp_hits=sum(map(len, hits.values())),
        exempt=dict(exempt),
        found=sorted(found, key=lambda one: (one.timestamp, one.email, one.behavior)),
    )


def _with_known_places(logins: Mapping[ActivityId, Login], limits: TravelLimits) -> dict[ActivityId, Login]:
    places = {place_day_of(login) for login in logins.values()} if limits.known_places_days else set()
    return {
        one: replace(login, is_known=is_known(login, places, limits), event_id=login.event_id or one)
        for one, login in logins.items()
    }


def _episodes(
    seen: Mapping[ActivityId, S],
    reach: timedelta,
    derive: Callable[[Sequence[Kept[S]], Mapping[FindingId, E]], list[Derived[E]]],
) -> Iterator[E]:
    """Yield the episodes of one user. Only activity within reach of the following activity is kept."""
    ordered = sorted(seen.items(), key=lambda item: (item[1].at, item[0]))
    kept: list[Kept[S]] = []
    episodes: dict[FindingId, E] = {}
    for start in range(0, len(ordered), _AT_ONCE):
        part = ordered[start : start + _AT_ONCE]
        kept = [one for one in kept if one.seen.at >= part[0][1].at - reach][-MAX_KEPT:]
        kept += [Kept(activity_id=one, seen=activity, episode=None, fresh=True) for one, activity in part]
        # A derived episode may replace known ones, whose activity then belongs to it.
        known = {one.episode: episodes[one.episode] for one in kept if one.episode is not None}
        belongs: dict[ActivityId, FindingId] = {}
        renamed: dict[FindingId, FindingId] = {}
        for derived in derive(kept, known):
            named = FindingId(derived.episode.identity)
            for old in derived.replaced:
                del episodes[old]
            renamed |= dict.fromkeys(derived.replaced, named)
            belongs |= dict.fromkeys(derived.joined, named)
            episodes[named] = derived.episode
        kept = [_settled(one, belongs, renamed) for one in kept]
    yield from episodes.values()


def _settled(one: Kept[S], belongs: Mapping[ActivityId, FindingId], renamed: Mapping[FindingId, FindingId]) -> Kept[S]:
    episode = belongs.get(one.activity_id) if one.episode is None else renamed.get(one.episode, one.episode)
    return Kept(activity_id=one.activity_id, seen=one.seen, episode=episode, fresh=False)


def _found(email: str, behavior: BehaviorId, episodes: Iterable[travel.Journey | dlp.Burst]) -> Iterator[WouldBeFound]:
    for episode in episodes:
        at = episode.triggered_at.isoformat().replace("+00:00", "Z")
        yield WouldBeFound(email=email, behavior=behavior, timestamp=at, details=episode.details())
