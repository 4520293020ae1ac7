"""Coalescing: a user's waiting level changes collapse into one, from the level that the receiver knows to the last.

An event is *admitted* before it may be attempted, and admission is stored first. So every event above
`LaneWork.admitted` was never attempted, whichever worker owned the lane and however it ended, and only those events are
superseded. A *run* is a user's level changes in a row, without an event of another kind about the user between them.
The last event of a run survives. docs/adr/0034-coalescing.md explains it all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from riskrelay.core.delivery.lanes import NOW, LaneWork
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.ssf.level_changes import NO_LEVELS, levels_in

MAX_SCANNED_EVENTS = 1_000_000  # chosen: one bit each, 125 kB; a longer backlog takes several scans
MAX_SCANNED_USERS = 100_000  # guessed: about 300 bytes each, and one long scan at a time


class Knowledge(Enum):
    """What the receiver knows about a user before a run."""

    OTHER = auto()
    """The last event about the user is of another kind, was not delivered, or said another level."""
    NOTHING = auto()
    """There is no earlier event about the user."""
    LEVEL = auto()
    """The last event about the user was delivered, and its level is the one before the run."""


@dataclass(slots=True, kw_only=True)
class Run:
    """Level changes of one user in a row.

    Attributes:
        last: the survivor.
        base: the level before the run, as the SETs say it.
        current: the level after the run.
        has_merged: whether it has more than one event.
        follows_other: whether an event of another kind about the user precedes it in the scan.
    """

    last: QueuedEvent
    base: str
    current: str
    has_merged: bool = False
    follows_other: bool = False

    @property
    def returns(self) -> bool:
        """Whether the level after the run is the level before it, and changes between were or are superseded."""
        return self.base == self.current and (self.has_merged or self.last.known_level is not None)

    def is_void(self, knowledge: Knowledge) -> bool:
        """Return whether the receiver needs no event of the run: it knows the final level already."""
        if not self.returns or self.follows_other:
            return False
        return knowledge is Knowledge.LEVEL or (knowledge is Knowledge.NOTHING and self.base in NO_LEVELS)


@dataclass(slots=True)
class BacklogPlan:
    """Which events of a part of the backlog are superseded: one bit for each.

    Attributes:
        start: the plan is about the events above this seq.
        through: the last seq of the plan.
    """

    start: int
    through: int
    _bits: bytearray = field(default_factory=bytearray)

    def supersede(self, seq: int) -> None:
        """Mark an event as superseded."""
        place = seq - self.start
        missing = (place >> 3) + 1 - len(self._bits)
        if missing > 0:
            self._bits.extend(bytes(missing))
        self._bits[place >> 3] |= 1 << (place & 7)

    def is_superseded(self, seq: int) -> bool:
        """Return whether an event is superseded."""
        place = seq - self.start
        return place >> 3 < len(self._bits) and bool(self._bits[place >> 3] & 1 << (place & 7))


class BacklogScan:
    """Reads waiting events in order and finds the runs. Its memory is bounded by `MAX_SCANNED_USERS`.

    Args:
        start: the highest admitted seq. The events above it are added in order.
    """

    def __init__(self, start: int) -> None:
        self.plan = BacklogPlan(start, start)
        self._open: dict[str, Run] = {}
        self._ended: list[Run] = []
        self._others: set[str] = set()

    @property
    def is_full(self) -> bool:
        """Whether the scan must end here. The rest of the backlog gets a plan of its own."""
        users = len(self._open) + len(self._ended) + len(self._others)
        return users >= MAX_SCANNED_USERS or self.plan.through - self.plan.start >= MAX_SCANNED_EVENTS

    def add(self, events: Iterable[QueuedEvent]) -> None:
        """Read the next events."""
        for event in events:
            self.plan.through = event.seq
            if event.is_erased:  # it has no user any more, and is settled without an attempt
                continue
            levels = levels_in(event.claims) if event.is_level_change else None
            if levels is None:
                self._end_run(event.subject_key)
            else:
                self._continue_run(event, *levels)

    def runs(self) -> list[Run]:
        """Return the runs whose survivor stands for earlier events, in any order."""
        return [*self._ended, *filter(_is_collapsed, self._open.values())]

    def _continue_run(self, event: QueuedEvent, previous: str, current: str) -> None:
        run = self._open.get(event.subject_key)
        if run is None:
            follows_other = event.subject_key in self._others
            self._open[event.subject_key] = Run(last=event, base=previous, current=current, follows_other=follows_other)
            return
        self.plan.supersede(run.last.seq)
        if event.known_level is not None:
            # An earlier worker stored what the receiver knows, superseded the first events of the run, and died.
            run.base = event.known_level
        run.last, run.current, run.has_merged = event, current, True

    def _end_run(self, subject_key: str) -> None:
        """End the run of a user before an event of another kind, whose place among the level changes is kept."""
        self._others.add(subject_key)
        run = self._open.pop(subject_key, None)
        if run is not None and _is_collapsed(run):
            self._ended.append(run)


def _is_collapsed(run: Run) -> bool:
    return run.has_merged or run.last.known_level is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLevel:
    """A row to change: the survivor of a run says this previous level."""

    event: QueuedEvent
    level: str


def collapse(plan: BacklogPlan, runs: Iterable[Run], knowledge: Mapping[str, Knowledge]) -> list[KnownLevel]:
    """Decide what the survivors say, and which runs need no event at all.

    Args:
        plan: gets the survivors of runs that need no event.
        knowledge: by subject key, of each run that returns to its first level.

    Returns: the survivors whose previous level changes. A survivor whose run returns to its first level, of which the
        receiver may not know, stays as it was queued.
    """
    changed = []
    for run in runs:
        is_void = run.is_void(knowledge.get(run.last.subject_key, Knowledge.OTHER))
        if is_void:
            plan.supersede(run.last.seq)
        if run.base != run.last.known_level and (is_void or not run.returns):
            changed.append(KnownLevel(event=run.last, level=run.base))
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The changes to store in one transaction before a batch.

    Attributes:
        cursor: the new cursor. It moves only over superseded events.
        admitted: the new highest seq that may be attempted.
        superseded: events whose rows are inserted as superseded.
        kept: events at or below the new cursor that stay pending, so that they need a row.
    """

    cursor: int
    admitted: int
    superseded: tuple[int, ...]
    kept: tuple[int, ...]


