"""Accept findings, decide levels, queue security events: in one transaction, or many findings in parts."""

from asyncio import gather
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain

from riskrelay.actions.applying import apply
from riskrelay.actions.computing import compute, compute_for
from riskrelay.actions.deciding_findings import FEW, Batch, Decided, decide
from riskrelay.actions.giving_way import give_way, in_steps, stepwise
from riskrelay.actions.large_writes import LARGE, write_in_parts, write_users
from riskrelay.actions.recording import assign_ids, by_users, refuse_future, refuse_surplus_users
from riskrelay.actions.sharing import together_or_alone
from riskrelay.actions.tokens import confirm
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.email_addresses import user_key
from riskrelay.core.errors import Faults, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import LevelChange
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import Finding
from riskrelay.ports import Services, Transaction, Writes


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


async def record_findings(
    services: Services, account_id: AccountId, findings: Sequence[Finding], *, unconfirmed: bytes | None = None
) -> Recorded:
    """Store *findings*, all or none. They are durable on return.

    For each user whose risk level changes, a security event is queued on every stream that takes it.

    Small requests share a transaction with concurrent requests. Large requests are written in parts.

    Args:
        findings: findings of known behaviors, in any order.
        unconfirmed: the hash of the client's token, if it must still exist; None: it was confirmed.

    Raises:
        UnknownToken: the token was revoked; nothing was recorded.
        Invalid: a finding is in the future, an id was used before with another body, or a user id does not match its
            e-mail; pointers start with the finding's place in *findings*.
        Unavailable: the store refused; nothing was recorded.
    Rule: design "The life of one event" 1; contract 22.
    """
    now = services.clock.now()
    times = {place: one.occurred_at for place, one in enumerate(findings) if one.occurred_at is not None}
    await compute_for(len(times), partial(refuse_future, times, now))
    if len(findings) > LARGE:
        if unconfirmed is not None:
            await services.store.read(account_id, lambda tx: confirm(tx, unconfirmed))
        return await _record_in_parts(services, account_id, findings)
    if len(findings) > FEW:
        (recorded,) = await _record(services, account_id, unconfirmed, [findings])
        return recorded
    return await services.gathering.join(
        (record_findings, account_id, unconfirmed), findings, partial(_record_each, services, account_id, unconfirmed)
    )


async def _record_each(
    services: Services, account_id: AccountId, unconfirmed: bytes | None, requests: Sequence[Sequence[Finding]]
) -> Sequence[Recorded | Exception]:
    """Record each of *requests*, in as few transactions as possible.

    Returns: the result or the error of each request.
    """
    record = partial(_record, services, account_id, unconfirmed)
    groups = _apart(requests)
    if len(groups) == 1:
        return await together_or_alone(record, requests)
    answered = await gather(*(together_or_alone(record, [requests[number] for number in group]) for group in groups))
    answers = dict(zip(chain.from_iterable(groups), chain.from_iterable(answered), strict=True))
    return [answers[number] for number in range(len(requests))]


def _apart(requests: Sequence[Sequence[Finding]]) -> list[list[int]]:
    """Group the places of *requests* so that no two of a group name the same user, and no group is large.

    So the result for a user does not depend on another request. Two requests with the same finding id and different
    bodies fail together, and are then recorded one by one.
    """
    groups: list[_Group] = []
    for number, findings in enumerate(requests):
        named = {one.user.email_key for one in findings}
        fitting = next((group for group in groups if group.fits(named, len(findings))), None)
        if fitting is None:
            groups.append(_Group(named, [number], len(findings)))
        else:
            fitting.named.update(named)
            fitting.numbers.append(number)
            fitting.findings += len(findings)
    return [group.numbers for group in groups]


@dataclass(slots=True)
class _Group:
    """Requests that share a transaction."""

    named: set[str]
    numbers: list[int]
    findings: int

    def fits(self, named: set[str], findings: int) -> bool:
        """Return whether another request fits in: no longer transaction than for one request, and no user twice."""
        return self.findings + findings <= LARGE and self.named.isdisjoint(named)


async def _record(
    services: Services, account_id: AccountId, unconfirmed: bytes | None, requests: Sequence[Sequence[Finding]]
) -> list[Recorded]:
    """Record *requests* of one token in one transaction, all or none. No two of them name the same user.

    Returns: the results in the order of *requests*.
    Raises: Invalid: pointers start with the place among all findings; Unavailable.
    """
    batch = _batch(services, account_id, list(chain.from_iterable(requests)))

    def store(tx: Transaction) -> tuple[Decided, list[WokenLane]]:
        confirm(tx, unconfirmed)
        decided = decide(tx, batch, batch.distinct)
        refuse_surplus_users(decided.users, decided.new, batch.known_users, services.quotas.users)
        queued = apply(tx, decided.writes, services)
        services.foresee(queued)
        return decided, queued

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
    groups = await compute(lambda: list(by_users({place: findings[place].user for place in in_steps(batch.distinct)})))
    whole = Decided()

    async def decided() -> AsyncIterator[Writes]:
        faults = Faults()
        for places in groups:
            distinct = {place: batch.distinct[place] for place in places}
            try:
                await give_way()
                some = await services.store.read(
                    account_id, stepwise(partial(decide, batch=batch, distinct=distinct, is_part=True))
                )
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


def _batch(services: Services, account_id: AccountId, findings: Sequence[Finding]) -> Batch:
    """Build a batch from findings.

    Raises: Invalid: one id has two bodies.
    """
    return Batch(
        findings=findings,
        distinct=assign_ids(
            {place: (f.finding_id, f.digest) for place, f in enumerate(in_steps(findings))}, services.ids
        ),
        now=services.clock.now(),
        known_users=services.user_counts.get(account_id),
        ids=services.ids,
        quiet=partial(services.quiet.of, account_id),
    )


def _split(requests: Sequence[Sequence[Finding]], decided: Decided) -> list[Recorded]:
    """Return the result of each request."""
    recorded: list[Recorded] = []
    left = deque(decided.changes)  # in the order in which their users appear in the requests
    accepted, ignored = decided.accepted, decided.ignored
    start = 0
    for findings in requests:
        places = range(start, start + len(findings))
        start = places.stop
        users = {finding.user.email_key for finding in in_steps(findings)}
        mine: list[LevelChange] = []
        for _ in in_steps(range(len(left))):
            if user_key(left[0].email) not in users:
                break
            mine.append(left.popleft())
        behaviors = Counter(accepted[place].behavior for place in in_steps(places) if place in accepted)
        count, dropped = behaviors.total(), sum(place in ignored for place in in_steps(places))
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
