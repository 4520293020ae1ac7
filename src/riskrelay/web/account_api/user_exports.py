"""Everything that is stored about one user, as one JSON document."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import IO, Any

import msgspec
from starlette.responses import Response

from riskrelay.core.email_addresses import email_key
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.findings import UserId
from riskrelay.core.sources.directory import DirectoryEntry, name_key
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import PastChange, RecordedFinding, Services, Transaction, UserEvent, UserEventPlace
from riskrelay.web.account_api.spooled_answers import SpooledAnswers

_PAGE = 100
_FINDINGS = 16  # as many as fit into one read with the largest details that are accepted
_MOST = 100_000  # guessed: of one kind; above the quota of findings, and bounds the time and the disk space

Rows = Sequence[tuple[Any, Any]]
"""Rows of an export as JSON, each with its place in the order of reading."""

Read = Callable[[Transaction, Any, int], Rows]
"""Reads the rows behind a place; None: from the beginning."""


class UserExports:
    """Answers requests for an export, a bounded number at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._answers = SpooledAnswers()

    async def answer(self, account_id: AccountId, user_id: UserId) -> Response:
        """Answer with everything about a user.

        Raises:
            NotFound: no such user in this account.
            RateLimited: this account, or this process, answers too many such requests now.
            Unavailable: the database refused.
        """

        async def write(file: IO[bytes]) -> None:
            standing = await self._services.store.read(account_id, lambda tx: tx.users.get(user_id))
            if standing is None:
                raise NotFound
            file.write(b'{"errors":[],"messages":[],"success":true,"result":{"user":' + _encode(_user(standing)))
            for name, read, page in _kinds(standing):
                file.write(b',"' + name.encode() + b'":[')
                async for part in self._pages(account_id, read, page):
                    file.write(part)
                file.write(b"]")
            file.write(b"}}")

        return await self._answers.answer(account_id, write)

    async def _pages(self, account_id: AccountId, read: Read, page: int) -> AsyncIterator[bytes]:
        """Yield all rows of one kind, a page in each transaction."""
        place, written = None, 0
        while written < _MOST:
            rows = await self._read(account_id, read, place, page)
            if rows:
                yield (b"," if written else b"") + _encode([row for row, _ in rows])[1:-1]
                written += len(rows)
                place = rows[-1][1]
            if len(rows) < page:
                break

    def _read(self, account_id: AccountId, read: Read, place: Any, page: int) -> Awaitable[Rows]:
        return self._services.store.read(account_id, lambda tx: read(tx, place, page))


def _kinds(standing: Standing) -> list[tuple[str, Read, int]]:
    """Return what an export has besides the user: the member's name, how it is read, and the size of a page."""
    subject = subject_key(email_subject(standing.email))

    def findings(tx: Transaction, after: Any, limit: int) -> Rows:
        found = tx.user_views.findings(standing.user_id, after, limit)
        return [(_finding(one), (one.resets, one.occurred_at, one.finding_id)) for one in found]

    def level_changes(tx: Transaction, after: Any, limit: int) -> Rows:
        return [(_change(one), one.place) for one in tx.level_history.page(standing.user_id, after, limit)]

    def activity(tx: Transaction, after: Any, limit: int) -> Rows:
        found = tx.user_exports.activity(standing.user_id, after, limit)
        return [(row, (row["kind"], row["occurred_at"], row["activity_id"])) for row in found]

    def known_places(tx: Transaction, after: Any, limit: int) -> Rows:
        found = tx.user_exports.known_places(standing.email_key, after, limit)
        return [(row, (row["day"], row["cell"])) for row in found]

    def directory(tx: Transaction, after: Any, limit: int) -> Rows:
        found = tx.directory.page(None, standing.email, after, limit)
        return [(_entry(one), (one.name.kind, name_key(one.name))) for one in found]

    def exceptions(tx: Transaction, _after: Any, _limit: int) -> Rows:
        return [(one, None) for one in tx.exceptions.all() if email_key(one.covered) == standing.email_key][: _PAGE - 1]

    def events(tx: Transaction, after: Any, limit: int) -> Rows:
        return [(_event(one), _event_place(one)) for one in tx.user_views.events_page(subject, after, limit)]

    return [
        ("findings", findings, _FINDINGS),
        ("level_changes", level_changes, _PAGE),
        ("activity", activity, _PAGE),
        ("known_places", known_places, _PAGE),
        ("directory", directory, _PAGE),
        ("exceptions", exceptions, _PAGE),
        ("events", events, _PAGE),
    ]


def _user(standing: Standing) -> dict[str, Any]:
    return {
        "user_id": standing.user_id,
        "email": standing.email,
        "name": standing.name or "",
        "risk_level": None if standing.level is None else standing.level.word,
        "behaviors": sorted(standing.triggered),
        "rules": sorted(standing.holding),
        "event_count": standing.event_count,
        "last_event": _time(standing.last_event_at),
        "last_reset_time": _time(standing.last_reset_at),
    }


def _finding(one: RecordedFinding) -> dict[str, Any]:
    return {
        "id": one.finding_id,
        "behavior": one.behavior,
        "risk_level": one.risk_level.word,
        "occurred_at": one.occurred_at,
        "recorded_at": one.recorded_at,
        "details": None if one.details_json is None else msgspec.Raw(one.details_json.encode()),
        "left_out_bytes": one.left_out_bytes,
        "exception_id": one.exception_id,
    }


def _change(one: PastChange) -> dict[str, Any]:
    return {
        "id": one.change_id,
        "changed_at": one.changed_at,
        "previous_level": None if one.previous is None else one.previous.word,
        "current_level": None if one.current is None else one.current.word,
        "kind": one.kind.value,
        "behaviors": one.behaviors,
        "findings": one.findings,
        "note": one.note,
    }


def _entry(one: DirectoryEntry) -> dict[str, Any]:
    return {"kind": one.name.kind, "name": one.name.value, "groups": one.groups}


def _event(one: UserEvent) -> dict[str, Any]:
    delivery = one.delivery
    return {
        "integration_id": one.integration.integration_id,
        "jti": delivery.jti,
        "queued_at": delivery.queued_at,
        "state": delivery.state.value,
        "events": one.event,
        "attempts": [
            {"at": attempt.started_at, "outcome": attempt.outcome.kind.value, "reason": attempt.outcome.reason}
            for attempt in delivery.attempts
        ],
    }


def _event_place(one: UserEvent) -> UserEventPlace:
    delivery = one.delivery
    return UserEventPlace(
        queued_at=delivery.queued_at, stream_id=delivery.stream_id, lane=delivery.lane, seq=delivery.seq
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value)
