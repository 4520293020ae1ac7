"""Map the events of a source and record the results. A faulty event does not affect the others."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import TypeVar

import msgspec

from riskrelay.actions.admitting import admit
from riskrelay.actions.computing import compute_for
from riskrelay.actions.giving_way import give_way, in_steps
from riskrelay.actions.record_activity import record_activity
from riskrelay.actions.record_findings import record_findings
from riskrelay.core.errors import FaultKind, Invalid
from riskrelay.core.risk.activity import Activity, Login
from riskrelay.core.risk.assessment import LevelChange, Standing
from riskrelay.core.risk.behaviors import settings_with
from riskrelay.core.risk.exemptions import Exemption
from riskrelay.core.risk.findings import Finding
from riskrelay.core.sources.directory import missed_names, names_to_find, with_users
from riskrelay.core.sources.mappings import MappingDocument, read_mapping
from riskrelay.core.sources.outcomes import Outcome, became_of, pointer_of
from riskrelay.core.sources.preparing import Prepared, Rest, Settings, prepare
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Ignored, Mapped, Name, Refused
from riskrelay.core.sources.sources import (
    MAX_SAMPLE_BYTES,
    MAX_SAMPLES_OF_REASON,
    SAMPLES_KEPT_FOR,
    Sample,
    Source,
    sample_row,
)
from riskrelay.ports import RecordedFinding, Services, Transaction, Vault
from riskrelay.ports.mapping import SignalMapper

SLICE = 1_000  # chosen: events per transaction, so that other accounts' transactions run in between
_MAPPED_AT_ONCE = 128  # guessed: encoding and decoding them takes about a millisecond
_TRIES = 3  # guessed: tries when other requests use up the quota of users

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Signals:
    """The dependencies that map events and seal samples."""

    mapper: SignalMapper
    vault: Vault


async def record_events(services: Services, signals: Signals, source: Source, events: Sequence[object]) -> Outcome:
    """Map *events*, record the findings and the activity, count the results, and keep samples of unused events.

    Args:
        events: the events from `decode_events`.

    Raises: Unavailable: the store refused. Some events may be recorded; when sent again, they are duplicates.
    """
    outcome, _ = await take_events(services, signals, source, events)
    await _note(services, signals, source, events, outcome=outcome)
    return outcome


async def take_events(
    services: Services, signals: Signals, source: Source, events: Sequence[object]
) -> tuple[Outcome, Sequence[tuple[RecordedFinding, Standing]]]:
    """Map *events* and record the findings and the activity, without counts and samples.

    Returns: the results, with new episodes and their users.
    Raises: Unavailable: as `record_events`.
    """
    mapped = await map_events(signals, source, events)
    prepared, missed = await _prepare(services, source, mapped)
    if missed:
        services.missed_names.note(source.account_id, missed, services.clock.now())
    findings = await _record_all(partial(_findings, services, source), prepared.findings)
    activity = await _record_all(partial(_activity, services, source), prepared.activity)
    outcome = Outcome(
        events=len(events),
        findings=findings.taken,
        activity=activity.taken + len(activity.exempt),
        duplicates=findings.duplicates + activity.duplicates,
        rest=dict(sorted({**prepared.rest, **findings.rest, **activity.rest}.items())),
        exempt=dict(sorted(activity.exempt.items())),
        changes=(*findings.changes, *activity.changes),
    )
    return outcome, activity.episodes


async def try_events(services: Services, signals: Signals, source: Source, events: Sequence[object]) -> Prepared:
    """Return the results that *events* would have, without storing anything."""
    prepared, _ = await _prepare(services, source, await map_events(signals, source, events))
    admitted = await admit(services, source.account_id, prepared.activity)
    placeless, exempt = _exempt(admitted.exempt, prepared.activity)
    activity = {place: one for place, one in prepared.activity.items() if place not in placeless}
    return Prepared(findings=prepared.findings, activity=activity, rest={**prepared.rest, **placeless}, exempt=exempt)


async def map_events(signals: Signals, source: Source, events: Sequence[object]) -> list[Mapped]:
    """Map decoded events by the mapping that the source uses."""
    places = [place for place, event in enumerate(events) if not isinstance(event, Ignored | Refused)]
    owner = None if source.mapping is None else source.account_id
    mapping = mapping_of(signals.mapper, source)
    mapped: list[Mapped] = []
    for start in range(0, len(places), _MAPPED_AT_ONCE):
        await give_way()
        chunk = [events[place] for place in places[start : start + _MAPPED_AT_ONCE]]
        mapped += await signals.mapper.map(mapping, chunk, owner)
    became: list[Mapped] = [event if isinstance(event, Ignored | Refused) else _NOT_MAPPED for event in events]
    for place, one in zip(places, mapped, strict=True):
        became[place] = one
    return became


_NOT_MAPPED = Refused(reason=Reason.MAPPING_UNAVAILABLE)


def mapping_of(mapper: SignalMapper, source: Source) -> MappingDocument:
    """Return the mapping that a source uses: its own, or the shipped one of its kind."""
    if source.mapping is None:
        return mapper.shipped[source.kind]
    return _own_mapping(source.mapping)


@lru_cache(maxsize=32)  # some megabytes: reading a large document takes milliseconds
def _own_mapping(content: bytes) -> MappingDocument:
    return read_mapping(msgspec.json.decode(content))


async def _prepare(services: Services, source: Source, mapped: Sequence[Mapped]) -> tuple[Prepared, Mapping[Name, int]]:
    """Find the users of *mapped* by the directory, and prepare what can be recorded.

    Returns: the prepared events; the number of lost signals for each name that the directory does not have.
    """
    names = names_to_find(mapped)

    def read(tx: Transaction) -> tuple[Settings, dict[Name, str]]:
        behaviors, lateness = settings_with(tx.behaviors.stored()), tx.detection.limits().lateness
        settings = Settings(behaviors=behaviors, lateness=lateness, now=services.clock.now())
        return settings, tx.directory.find_emails(names) if names else {}

    settings, emails = await services.store.read(source.account_id, read)
    found = with_users(mapped, emails) if names else mapped
    prepared = await compute_for(len(found), partial(prepare, found, source, settings, in_steps=in_steps))
    return prepared, missed_names(found) if names and source.active else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """The result of a slice of events.

    Attributes:
        rest: the events that were not recorded, by place.
        exempt: the logins that detection does not use, by place.
        episodes: the new episodes.
    """

    taken: int = 0
    duplicates: int = 0
    changes: Sequence[LevelChange] = ()
    rest: Mapping[int, Rest] = field(default_factory=dict)
    exempt: Mapping[int, Ignored] = field(default_factory=dict)
    episodes: Sequence[tuple[RecordedFinding, Standing]] = ()


async def _findings(services: Services, source: Source, part: Mapping[int, Finding]) -> _Taken:
    recorded = await record_findings(services, source.account_id, list(part.values()))
    # disabled since the mapping: it is not known which findings, so the last ones are counted
    disabled = list(part)[len(part) - recorded.ignored :]
    return _Taken(
        taken=recorded.accepted,
        duplicates=recorded.duplicates,
        changes=recorded.changes,
        rest=dict.fromkeys(disabled, Ignored(reason=Reason.BEHAVIOR_DISABLED)),
    )


async def _activity(services: Services, source: Source, part: Mapping[int, Activity]) -> _Taken:
    places = list(part)
    recorded = await record_activity(services, source.account_id, dict(enumerate(part.values())))
    placeless, exempt = _exempt({places[number]: why for number, why in recorded.exempt.items()}, part)
    rest: dict[int, Rest] = {**placeless}
    others = [place for place in places if place not in placeless and place not in exempt]
    disabled = recorded.ignored - len(recorded.exempt)
    rest |= dict.fromkeys(others[:disabled], Ignored(reason=Reason.BEHAVIOR_DISABLED))
    rest |= dict.fromkeys(others[disabled : disabled + recorded.late], Ignored(reason=Reason.TOO_OLD))
    return _Taken(
        taken=recorded.accepted,
        duplicates=recorded.duplicates,
        changes=recorded.changes,
        rest=rest,
        exempt=exempt,
        episodes=recorded.findings,
    )


def _exempt(
    exempt: Mapping[int, Exemption], activity: Mapping[int, Activity]
) -> tuple[dict[int, Ignored], dict[int, Ignored]]:
    """Return the logins that name neither an address nor a place, and the other exempt ones, by place in the request.

    The first are ignored: they say nothing that another login could be compared with. The others are accepted.
    """
    placeless: dict[int, Ignored] = {}
    accepted: dict[int, Ignored] = {}
    for place, why in exempt.items():
        seen = activity[place].seen
        is_placeless = why is Exemption.NO_PLACE and isinstance(seen, Login) and seen.ip is None
        (placeless if is_placeless else accepted)[place] = Ignored(reason=Reason(why.value))
    return placeless, accepted


async def _record_all(record: Callable[[Mapping[int, T]], Awaitable[_Taken]], items: Mapping[int, T]) -> _Taken:
    """Record *items* slice by slice."""
    all_taken = _Taken()
    places = list(items)
    for start in range(0, len(places), SLICE):
        taken = await _record(record, {place: items[place] for place in places[start : start + SLICE]})
        all_taken = _Taken(
            taken=all_taken.taken + taken.taken,
            duplicates=all_taken.duplicates + taken.duplicates,
            changes=[*all_taken.changes, *taken.changes],
            rest={**all_taken.rest, **taken.rest},
            exempt={**all_taken.exempt, **taken.exempt},
            episodes=[*all_taken.episodes, *taken.episodes],
        )
    return all_taken


async def _record(record: Callable[[Mapping[int, T]], Awaitable[_Taken]], part: dict[int, T]) -> _Taken:
    """Record a slice. If items are invalid, record the slice again without them."""
    refused: dict[int, Rest] = {}
    for _ in range(_TRIES):
        if not part:
            break
        places = list(part)
        try:
            taken = await record(part)
        except Invalid as error:
            for fault in error.faults:
                place = places[int(fault.pointer[1:].partition("/")[0])]
                refused[place] = _REFUSED.get(fault.kind, Refused(reason=Reason.IN_THE_FUTURE))
            part = {place: one for place, one in part.items() if place not in refused}
        else:
            return replace(taken, rest={**refused, **taken.rest})
    return _Taken(rest={**refused, **{place: Refused(reason=Reason.TOO_MANY_USERS) for place in part}})


_REFUSED = {FaultKind.QUOTA_REACHED: Refused(reason=Reason.TOO_MANY_USERS)}


async def _note(
    services: Services, signals: Signals, source: Source, events: Sequence[object], outcome: Outcome
) -> None:
    """Count the results of the events, and keep samples of ignored and refused events."""
    counts = outcome.counts
    services.metrics.count_source_events(source.kind, counts)
    if not counts:
        return
    now = services.clock.now()
    samples = _samples(services, signals.vault, source, events, outcome=outcome)

    def store(tx: Transaction) -> None:
        if tx.sources.get(source.source_id) is None:
            return  # the source was deleted in the meantime
        tx.sources.note(source.source_id, counts, now)
        if samples:
            tx.sources.add_samples(source.source_id, samples, now - SAMPLES_KEPT_FOR)

    await services.store.write(source.account_id, store)


def _samples(
    services: Services, vault: Vault, source: Source, events: Sequence[object], outcome: Outcome
) -> list[Sample]:
    """Seal the first events of each reason. Events that are not JSON or too large are not kept."""
    samples: list[Sample] = []
    kept: Counter[Reason] = Counter()
    for place, one in outcome.rest.items():
        event = events[place]
        if kept[one.reason] >= MAX_SAMPLES_OF_REASON or isinstance(event, Ignored | Refused):
            continue
        written = _written(event)
        if written is None:
            continue
        kept[one.reason] += 1
        sample_id = services.ids.ordered_uuid()
        samples.append(
            Sample(
                sample_id=sample_id,
                became=became_of(one),
                reason=one.reason,
                pointer=pointer_of(one),
                detail=one.detail,
                at=services.clock.now(),
                sealed_event=vault.seal(written, sample_row(source.account_id, source.source_id, sample_id)),
            )
        )
    return samples


def _written(event: object) -> bytes | None:
    """Return an event as JSON; None: it is too large for a sample."""
    try:
        written = msgspec.json.encode(event)
    except (TypeError, ValueError, RecursionError):
        return None
    return written if len(written) <= MAX_SAMPLE_BYTES else None
