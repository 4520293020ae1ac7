"""Bursts of DLP hits: fifteen within a sliding minute, and the episodes that they form.

A hit is hot when some minute that holds it holds fifteen hits. A minute is half open: hits at t and at t + 60 s are not
within one. An episode is a maximal run of hot hits in which each is less than a minute after the one before. Both are
functions of the set of hits alone, so the order in which hits arrive cannot change them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from riskrelay.core.risk.activity import Derived, DlpHit, Kept, connected, same_episode, written
from riskrelay.core.risk.findings import FindingId

HITS = 15  # specified (contract 18)
MINUTE = timedelta(minutes=1)  # specified (contract 18)
# a hit can complete a burst with hits up to a minute away, and these join a burst up to a minute further
REACH = 2 * MINUTE
MAX_PROFILES = 50  # guessed: as many as a person reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """An episode of many DLP hits.

    Attributes:
        first_at, last_at: when its earliest and its latest hit were.
        hits: how many belong to it.
        profiles: their names, sorted; of very many the first MAX_PROFILES.
        triggered_at: when the fifteenth hit of some minute first was.
    """

    first_at: datetime
    last_at: datetime
    hits: int
    profiles: tuple[str, ...]
    triggered_at: datetime

    @property
    def identity(self) -> str:
        """The identity of the episode among those of the same user, which do not overlap in time."""
        return self.first_at.isoformat()

    def details(self) -> dict[str, Any]:
        """Return the evidence as JSON, which `burst_of` parses."""
        return {
            "hits": self.hits,
            "profiles": list(self.profiles),
            "first_at": written(self.first_at),
            "last_at": written(self.last_at),
            "fifteenth_at": written(self.triggered_at),
        }


def burst_of(details: Mapping[str, Any]) -> Burst:
    """Parse the evidence from `Burst.details`."""
    first, last, fifteenth = (datetime.fromisoformat(details[name]) for name in ("first_at", "last_at", "fifteenth_at"))
    return Burst(
        first_at=first, last_at=last, hits=details["hits"], profiles=tuple(details["profiles"]), triggered_at=fifteenth
    )


def hot_windows(times: Sequence[datetime]) -> Iterator[tuple[int, int]]:
    """Return the indices of the first and the last of each fifteen hits within a minute.

    Args:
        times: the times in ascending order.

    Rule: contract 18 high_dlp.
    """
    for last in range(HITS - 1, len(times)):
        first = last - (HITS - 1)
        if times[last] - times[first] < MINUTE:
            yield first, last


def bursts(hits: Sequence[Kept[DlpHit]], known: Mapping[FindingId, Burst]) -> list[Derived[Burst]]:
    """Return the episodes of one user that new hits start, extend or merge.

    Args:
        hits: all hits within REACH of the new ones, in any order.
        known: the stored episodes of *hits*.

    Returns: the episodes, in the order of their earliest hits. The same hits in any order and in any batches give the
        same episodes.
    """
    ordered = sorted(hits, key=lambda hit: hit.seen.at)
    windows = list(hot_windows([hit.seen.at for hit in ordered]))
    hot = {place for first, last in windows for place in range(first, last + 1)}
    hot |= {place for place, hit in enumerate(ordered) if hit.episode is not None}
    near = [(a, b) for a, b in pairwise(sorted(hot)) if ordered[b].seen.at - ordered[a].seen.at < MINUTE]
    groups = connected(len(ordered), [*near, *same_episode(ordered)])
    group_of = {place: group[0] for group in groups for place in group}
    fifteenth: dict[int, datetime] = {}
    for first, last in windows:
        fifteenth.setdefault(group_of[first], ordered[last].seen.at)
    changed = [group for group in groups if group[0] in hot and any(ordered[place].episode is None for place in group)]
    return [_derived([ordered[place] for place in group], fifteenth[group[0]], known) for group in changed]


def _derived(hits: Sequence[Kept[DlpHit]], triggered_at: datetime, known: Mapping[FindingId, Burst]) -> Derived[Burst]:
    joined = [hit for hit in hits if hit.episode is None]
    replaced = frozenset(hit.episode for hit in hits if hit.episode is not None)
    profiles = _listed(hit.seen.profile for hit in joined if hit.seen.profile is not None)
    burst = Burst(
        first_at=joined[0].seen.at,
        last_at=joined[-1].seen.at,
        hits=len(joined),
        profiles=profiles,
        triggered_at=triggered_at,
    )
    for finding_id in replaced:
        burst = _merged(burst, known[finding_id])
    return Derived(burst, tuple(hit.activity_id for hit in joined), replaced)


def _merged(one: Burst, other: Burst) -> Burst:
    return Burst(
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
        hits=one.hits + other.hits,
        profiles=_listed((*one.profiles, *other.profiles)),
        triggered_at=min(one.triggered_at, other.triggered_at),
    )


def _listed(profiles: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(profiles))[:MAX_PROFILES])
