"""Decide the results of findings: the rows to store and the level changes of users, in a transaction that reads."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_rules
from datetime import datetime

import msgspec
from msgspec.structs import replace

from riskrelay.actions.giving_way import in_steps, stepwise
from riskrelay.actions.recording import find_users, latest_name, latest_of, refuse_reused, to_trim
from riskrelay.core.risk.assessment import ChangeKind, LevelChange, Standing, with_events, with_findings
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.explaining import level_change
from riskrelay.core.risk.findings import Finding, FindingId, UserId, UserRef
from riskrelay.core.risk.rules import LevelRules
from riskrelay.ports import Ids, RecordedFinding, Transaction, Writes

# Guessed: a request with more findings gains little by sharing a transaction, and takes milliseconds to decide.
FEW = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The findings of requests.

    Attributes:
        distinct: the id of each finding by place; of repeated ids only the first.
        known_users: the number of users of the account.
        quiet: returns the behaviors whose finding makes no rule hold while it is the user's only one.
    """

    findings: Sequence[Finding]
    distinct: Mapping[int, str]
    now: datetime
    known_users: int
    ids: Ids
    quiet: Callable[[LevelRules], frozenset[BehaviorId]]


@dataclass(slots=True, kw_only=True)
class Decided:
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

    def add(self, more: "Decided") -> None:
        """Add the decision about findings of other users."""
        self.accepted |= more.accepted
        self.ignored |= more.ignored
        self.users |= more.users
        self.new |= more.new
        self.changes += more.changes


def decide(tx: Transaction, batch: Batch, distinct: Mapping[int, str], *, is_part: bool = False) -> Decided:
    """Decide the results of the findings in the places of *distinct*.

    Args:
        is_part: whether they are a part of a large request, so that small requests go first.

    Raises: Invalid: pointers start with the place.
    """
    rules, now = tx.levels.rules(), batch.now
    enabled = {
        place: batch.findings[place] for place in distinct if rules.behaviors[batch.findings[place].behavior].enabled
    }
    users = {place: finding.user for place, finding in enabled.items()}
    found = find_users(tx, users, batch.ids.ordered_uuid)
    rules = replace_rules(tx.levels.with_groups(rules, found.standings), quiet=batch.quiet(rules))
    given = {place: FindingId(distinct[place]) for place, f in enabled.items() if f.finding_id is not None}
    stored = tx.findings.digests(given.values())
    repeated = {place: (given[place], enabled[place].digest) for place in given if given[place] in stored}
    refuse_reused(repeated, stored)
    accepted = {place: finding for place, finding in enabled.items() if place not in repeated}

    def computed() -> Writes:
        keys = {place: one.user.email_key for place, one in accepted.items()}
        steps = _steps(accepted, keys, found.standings, rules, now=now)
        rows = [
            _row(FindingId(distinct[place]), one, found.standings[keys[place]], rules, now=now)
            for place, one in in_steps(accepted.items())
        ]
        return Writes(
            new_users=[after for key, (_, after) in steps.items() if key in found.new],
            findings=rows,
            standings=[after for key, (_, after) in steps.items() if key not in found.new],
            trimmed=to_trim(steps.values()),
            changes=_changes(steps.values(), rows, rules, now),
        )

    writes = computed() if len(accepted) <= FEW else tx.compute(stepwise(computed) if is_part else computed)
    return Decided(
        writes=writes,
        accepted=accepted,
        ignored=set(distinct) - set(enabled),
        users=users,
        new=set(found.new),
        changes=list(writes.changes),
    )


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
        if after.level != before.level
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
        exception_id=rules.for_user(standing.email_key).applied_to(finding.behavior) if rules.exceptions else None,
        occurred_at=finding.occurred_at or now,
        recorded_at=now,
        resets=standing.resets,
        details_json=details,
        digest=finding.digest,
    )


def _steps(
    accepted: Mapping[int, Finding],
    keys: Mapping[int, str],
    before: Mapping[str, Standing],
    rules: LevelRules,
    now: datetime,
) -> dict[str, tuple[Standing, Standing]]:
    """Return the users' standings before and after by email_key, in the order in which the users appear.

    Args:
        keys: the email_key of each finding's user.
    """
    seen: dict[str, list[Finding]] = defaultdict(list)
    for place, finding in accepted.items():
        seen[keys[place]].append(finding)
    steps: dict[str, tuple[Standing, Standing]] = {}
    for key, findings in in_steps(seen.items()):
        old = before[key]
        times = [(finding.behavior, finding.occurred_at or now) for finding in findings]
        new = with_events(old, [at for _, at in times])
        new = with_findings(new, latest_of(times), rules, now)
        name = latest_name((finding.user for finding in findings), old.name)
        steps[key] = old, new if name == old.name else replace(new, name=name)
    return steps
