"""What became of the events of one request, as the sender gets it."""

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
        index: its place in the request.
        pointer: the member of the mapping that failed; empty: none in particular.
        message: why, in words.
    """

    index: int
    pointer: str
    message: str


@dataclass(frozen=True, slots=True)
class Reasoned:
    """The events that one reason holds for."""

    reason: Reason
    count: int
    first: tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the events of a request.

    Attributes:
        activity: recorded activity, and the logins of *exempt*.
        duplicates: repeats of findings and activity that are recorded already.
        rest: by place, the ignored and refused events.
        exempt: by place, logins that were accepted and that the detection of impossible travel does not use.
        changes: from the level before to the level after; of a user perhaps one by findings and one by activity.
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
        """The reasons of the exempt logins, the most frequent first."""
        return _reasons(self.exempt)

    @property
    def counts(self) -> dict[tuple[Became, Reason | None], int]:
        """The same as numbers, without those that are 0."""
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
    """Say whether an event was ignored or refused."""
    return Became.IGNORED if isinstance(one, Ignored) else Became.REFUSED


def words(one: Rest) -> str:
    """Say why an event was ignored or refused."""
    meaning = sentence(one.reason)
    return f"{meaning.removesuffix('.')}: {one.detail}." if one.detail and one.detail not in meaning else meaning


def pointer_of(one: Rest) -> str:
    """Return the member of the mapping that failed; empty: none."""
    return "" if isinstance(one, Ignored) else one.pointer


def _place(index: int, one: Rest) -> Place:
    return Place(index, pointer_of(one), words(one))