def room(work: LaneWork, wanted: int) -> int:
    """Return how many more events to admit, so that *wanted* are ready to push.

    A failing lane admits one event as a probe when each user's next event was attempted. So most of the backlog of a
    receiver that is down stays unattempted.
    """
    ready = [event for event in work.fresh if event.seq <= work.admitted]
    if not work.failures:
        return max(wanted - len(ready) - sum(event.due_in <= NOW for event in work.held), 0)
    heads = _heads(work.held, ready)
    return 0 if any(head.attempts == 0 and not head.is_over for head in heads.values()) else 1


def admission(work: LaneWork, plan: BacklogPlan, wanted: int) -> Admission | None:
    """Choose the events to admit next, and the superseded events to pass.

    Args:
        plan: of the events above `work.admitted`.
        wanted: how many events should be ready to push.

    Returns: None if enough events are ready, or no event that was read can be admitted.
    """
    more = room(work, wanted)
    ready = [event for event in work.fresh if event.seq <= work.admitted]
    waiting = [event for event in work.fresh if work.admitted < event.seq <= plan.through]
    if not more:
        return None
    if work.failures:
        through = _probe_through(_heads(work.held, ready), waiting, plan)
    else:
        through = _through(waiting, plan, more)
    passed = [event.seq for event in waiting if event.seq <= through]
    if not passed:
        return None
    superseded = tuple(seq for seq in passed if plan.is_superseded(seq))
    kept = (*(event.seq for event in ready), *(seq for seq in passed if not plan.is_superseded(seq)))
    return Admission(
        cursor=through if superseded else work.cursor,
        admitted=through,
        superseded=superseded,
        kept=kept if superseded else (),
    )


def _heads(held: Iterable[QueuedEvent], ready: Iterable[QueuedEvent]) -> dict[str, QueuedEvent]:
    """Return the next admitted event of each user, by subject key."""
    heads: dict[str, QueuedEvent] = {}
    for event in [*held, *ready]:
        heads.setdefault(event.subject_key, event)
    return heads


def _through(waiting: Iterable[QueuedEvent], plan: BacklogPlan, more: int) -> int:
    """Return the highest seq up to which *more* events survive, with the superseded events after them."""
    through = 0
    for event in waiting:
        if not plan.is_superseded(event.seq):
            if not more:
                break
            more -= 1
        through = event.seq
    return through


def _probe_through(heads: Mapping[str, QueuedEvent], waiting: Iterable[QueuedEvent], plan: BacklogPlan) -> int:
    """Return the seq of the next surviving event of a user that has no admitted event.

    If there is none, return the seq up to which every event is superseded; 0: none.
    """
    superseded_through, is_blocked = 0, False
    for event in waiting:
        if plan.is_superseded(event.seq):
            superseded_through = superseded_through if is_blocked else event.seq
        elif event.subject_key not in heads:
            return event.seq
        else:
            is_blocked = True
    return superseded_through
