"""Dead letters of all integrations, by integration and reason."""

from collections.abc import Callable, Mapping

from starlette.responses import Response

from riskrelay.core.delivery.reasons import remedy_of
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports import DeadLetters, ReasonPlace, Services
from riskrelay.web.console.csv_files import csv_response
from riskrelay.web.console.lists import wants_csv
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.paging import Text, place_of, read_place
from riskrelay.web.console.visits import Visit

_GROUPS = 20  # guessed: each takes three queries


class DeadLetterScreens:
    """The handler of dead letters; replaying a group is a replay of its integration."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the groups of dead letters."""
        place = read_place(visit.query.get("after"), tuple[Text, Text])
        after = None if place is None else ReasonPlace(StreamId(place[0]), place[1])
        found, stock = await self._services.store.read(
            visit.account, lambda tx: (tx.delivery_views.dead_letters(after, _GROUPS + 1), tx.stocks.latest())
        )
        groups = found[:_GROUPS]
        last = groups[-1] if len(found) > _GROUPS else None
        if wants_csv(visit):
            return csv_response("dead-letters", _COLUMNS, groups)
        return self._pages.page(
            visit,
            "dead_letters.html",
            groups=groups,
            stock=stock,
            older=None if last is None else place_of(*last.place),
            remedy_of=remedy_of,
        )


_COLUMNS: Mapping[str, Callable[[DeadLetters], object]] = {
    "Integration": lambda group: group.stream.integration.reference_id,
    "Reason": lambda group: group.reason,
    "Events": lambda group: group.count,
    "Last queued": lambda group: group.latest_at,
    "Remedy": lambda group: remedy_of(group.reason),
}
