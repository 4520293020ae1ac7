"""The live tail: the latest events, and their deliveries."""

from uuid import UUID

from starlette.responses import Response

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.ports import Sent, Services, Transaction
from riskrelay.web.console.named import state_in_query
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_ROWS = 30  # guessed: a few screens; the integration's page has older ones


class LiveScreens:
    """The handler of the tail."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the newest deliveries, of one integration or of all, of one state or of any."""
        state, named = state_in_query(visit), _named(visit.query.get("integration", ""))

        def read(tx: Transaction) -> tuple[Integration | None, list[Sent]]:
            integration = None if named is None else tx.integrations.get(named)
            return integration, tx.delivery_views.latest(named, state, _ROWS)

        integration, newest = await self._services.store.read(visit.account, read)
        return self._pages.page(
            visit,
            "live.html",
            newest=newest,
            integration=integration,
            state="" if state is None else state.value,
            states=[one.value for one in DeliveryState],
            is_paused=visit.query.get("paused") == "1",
        )


def _named(text: str) -> IntegrationId | None:
    """Return the integration of the filter; None if it is not an id."""
    try:
        return IntegrationId(str(UUID(text)))
    except ValueError:
        return None
