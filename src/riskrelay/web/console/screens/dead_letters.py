"""Dead letters of all integrations, by integration and reason."""

from starlette.responses import Response

from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports import ReasonPlace, Services
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
        found = await self._services.store.read(
            visit.account, lambda tx: tx.delivery_views.dead_letters(after, _GROUPS + 1)
        )
        groups = found[:_GROUPS]
        last = groups[-1] if len(found) > _GROUPS else None
        return self._pages.page(
            visit, "dead_letters.html", groups=groups, older=None if last is None else place_of(*last.place)
        )
