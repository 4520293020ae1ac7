"""The results for the events of one request, as the sender gets them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from riskrelay.core.risk.assessment import LevelChange
from riskrelay.core.sources.preparing import Rest
from riskrelay.core.sources.reasons import Reason, sentence
from riskrelay.core.sources.signals import Ignored
from riskrelay.core.sources.sources import Became

MAX_PLACES = 3  # of each reason


@dataclass(frozen=True, slots=True)
class Place:
    """One event that was ignored or refused.

    Attributes:
        index: its position in the request.
        pointer: the member of the mapping that failed; empty: no particular member.
        message: the reason as a sentence.
    """

    index: int
    pointer: str
    message: str


@dataclass(frozen=True, slots=True)
class Reasoned:
    """The events with the same reason."""

    reason: Reason
    count: int
    first: tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results for the events of a request.

    Attributes:
        activity: recorded activity, and the logins of *exempt*.
        duplicates: the number of findings and activity that were recorded before.
        rest: the ignored and refused events, by index.
        exempt: accepted logins that the detection of impossible travel does not use, by index.
        changes: the level changes. A user may have one from findings and one from activity.
    """

    events: int
    findings: int
    activity: int
    duplicates: int
    rest: Mapping[int, Rest]
    exempt: Mapping[int, Ignored] = field(default_factory=dict)
    changes: tuple[LevelChange, ...] = ()

    def reasons(self, kind: type[Rest]) -> list[Reasoned]:
        """Return the reasons of the ignored or of the refused events, the most frequent first."""
        return _reasons({index: one for index, one in self.rest.items() if isinstance(one, kind)})

    @property
    def exemptions(self) -> list[Reasoned]:
        """Return the reasons of the exempt logins, the most frequent first."""
        return _reasons(self.exempt)

    @property
    def counts(self) -> dict[tuple[Became, Reason | None], int]:
        """Return the counts of all results that are not 0."""
        counts: dict[tuple[Became, Reason | None], int] = {
            (Became.FINDING, None): self.findings,
            (Became.ACTIVITY, None): self.activity,
            (Became.DUPLICATE, None): self.duplicates,
        }
        for one in self.rest.values():
            key = became_of(one), one.reason
            counts[key] = counts.get(key, 0) + 1
        return {key: count for key, count in counts.items() if count}


def _reasons(rest: Mapping[int, Rest]) -> list[Reasoned]:
    places: dict[Reason, list[int]] = {}
    for index, one in rest.items():
        places.setdefault(one.reason, []).append(index)
    found = [
        Reasoned(reason, len(indexes), tuple(_place(index, rest[index]) for index in indexes[:MAX_PLACES]))
        for reason, indexes in places.items()
    ]
    return sorted(found, key=lambda one: (-one.count, one.first[0].index))


def became_of(one: Rest) -> Became:
    """Return whether an event was ignored or refused."""
    return Became.IGNORED if isinstance(one, Ignored) else Became.REFUSED


def words(one: Rest) -> str:
    """Return a sentence that says why an event was ignored or refused."""
    meaning = sentence(one.reason)
    return f"{meaning.removesuffix('.')}: {one.detail}." if one.detail and one.detail not in meaning else meaning


def pointer_of(one: Rest) -> str:
    """Return the member of the mapping that failed; empty: none."""
    return "" if isinstance(one, Ignored) else one.pointer


def _place(index: int, one: Rest) -> Place:
    return Place(index, pointer_of(one), words(one))
