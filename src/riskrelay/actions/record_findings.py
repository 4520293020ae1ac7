"""Accept findings, decide levels, queue security events: one transaction."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec.structs import replace

from riskrelay.delivery.lanes import LaneKey
from riskrelay.integrations import AccountId
from riskrelay.ports import Outside, RecordedFinding, Transaction
from riskrelay.recording import find_users, latest_name, once, refuse_reused, tell
from riskrelay.risk.assessment import Cause, LevelChange, Standing, with_events, with_findings
from riskrelay.risk.behaviors import BehaviorId, BehaviorSetting, settings_with
from riskrelay.risk.findings import Finding, FindingId


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch of findings.

    Attributes:
        accepted: stored now.
        duplicates: repeats of findings that are stored already; harmless.
        ignored: of behaviors that the account has not enabled.
        changes: at most one per user: from the level before the batch to the level after it.
        behaviors: how many of each were stored now.
    """

    accepted: int
    duplicates: int
    ignored: int
    changes: Sequence[LevelChange]
    behaviors: Mapping[BehaviorId, int]


async def record_findings(outside: Outside, account_id: AccountId, findings: Sequence[Finding]) -> Recorded:
    """Store *findings* and, for each user whose risk level they move, queue a security event on every stream that
    takes it. All or nothing; durable when it returns.

    Args:
        findings: of known behaviors, in any order.

    Raises:
        Invalid: an id that was used before comes with another body, or a user id does not fit its e-mail; pointers
            start with the finding's place in *findings*.
        Unavailable: the store refused; nothing was recorded.
    Rule: design "The life of one event" 1; contract 22.
    """
    now = outside.clock.now()
    distinct = once({place: (f.finding_id, f.digest) for place, f in enumerate(findings)}, outside.ids)

    def store(tx: Transaction) -> tuple[Recorded, list[LaneKey]]:
        settings = settings_with(tx.behaviors.stored())
        enabled = {place: findings[place] for place in distinct if settings[findings[place].behavior].enabled}
        found = find_users(tx, {place: finding.user for place, finding in enabled.items()}, outside.ids.ordered_uuid)
        given = {place: FindingId(distinct[place]) for place, f in enabled.items() if f.finding_id is not None}
        stored = tx.findings.digests(given.values())
        repeated = {place: (given[place], enabled[place].digest) for place in given if given[place] in stored}
        refuse_reused(repeated, stored)
        accepted = {place: finding for place, finding in enabled.items() if place not in repeated}
        steps = _steps(accepted.values(), found.standings, settings, now)
        tx.users.add([after for before, after in steps if before.email_key in found.new])
        tx.users.save([after for before, after in steps if before.email_key not in found.new])
        changes, queued = tell(tx, steps, settings, Cause.POLICY, now, outside.ids)
        tx.findings.add(
            [
                _row(FindingId(distinct[place]), one, found.standings[one.user.email_key], settings, now)
                for place, one in accepted.items()
            ]
        )
        ignored = len(distinct) - len(enabled)
        duplicates = len(findings) - ignored - len(accepted)
        behaviors = Counter(finding.behavior for finding in accepted.values())
        return Recorded(len(accepted), duplicates, ignored, changes, behaviors), queued

    recorded, queued = await outside.store.write(account_id, store)
    outside.wake(queued)
    outside.metrics.count_findings(recorded.accepted, recorded.duplicates, recorded.ignored)
    outside.finding_counts.note(account_id, recorded.behaviors, now)
    return recorded


def _row(
    finding_id: FindingId,
    finding: Finding,
    standing: Standing,
    settings: Mapping[BehaviorId, BehaviorSetting],
    now: datetime,
) -> RecordedFinding:
    details = None if finding.details is None else msgspec.json.encode(finding.details).decode()
    return RecordedFinding(
        finding_id,
        standing.user_id,
        finding.behavior,
        settings[finding.behavior].risk_level,
        finding.occurred_at or now,
        now,
        standing.resets,
        details,
        finding.digest,
    )


def _steps(
    accepted: Iterable[Finding],
    before: Mapping[str, Standing],
    settings: Mapping[BehaviorId, BehaviorSetting],
    now: datetime,
) -> list[tuple[Standing, Standing]]:
    """The users' standings before and after, in the order users appeared."""
    seen: dict[str, list[Finding]] = defaultdict(list)
    for finding in accepted:
        seen[finding.user.email_key].append(finding)
    steps: list[tuple[Standing, Standing]] = []
    for email_key, findings in seen.items():
        old = before[email_key]
        new = with_findings(old, [finding.behavior for finding in findings], settings)
        new = with_events(new, [finding.occurred_at or now for finding in findings])
        name = latest_name((finding.user for finding in findings), old.name)
        steps.append((old, new if name == old.name else replace(new, name=name)))
    return steps
