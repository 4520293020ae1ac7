"""Accept findings, decide levels, queue security events: in one transaction, or many findings in parts."""

from asyncio import gather
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain

import msgspec
from msgspec.structs import replace

from riskrelay.actions.applying import apply
from riskrelay.actions.computing import compute, compute_for
from riskrelay.actions.large_writes import LARGE, write_in_parts, write_users
from riskrelay.actions.recording import (
    assign_ids,
    by_users,
    find_users,
    latest_name,
    latest_of,
    refuse_future,
    refuse_reused,
    refuse_surplus_users,
    to_trim,
)
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.email_addresses import email_key
from riskrelay.core.errors import Faults, Invalid, Unavailable
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import (
    ChangeKind,
    LevelChange,
    Standing,
    level_change,
    with_events,
    with_findings,
)
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import Finding, FindingId, UserId, UserRef
from riskrelay.core.risk.rules import LevelRules
from riskrelay.ports import Ids, RecordedFinding, Services, Transaction, Writes

_FEW = 100  # guessed: a request with more findings gains little by sharing a transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The result of a batch of findings.

    Attributes:
        accepted: the number of stored findings.
        duplicates: the number of repeats of stored findings.
        ignored: the number of findings whose behavior is not enabled.
        changes: at most one per user: from the level before the batch to the level after it.
        behaviors: the number of stored findings of each behavior.
    """

    accepted: int
    duplicates: int
    ignored: int
    changes: Sequence[LevelChange]
    behaviors: Mapping[BehaviorId, int]


async def record_findings(services: Services, account_id: AccountId, findings: Sequence[Finding]) -> Recorded:
    """Store *findings*, all or none. They are durable on return.

    For each user whose risk level changes, a security event is queued on every stream that takes it.

    Small requests share a transaction with concurrent requests. Large requests are written in parts.

    Args:
        findings: findings of known behaviors, in any order.

    Raises:
        Invalid: a finding is in the future, an id was used before with another body, or a user id does not match its
            e-mail; pointers start with the finding's place in *findings*.
        Unavailable: the store refused; nothing was recorded.
    Rule: design "The life of one event" 1; contract 22.
    """
    now = services.clock.now()
    times = {place: one.occurred_at for place, one in enumerate(findings) if one.occurred_at is not None}
    await compute_for(len(times), partial(refuse_future, times, now))
    if len(findings) > LARGE:
        return await _record_in_parts(services, account_id, findings)
    if len(findings) > _FEW:
        (recorded,) = await _record(services, account_id, [findings])
        return recorded
    return await services.gathering.join(
        (record_findings, account_id), findings, partial(_record_each, services, account_id)
    )


async def _record_each(
    services: Services, account_id: AccountId, requests: Sequence[Sequence[Finding]]
) -> list[Recorded | Exception]:
    """Record each of *requests*, in as few transactions as possible.

    Returns: the result or the error of each request.
    """

    async def record(numbers: Sequence[int]) -> dict[int, Recorded | Exception]:
        try:
            recorded = await _record(services, account_id, [requests[number] for number in numbers])
        except Unavailable as error:
            return dict.fromkeys(numbers, error)
        except Exception as error:  # noqa: BLE001  returned to the waiting request
            if len(numbers) == 1:
                return {numbers[0]: error}
            # Record each request alone, so that an invalid one does not fail the others.
            return await record_all([[number] for number in numbers])
        return dict(zip(numbers, recorded, strict=True))

    async def record_all(groups: Sequence[Sequence[int]]) -> dict[int, Recorded | Exception]:
        return {number: answer for part in await gather(*map(record, groups)) for number, answer in part.items()}

    groups = _apart(requests)
    answers = await (record(groups[0]) if len(groups) == 1 else record_all(groups))
    return [answers[number] for number in range(len(requests))]


def _apart(requests: Sequence[Sequence[Finding]]) -> list[list[int]]:
    """Group the places of *requests* so that no two of a group name the same user.

    So the result for a user does not depend on another request. Two requests with the same finding id and different
    bodies fail together, and are then recorded one by one.
    """
    groups: list[tuple[set[str], list[int]]] = []
    for number, findings in enumerate(requests):
        named = {one.user.email_key for one in findings}
        fitting = next((group for group in groups if group[0].isdisjoint(named)), None)
        if fitting is None:
            groups.append((named, [number]))
        else:
            fitting[0].update(named)
            fitting[1].append(number)
    return [numbers for _, numbers in groups]


async def _record(services: Services, account_id: AccountId, requests: Sequence[Sequence[Finding]]) -> list[Recorded]:
    """Record *requests* in one transaction, all or none. No two of them name the same user.

    Returns: the results in the order of *requests*.
    Raises: Invalid: pointers start with the place among all findings; Unavailable.
    """
    batch = _batch(services, account_id, list(chain.from_iterable(requests)))

    def store(tx: Transaction) -> tuple[_Decided, list[LaneKey]]:
        decided = _decide(tx, batch, batch.distinct)
        refuse_surplus_users(decided.users, decided.new, batch.known_users, services.quotas.users)
        return decided, apply(tx, decided.writes, services)

    decided, queued = await write_users(services, account_id, store)
    services.wake(queued)
    recorded = _split(requests, decided)
    _note(services, account_id, recorded, batch.now, new_users=len(decided.new))
    return recorded


async def _record_in_parts(services: Services, account_id: AccountId, findings: Sequence[Finding]) -> Recorded:
    """Record a large request, a group of users at a time, but all or none.

    Raises: Invalid; Unavailable.
    """
    batch = await compute(partial(_batch, services, account_id, findings))
    groups = await compute(lambda: list(by_users({place: findings[place].user for place in batch.distinct})))
    whole = _Decided()

    async def decided() -> AsyncIterator[Writes]:
        faults = Faults()
        for places in groups:
            distinct = {place: batch.distinct[place] for place in places}
            try:
                some = await services.store.read(account_id, partial(_decide, batch=batch, distinct=distinct))
            except Invalid as error:
                faults.extend(error.faults, error.more)
                continue
            whole.add(some)
            yield some.writes
        faults.refuse()
        refuse_surplus_users(whole.users, whole.new, batch.known_users, services.quotas.users)

    await write_in_parts(services, account_id, decided, lambda tx: None)
    (recorded,) = await compute(partial(_split, [findings], whole))
    _note(services, account_id, [recorded], batch.now, new_users=len(whole.new))
    return recorded


def _note(
    services: Services, account_id: AccountId, recorded: Sequence[Recorded], now: datetime, new_users: int
) -> None:
    services.user_counts.add(account_id, new_users)
    for one in recorded:
        services.metrics.count_findings(one.accepted, one.duplicates, one.ignored)
        services.finding_counts.note(account_id, one.behaviors, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """The findings of requests.

    Attributes:
        distinct: the id of each finding by place; of repeated ids only the first.
        known_users: the number of users of the account.
    """

    findings: Sequence[Finding]
    distinct: Mapping[int, str]
    now: datetime
    known_users: int
    ids: Ids


@dataclass(slots=True, kw_only=True)
class _Decided:
    """The decision about findings.

    Attributes:
        accepted, ignored: the accepted and ignored findings, by place among the findings of all requests.
        users: the users of findings whose behavior is enabled, by place.
        new: the email_keys of new users.
    """

    writes: Writes = field(default_factory=Writes)
    accepted: dict[int, Finding] = field(default_factory=dict)
    ignored: set[int] = field(default_factory=set)
    users: dict[int, UserRef] = field(default_factory=dict)
    new: set[str] = field(default_factory=set)
    changes: list[LevelChange] = field(default_factory=list)

    def add(self, more: "_Decided") -> None:
        """Add the decision about findings of other users."""
        self.accepted |= more.accepted
        self.ignored |= more.ignored
        self.users |= more.users
        self.new |= more.new
        self.changes += more.changes


def _batch(services: Services, account_id: AccountId, findings: Sequence[Finding]) -> _Batch:
    """Build a batch from findings.

    Raises: Invalid: one id has two bodies.
    """
    return _Batch(
        findings=findings,
        distinct=assign_ids({place: (f.finding_id, f.digest) for place, f in enumerate(findings)}, services.ids),
        now=services.clock.now(),
        known_users=services.user_counts.get(account_id),
        ids=services.ids,
    )


def _decide(tx: Transaction, batch: _Batch, distinct: Mapping[int, str]) -> _Decided:
    """Decide the results of the findings in the places of *distinct*.

    Raises: Invalid: pointers start with the place.
    """
    rules, now = tx.levels.rules(), batch.now
    enabled = {
        place: batch.findings[place] for place in distinct if rules.behaviors[batch.findings[place].behavior].enabled
    }
    users = {place: finding.user for place, finding in enabled.items()}
    found = find_users(tx, users, batch.ids.ordered_uuid)
    rules = tx.levels.with_groups(rules, found.standings)
    given = {place: FindingId(distinct[place]) for place, f in enabled.items() if f.finding_id is not None}
    stored = tx.findings.digests(given.values())
    repeated = {place: (given[place], enabled[place].digest) for place in given if given[place] in stored}
    refuse_reused(repeated, stored)
    accepted = {place: finding for place, finding in enabled.items() if place not in repeated}

    def decide() -> Writes:
        steps = _steps(accepted.values(), found.standings, rules, now)
        rows = [
            _row(FindingId(distinct[place]), one, found.standings[one.user.email_key], rules, now=now)
            for place, one in accepted.items()
        ]
        return Writes(
            new_users=[after for before, after in steps if before.email_key in found.new],
            findings=rows,
            standings=[after for before, after in steps if before.email_key not in found.new],
            trimmed=to_trim(steps),
            changes=_changes(steps, rows, rules, now),
        )

    writes = decide() if len(accepted) <= _FEW else tx.compute(decide)
    return _Decided(
        writes=writes,
        accepted=accepted,
        ignored=set(distinct) - set(enabled),
        users=users,
        new=set(found.new),
        changes=list(writes.changes),
    )


def _split(requests: Sequence[Sequence[Finding]], decided: _Decided) -> list[Recorded]:
    """Return the result of each request."""
    recorded: list[Recorded] = []
    left = deque(decided.changes)  # in the order in which their users appear in the requests
    accepted, ignored = decided.accepted, decided.ignored
    start = 0
    for findings in requests:
        places = range(start, start + len(findings))
        start = places.stop
        users = {finding.user.email_key for finding in findings}
        mine: list[LevelChange] = []
        while left and email_key(left[0].email) in users:
            mine.append(left.popleft())
        behaviors = Counter(accepted[place].behavior for place in places if place in accepted)
        count, dropped = behaviors.total(), sum(place in ignored for place in places)
        recorded.append(
            Recorded(
                accepted=count,
                duplicates=len(findings) - count - dropped,
                ignored=dropped,
                changes=mine,
                behaviors=behaviors,
            )
        )
    return recorded


def _changes(
    steps: Iterable[tuple[Standing, Standing]],
    recorded: Iterable[RecordedFinding],
    rules: LevelRules,
    now: datetime,
) -> list[LevelChange]:
    """Return the level changes of users, each with the findings that made it."""
    named: dict[UserId, list[tuple[BehaviorId, FindingId]]] = defaultdict(list)
    for finding in recorded:
        named[finding.user_id].append((finding.behavior, finding.finding_id))
    moved = [
        level_change(before, after, rules, ChangeKind.FINDING, at=now, recorded=named[after.user_id])
        for before, after in steps
    ]
    return [change for change in moved if change is not None]


def _row(
    finding_id: FindingId,
    finding: Finding,
    standing: Standing,
    rules: LevelRules,
    now: datetime,
) -> RecordedFinding:
    details = None if finding.details is None else msgspec.json.encode(finding.details).decode()
    return RecordedFinding(
        finding_id=finding_id,
        user_id=standing.user_id,
        behavior=finding.behavior,
        risk_level=rules.behaviors[finding.behavior].risk_level,
        exception_id=rules.for_user(standing.email_key).applied_to(finding.behavior),
        occurred_at=finding.occurred_at or now,
        recorded_at=now,
        resets=standing.resets,
        details_json=details,
        digest=finding.digest,
    )


def _steps(
    accepted: Iterable[Finding],
    before: Mapping[str, Standing],
    rules: LevelRules,
    now: datetime,
) -> list[tuple[Standing, Standing]]:
    """Return the users' standings before and after, in the order in which the users appear."""
    seen: dict[str, list[Finding]] = defaultdict(list)
    for finding in accepted:
        seen[finding.user.email_key].append(finding)
    steps: list[tuple[Standing, Standing]] = []
    for key, findings in seen.items():
        old = before[key]
        times = [(finding.behavior, finding.occurred_at or now) for finding in findings]
        new = with_events(old, [at for _, at in times])
        new = with_findings(new, latest_of(times), rules, now)
        name = latest_name((finding.user for finding in findings), old.name)
        steps.append((old, new if name == old.name else replace(new, name=name)))
    return steps
