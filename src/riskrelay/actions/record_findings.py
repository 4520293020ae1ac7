"""Accept findings, decide levels, queue security events: one transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from riskrelay import signals
from riskrelay.delivery.lanes import LaneKey
from riskrelay.errors import Fault, FaultKind, Invalid, UserMismatch
from riskrelay.integrations import AccountId
from riskrelay.ports import Ids, Outside, RecordedFinding, Transaction
from riskrelay.risk.assessment import Cause, LevelChange, Standing, level_change, with_events, with_findings
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
    """

    accepted: int
    duplicates: int
    ignored: int
    changes: Sequence[LevelChange]


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
    distinct = _distinct(findings, outside.ids)

    def store(tx: Transaction) -> tuple[Recorded, list[LaneKey]]:
        settings = settings_with(tx.behaviors.stored())
        enabled = {place: f for place, f in distinct.items() if settings[f.behavior].enabled}
        before = _ensure_users(tx, enabled, outside.ids)
        rows = [_row(finding, before, settings, now) for finding in enabled.values()]
        stored = tx.findings.add(rows)
        _refuse_reused_ids(tx, enabled, stored)
        accepted = [finding for finding in enabled.values() if finding.finding_id in stored]
        changes = _assess(tx, accepted, before, settings, now)
        queued = tx.events.queue(
            signals.for_changes(changes, tx.streams.taking_events() if changes else (), outside.ids.uuid)
        )
        ignored = len(distinct) - len(enabled)
        return Recorded(len(stored), len(findings) - ignored - len(stored), ignored, changes), queued

    recorded, queued = await outside.store.write(account_id, store)
    outside.wake(queued)
    outside.metrics.count_findings(recorded.accepted, recorded.duplicates, recorded.ignored)
    return recorded


def _distinct(findings: Sequence[Finding], ids: Ids) -> dict[int, Finding]:
    """By place, each id once; a finding without an id gets one.

    Raises: Invalid: one id with two bodies.
    """
    first: dict[FindingId, Finding] = {}
    distinct: dict[int, Finding] = {}
    faults: list[Fault] = []
    for place, finding in enumerate(findings):
        if finding.finding_id is None:
            distinct[place] = replace(finding, finding_id=FindingId(ids.uuid()))
        elif finding.finding_id not in first:
            first[finding.finding_id] = distinct[place] = finding
        elif first[finding.finding_id].digest != finding.digest:
            faults.append(_reused(place))
    if faults:
        raise Invalid(faults)
    return distinct


def _ensure_users(tx: Transaction, findings: Mapping[int, Finding], ids: Ids) -> dict[str, Standing]:
    try:
        return tx.users.ensure([finding.user for finding in findings.values()], ids.uuid)
    except UserMismatch as error:
        message = "user_id and email belong to different users of this account; leave user_id out, or send the user's"
        raise Invalid(
            [
                Fault(FaultKind.USER_MISMATCH, f"/{place}/user/user_id", message)
                for place, finding in findings.items()
                if finding.user.email_key == error.email_key and finding.user.user_id is not None
            ]
        ) from error


def _row(
    finding: Finding,
    standings: Mapping[str, Standing],
    settings: Mapping[BehaviorId, BehaviorSetting],
    now: datetime,
) -> RecordedFinding:
    assert finding.finding_id is not None  # noqa: S101  _distinct gave it one
    details = None if finding.details is None else msgspec.json.encode(finding.details).decode()
    return RecordedFinding(
        finding.finding_id,
        standings[finding.user.email_key].user_id,
        finding.behavior,
        settings[finding.behavior].risk_level,
        finding.occurred_at or now,
        now,
        standings[finding.user.email_key].resets,
        details,
        finding.digest,
    )


def _refuse_reused_ids(tx: Transaction, findings: Mapping[int, Finding], stored: set[FindingId]) -> None:
    """Raises: Invalid: an id is there already, with another body."""
    repeated = {place: f for place, f in findings.items() if f.finding_id not in stored}
    if not repeated:
        return
    digests = tx.findings.digests([f.finding_id for f in repeated.values() if f.finding_id is not None])
    faults = [
        _reused(place)
        for place, finding in repeated.items()
        if finding.finding_id is not None and digests[finding.finding_id] != finding.digest
    ]
    if faults:
        raise Invalid(faults)


def _reused(place: int) -> Fault:
    message = "this id was sent before with another body; an id names one finding for ever, send a new one"
    return Fault(FaultKind.FINDING_REUSED, f"/{place}/id", message)


def _assess(
    tx: Transaction,
    accepted: Sequence[Finding],
    before: Mapping[str, Standing],
    settings: Mapping[BehaviorId, BehaviorSetting],
    now: datetime,
) -> list[LevelChange]:
    """Write the users' new standings; what changed for the receivers, in the order users appeared."""
    seen: dict[str, list[Finding]] = defaultdict(list)
    for finding in accepted:
        seen[finding.user.email_key].append(finding)
    moved: list[Standing] = []
    changes: list[LevelChange] = []
    for email_key, findings in seen.items():
        old = before[email_key]
        named = [finding.user.name for finding in findings if finding.user.name is not None]
        new = with_findings(old, (finding.behavior for finding in findings), settings)
        new = with_events(new, [finding.occurred_at or now for finding in findings])
        moved.append(replace(new, name=named[-1] if named else old.name))
        change = level_change(old, new, settings, Cause.POLICY, now)
        if change is not None:
            changes.append(change)
    tx.users.save(moved)
    return changes
