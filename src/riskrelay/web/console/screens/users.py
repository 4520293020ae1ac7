"""One user, with the history of the level."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from starlette.responses import Response

from riskrelay.actions.erasures import erase_user
from riskrelay.actions.users import MAX_REASON_CHARACTERS, reset_user
from riskrelay.core.email_addresses import email_key
from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound
from riskrelay.core.products import PRODUCTS
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.exceptions import Coverage, RiskException, matches
from riskrelay.core.risk.findings import MAX_SHOWN_DETAILS_BYTES, FindingId, UserId
from riskrelay.core.risk.policy_rules import PolicyRule
from riskrelay.core.ssf.streams import StreamId
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import FindingPlace, RecordedFinding, Services, Transaction, UserEvent, UserEventPlace
from riskrelay.web.account_api.level_history import History, read_history
from riskrelay.web.account_api.user_exports import UserExports
from riskrelay.web.console.effects import Settings
from riskrelay.web.console.level_changes import headline, made_by
from riskrelay.web.console.level_lines import level_line
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.paging import PAGE, Count, Moment, Text, place_of, read_place, split
from riskrelay.web.console.screens.exceptions import EFFECTS
from riskrelay.web.console.travel_maps import travel_map
from riskrelay.web.console.visits import Visit

_Named = tuple[list[RiskException], list[PolicyRule]]
"""The account's exceptions, and the rules that hold for the user."""
_Seq = Annotated[int, Meta(ge=0, lt=2**62)]


class UserScreens:
    """The handlers of users."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages
        self._exports = UserExports(services)

    async def show(self, visit: Visit) -> Response:
        """Show one user."""
        user_id, now = _user_id(visit), self._services.clock.now()
        before = read_place(visit.query.get("before"), tuple[Moment, Text])

        def read(
            tx: Transaction,
        ) -> tuple[History, tuple[Sequence[RecordedFinding], str | None], int, Settings, _Named]:
            history, found = read_history(tx, user_id, before), _findings(tx, user_id, visit.query.get("after"))
            removed = _removed(tx, history.standing) if found[1] is None else 0
            holding = history.standing.holding
            rules = [rule for rule, _ in tx.rules.all() if rule.rule_id in holding] if holding else []
            return history, found, removed, tx.behaviors.stored(), (tx.exceptions.all(), rules)

        history, (findings, older), removed, settings, (exceptions, rules) = await self._services.store.read(
            visit.account, read
        )
        return self._pages.page(
            visit,
            "user.html",
            user=history.standing,
            history=history,
            older_changes=None if history.older is None else place_of(*history.older),
            findings=findings,
            older=older,
            removed=removed,
            settings=settings,
            rules=rules,
            exceptions=defaultdict(str, {one.exception_id: one.reason for one in exceptions}),
            covering=_covering(exceptions, history.standing),
            effects=EFFECTS,
            now=now,
            line=level_line([entry.change for entry in history.entries], history.standing.level, now),
            travel_map=travel_map,
            headline=headline,
            made_by=made_by,
            max_reason=MAX_REASON_CHARACTERS,
            max_shown_details=MAX_SHOWN_DETAILS_BYTES,
            delivered_notes=[row.delivered_note for row in PRODUCTS.values() if row.delivered_note],
        )

    async def deliveries(self, visit: Visit) -> Response:
        """Show every delivery about one user, the latest first."""
        place = read_place(visit.query.get("after"), tuple[Moment, Text, Count, _Seq])
        after = None
        if place is not None:
            queued_at, stream_id, lane, seq = place
            after = UserEventPlace(queued_at=queued_at, stream_id=StreamId(stream_id), lane=lane, seq=seq)

        def read(tx: Transaction) -> tuple[Standing, list[UserEvent]]:
            standing = tx.users.get(_user_id(visit))
            if standing is None:
                raise NotFound
            return standing, tx.user_views.events_page(_subject_key(standing), after, PAGE + 1)

        standing, found = await self._services.store.read(visit.account, read)
        page, last = split(found)
        older = None
        if last is not None:
            delivery = last.delivery
            older = place_of(delivery.queued_at, delivery.stream_id, delivery.lane, delivery.seq)
        return self._pages.page(visit, "user_deliveries.html", user=standing, events=page, older=older)

    async def reset(self, visit: Visit) -> Response:
        """Clear the user's level, and notify the receivers with the reason."""
        user_id = _user_id(visit)
        reason = " ".join(visit.form.get("reason", "").split())
        if not 1 <= len(reason) <= MAX_REASON_CHARACTERS or not reason.isprintable():
            message = f"must have 1 to {MAX_REASON_CHARACTERS} printable characters"
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "/reason", message)])
        await reset_user(self._services, visit.account, visit.actor, user_id, reason=reason)
        return self._pages.see(account_path(visit.account, "users", user_id), done="reset")

    async def export(self, visit: Visit) -> Response:
        """Return everything about the user as a file."""
        user_id = _user_id(visit)
        answer = await self._exports.answer(visit.account, user_id)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Content-Disposition"] = f'attachment; filename="{user_id}.json"'
        return answer

    async def erase(self, visit: Visit) -> Response:
        """Erase the user, if the person has typed the address."""
        user_id = _user_id(visit)
        standing = await self._services.store.read(visit.account, lambda tx: tx.users.get(user_id))
        if standing is None:
            raise NotFound
        if email_key(visit.form.get("email", "").strip()) != standing.email_key:
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "/email", "must be the user's address, as a confirmation")])
        await erase_user(self._services, visit.account, visit.actor, user_id)
        return self._pages.see(account_path(visit.account, "users"), done="erased")


def _user_id(visit: Visit) -> UserId:
    """Return the user's id in the path.

    Raises: NotFound: it is not an id.
    """
    text: str = visit.request.path_params["user_id"]
    try:
        return UserId(str(UUID(text)))
    except ValueError:
        raise NotFound from None


def _subject_key(standing: Standing) -> str:
    return subject_key(email_subject(standing.email))


def _covering(exceptions: Sequence[RiskException], standing: Standing) -> list[RiskException]:
    """Return the exceptions that name the user's address or match it. Those of groups need the directory."""
    key = standing.email_key
    return [
        one
        for one in exceptions
        if (one.coverage is Coverage.USER and email_key(one.covered) == key)
        or (one.coverage is Coverage.PATTERN and matches(one.covered, standing.email))
    ]


def _findings(tx: Transaction, user_id: UserId, after: str | None) -> tuple[Sequence[RecordedFinding], str | None]:
    """Read a page of a user's findings, and the position after which the next page starts."""
    place = read_place(after, tuple[Count, Moment, Text])
    behind: FindingPlace | None = None if place is None else (place[0], place[1], FindingId(place[2]))
    page, last = split(tx.user_views.findings(user_id, behind, PAGE + 1))
    return page, None if last is None else place_of(last.resets, last.occurred_at, last.finding_id)


def _removed(tx: Transaction, standing: Standing) -> int:
    """Return how many findings since the last reset are counted but no longer kept."""
    kept = tx.findings.tally([standing.user_id])[standing.user_id].count
    return max(standing.event_count - kept, 0)
