"""The deliveries of an integration: filters, pages and a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from msgspec import Meta
from starlette.responses import Response

from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.replays import REPLAYABLE
from riskrelay.core.email_addresses import email_key
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.ssf.event_types import EVENT_TYPES
from riskrelay.core.ssf.streams import StreamId
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import DeliveryFilter, Sent, Services, Transaction, UserEvent, UserEventPlace
from riskrelay.web.console.csv_files import csv_response
from riskrelay.web.console.event_words import event_subject, event_type_name, event_words
from riskrelay.web.console.lists import TIME_RANGE, Choice, limit_of, page_of, search_of, since_of, wants_csv
from riskrelay.web.console.named import find_integration, integration_id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.paging import Moment, Text, place_of, read_place, split
from riskrelay.web.console.visits import Visit
from riskrelay.web.console.windows import milliseconds_of

_SCANS = 5  # guessed: some 10,000 events for one page, so that a page of a rare state is seldom short
_OF_USER = 500  # guessed: deliveries about one user, to all integrations, that one page reads

_Number = Annotated[int, Meta(ge=0, lt=2**62)]
_Lane = Annotated[int, Meta(ge=-1, lt=2**31)]

_STATE = Choice(name="state", label="State", words={"": "any state", **{one.value: one.value for one in DeliveryState}})
_TYPE = Choice(
    name="type", label="Event type", words={"": "any event type", **{uri: event_type_name(uri) for uri in EVENT_TYPES}}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The data of one page.

    Attributes:
        older: the position after which the next page starts; None: this is the last page.
        count: the number of deliveries that match; None: not counted.
    """

    integration: Integration
    sent: Sequence[Sent]
    older: str | None
    count: int | None


class DeliveryListScreen:
    """The handler of the list."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the deliveries that the filters in the URL want, the newest first."""
        wanted = _wanted(visit, self._services.clock.now())
        seen = await self._services.store.read(visit.account, lambda tx: _seen(tx, visit, wanted))
        if wants_csv(visit):
            return csv_response("deliveries", _columns(visit), seen.sent, has_more=seen.older is not None)
        view = page_of(
            visit,
            seen.sent,
            seen.older,
            choices=[_STATE, _TYPE, TIME_RANGE],
            placeholder="User's email" if visit.may_see_subjects else "",
            total=seen.count,
        )
        return self._pages.page(
            visit,
            "deliveries.html",
            integration=seen.integration,
            view=view,
            older=seen.older,
            count=seen.count,
            replays_of_user=_replays_of_user(visit),
        )


def _replays_of_user(visit: Visit) -> str:
    """Return the page that replays the deliveries about the searched user."""
    state = _STATE.chosen(visit.query)
    chosen = state if state in {one.value for one in REPLAYABLE} else DeliveryState.DEAD.value
    path = account_path(visit.account, "integrations", integration_id_of(visit), "replays")
    return f"{path}?{urlencode({'edit': '1', 'state': chosen, 'users': search_of(visit)})}"


def _wanted(visit: Visit, now: datetime) -> DeliveryFilter:
    state = _STATE.chosen(visit.query)
    return DeliveryFilter(
        state=DeliveryState(state) if state else None,
        event_type=_TYPE.chosen(visit.query) or None,
        queued_from=since_of(visit.query, now),
    )


def _seen(tx: Transaction, visit: Visit, wanted: DeliveryFilter) -> _Seen:
    """Read one page.

    Raises: NotFound: no such integration in this account.
    """
    integration_id = integration_id_of(visit)
    integration = find_integration(tx, integration_id)
    after, limit = visit.query.get("after"), limit_of(visit) - 1
    # A filter by user would reveal whom the events are about.
    email = search_of(visit) if visit.may_see_subjects else ""
    if email:
        found, older = _of_user(tx, integration_id, wanted, email, after=after, limit=limit)
    else:
        found, older = _of_all(tx, integration_id, wanted, after=after, limit=limit)
    count = None if email or wants_csv(visit) else tx.delivery_views.count(integration_id, wanted)
    return _Seen(integration=integration, sent=tx.delivery_views.with_claims(found), older=older, count=count)


def _of_all(
    tx: Transaction, integration_id: IntegrationId, wanted: DeliveryFilter, after: str | None, limit: int
) -> tuple[Sequence[Delivery], str | None]:
    """Read on until the page is full, the log ends, or enough was scanned."""
    place = read_place(after, tuple[dict[str, _Number]])
    behind: Mapping[str, int] | None = {} if place is None else place[0]
    found: list[Delivery] = []
    for _ in range(_SCANS):
        if behind is None or len(found) == limit:
            break
        page = tx.delivery_views.page(integration_id, wanted, behind, limit - len(found))
        found += page.deliveries
        behind = page.older
    return found, None if behind is None else place_of(behind)


def _of_user(
    tx: Transaction,
    integration_id: IntegrationId,
    wanted: DeliveryFilter,
    email: str,
    *,
    after: str | None,
    limit: int,
) -> tuple[Sequence[Delivery], str | None]:
    """Read the deliveries about one user, whose index has those of all integrations."""
    known = next(iter(tx.user_views.by_email(email, None, 1)), None)
    is_known = known is not None and known.email_key == email_key(email)
    subject = subject_key(email_subject(known.email if known is not None and is_known else email))
    events, last = split(tx.user_views.events_page(subject, _place(after), _OF_USER + 1), _OF_USER)
    fitting = [one for one in events if one.integration.integration_id == integration_id and _fits(one, wanted)]
    page, last_shown = split(fitting, limit)
    end = last_shown or last
    return [one.delivery for one in page], None if end is None else _place_of(end.delivery)


def _fits(one: UserEvent, wanted: DeliveryFilter) -> bool:
    return (
        wanted.state in (None, one.delivery.state)
        and (wanted.event_type is None or wanted.event_type in one.event)
        and (wanted.queued_from is None or one.delivery.queued_at >= wanted.queued_from)
    )


def _place(after: str | None) -> UserEventPlace | None:
    place = read_place(after, tuple[Moment, Text, _Lane, _Number])
    if place is None:
        return None
    queued_at, stream_id, lane, seq = place
    return UserEventPlace(queued_at=queued_at, stream_id=StreamId(stream_id), lane=lane, seq=seq)


def _place_of(delivery: Delivery) -> str:
    return place_of(delivery.queued_at, delivery.stream_id, delivery.lane, delivery.seq)


def _columns(visit: Visit) -> Mapping[str, Callable[[Sent], object]]:
    """Return the columns of the file, with users only for tokens that may see them."""
    user: Mapping[str, Callable[[Sent], object]] = {"User": lambda sent: event_subject(sent.claims)}
    return {
        "Change": lambda sent: event_words(sent.claims),
        **(user if visit.may_see_subjects else {}),
        "Event type": lambda sent: next(iter(sent.claims["events"])),
        "State": lambda sent: sent.delivery.state.value,
        "Reason": lambda sent: sent.delivery.reason,
        "Latency in ms": _latency,
        "Attempts": lambda sent: len(sent.delivery.attempts),
        "Queued": lambda sent: sent.delivery.queued_at,
        "Event ID": lambda sent: sent.delivery.jti,
    }


def _latency(sent: Sent) -> float | None:
    attempts = sent.delivery.attempts
    return milliseconds_of(attempts[-1].latency) if attempts else None
