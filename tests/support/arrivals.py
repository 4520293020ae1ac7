"""Activity of one user that arrives in batches, kept in memory as the store keeps it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic

from riskrelay.core.risk.activity import ActivityId, Derived, E, Kept
from riskrelay.core.risk.findings import FindingId

Derive = Callable[[Sequence[Kept[Any]], Mapping[FindingId, E]], list[Derived[E]]]


class Arrivals(Generic[E]):
    """What arrived so far and the episodes that came of it."""

    def __init__(self, derive: Derive[E], read: Callable[[Mapping[str, Any]], E]) -> None:
        self._derive = derive
        self._read = read
        self._kept: list[Kept[Any]] = []
        self.episodes: dict[FindingId, E] = {}

    def arrive(self, batch: Sequence[Any]) -> None:
        """Take a batch; the episodes follow."""
        known = len(self._kept)
        fresh = [
            Kept(activity_id=ActivityId(str(known + place)), seen=seen, episode=None, fresh=True)
            for place, seen in enumerate(batch)
        ]
        derived = self._derive([*self._kept, *fresh], self.episodes)
        belongs: dict[ActivityId, FindingId] = {}
        for one in derived:
            finding_id = FindingId(one.episode.identity)
            for old in one.replaced:
                del self.episodes[old]
                belongs |= {kept.activity_id: finding_id for kept in self._kept if kept.episode == old}
            belongs |= dict.fromkeys(one.joined, finding_id)
            assert finding_id not in self.episodes
            self.episodes[finding_id] = self._read(one.episode.details())
        self._kept = [
            Kept(
                activity_id=kept.activity_id,
                seen=kept.seen,
                episode=belongs.get(kept.activity_id, kept.episode),
                fresh=False,
            )
            for kept in (*self._kept, *fresh)
        ]

    def members(self) -> set[tuple[Any, ...]]:
        """What belongs to each episode, in order of time."""
        return {
            tuple(sorted((kept.seen for kept in self._kept if kept.episode == finding_id), key=repr))
            for finding_id in self.episodes
        }
