"""The history of a user's risk level: what made each change, and which receivers were notified."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.errors import found
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting, name_of
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.policy_rules import NamedRule
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import HistoryPlace, PastChange, RecordedFinding, Services, Transaction, UserEvent
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.paging import cursor_of, read_cursor
from riskrelay.web.account_api.users import user_id_of
from riskrelay.web.auth import caller_of

PAGE = 20
MAX_NOTIFIED = 25  # guessed: of one change; the list of a user's deliveries has all of them

_CURSOR: msgspec.json.Decoder[HistoryPlace] = msgspec.json.Decoder(
    tuple[Annotated[datetime, Meta(tz=True)], Annotated[str, Meta(pattern="^[0-9a-f-]{36}$")]]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One level change of a user, with its findings and its events.

    Attributes:
        findings: those that made the change and are still stored.
        deleted: the number of those that are not.
        notified: the first MAX_NOTIFIED events of the change, with their deliveries.
        has_more: whether the change has more events.
    """

    change: PastChange
    findings: Sequence[RecordedFinding]
    deleted: int
    notified: Sequence[UserEvent]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A page of the history of a user's level.

    Attributes:
        entries: the latest first.
        older: the place after which the next page starts; None: this is the last page.
        is_complete: whether nothing is known to be missing before the oldest change.
    """

    standing: Standing
    entries: Sequence[HistoryEntry]
    older: HistoryPlace | None
    is_complete: bool


class HistoryRoutes:
    """The handler of the history."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_page(self, request: Request) -> Response:
        """Return the level changes of a user, the latest first."""
        caller = await caller_of(request, self._services, Scope.PII_READ)
        user_id = user_id_of(request)
        before = read_cursor(request.query_params, _CURSOR)
        history, settings = await self._services.store.read(
            caller.account_id, lambda tx: (read_history(tx, user_id, before), tx.behaviors.stored())
        )
        cursor = None if history.older is None else cursor_of(history.older)
        info = {"cursor": cursor, "count": len(history.entries), "is_complete": history.is_complete}
        return success([_rendered(entry, settings) for entry in history.entries], info)


def read_history(tx: Transaction, user_id: UserId, before: HistoryPlace | None) -> History:
    """Read a page of the history of a user's level.

    Raises: NotFound: no such user in this account.
    """
    standing = found(tx.users.get(user_id))
    changes = tx.level_history.page(user_id, before, PAGE + 1)
    page = changes[:PAGE]
    named = {finding_id for change in page for finding_id in change.findings}
    findings = {one.finding_id: one for one in tx.user_views.findings_with(named)} if named else {}
    moments = list(dict.fromkeys(change.changed_at for change in page))
    events = tx.user_views.events_at(subject_key(email_subject(standing.email)), moments, MAX_NOTIFIED + 1)
    return History(
        standing=standing,
        entries=[_entry(change, findings, events) for change in page],
        older=page[-1].place if len(changes) > PAGE else None,
        is_complete=len(changes) > PAGE or is_complete(standing, page[-1] if page else None, is_first=before is None),
    )


def is_complete(standing: Standing, oldest: PastChange | None, *, is_first: bool) -> bool:
    """Return whether nothing is known to be missing before the oldest stored level change of a user.

    Changes before this version's history began were not stored, and old changes are deleted.

    Args:
        oldest: None: there is none on this page.
        is_first: whether the page is the first one.
    """
    if oldest is None:
        return not is_first or (standing.level is None and standing.last_reset_at is None)
    return oldest.previous is None and (standing.last_reset_at is None or standing.last_reset_at >= oldest.changed_at)


def _entry(
    change: PastChange, findings: Mapping[FindingId, RecordedFinding], events: Sequence[UserEvent]
) -> HistoryEntry:
    stored = [findings[finding_id] for finding_id in change.findings if finding_id in findings]
    mine = [one for one in events if one.txn == change.change_id]
    return HistoryEntry(
        change=change,
        findings=stored,
        deleted=len(change.findings) - len(stored),
        notified=mine[:MAX_NOTIFIED],
        has_more=len(mine) > MAX_NOTIFIED,
    )


def _rendered(entry: HistoryEntry, settings: Mapping[BehaviorId, BehaviorSetting]) -> dict[str, Any]:
    change = entry.change
    return {
        "id": change.change_id,
        "changed_at": _time(change.changed_at),
        "previous_level": None if change.previous is None else change.previous.word,
        "current_level": None if change.current is None else change.current.word,
        "kind": change.kind.value,
        "reason": change.reason or None,
        "behaviors": change.behaviors,
        "findings": [_finding(finding, settings) for finding in entry.findings],
        "deleted_findings": entry.deleted,
        "rule": change.rule,
        "rules": _rules(change.rules),
        "sessions_revoked_by": _rules(change.revoking),
        "actor": change.actor,
        "note": change.note,
        "notified": [_notified(one) for one in entry.notified],
        "more_notified": entry.has_more,
    }


def _rules(named: Sequence[NamedRule]) -> list[dict[str, str]]:
    return [{"id": one.rule_id, "name": one.name} for one in named]


def _finding(finding: RecordedFinding, settings: Mapping[BehaviorId, BehaviorSetting]) -> dict[str, Any]:
    return {
        "id": finding.finding_id,
        "behavior": finding.behavior,
        "name": name_of(finding.behavior, settings),
        "risk_level": finding.risk_level.word,
        "timestamp": _time(finding.occurred_at),
    }


def _notified(sent: UserEvent) -> dict[str, Any]:
    delivery = sent.delivery
    last = delivery.attempts[-1] if delivery.attempts else None
    is_delivered = last is not None and delivery.state is DeliveryState.DELIVERED
    return {
        "integration_id": sent.integration.integration_id,
        "reference_id": sent.integration.reference_id,
        "jti": delivery.jti,
        "event_type": next(iter(sent.event)),
        "state": delivery.state.value,
        "reason": delivery.reason,
        "queued_at": _time(delivery.queued_at),
        "attempts": len(delivery.attempts),
        "status": None if last is None else last.outcome.status,
        "received_at": _time(last.started_at + last.duration) if last is not None and is_delivered else None,
    }


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
