"""Integrations: the list, and the wizard that makes one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from starlette.responses import Response

from riskrelay.actions.integrations import NewIntegration, create_integration
from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.products import DEFAULT_PRODUCT, PRODUCTS
from riskrelay.core.ssf.streams import Stream
from riskrelay.ports import Glance, Services, Transaction
from riskrelay.web.account_api.integrations import CreateBody
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.named import find_integration, integration_id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.paging import PAGE, place_of, read_place, split
from riskrelay.web.console.setup_steps import pieces
from riskrelay.web.console.visits import Visit

_FIELDS = ("integration_type", "tenant_url", "reference_id")


class IntegrationScreens:
    """The handlers of the list and the wizard.

    Args:
        public_origin: the origin in new integrations' well-known URLs.
    """

    def __init__(self, services: Services, pages: Pages, public_origin: str) -> None:
        self._services = services
        self._pages = pages
        self._public_origin = public_origin

    async def list_page(self, visit: Visit) -> Response:
        """Show integrations, oldest first, whose reference id or tenant URL contains the searched text."""
        search, place = visit.query.get("q", "").strip(), read_place(visit.query.get("after"), tuple[str])
        shown, older, glances = await self._services.store.read(
            visit.account, lambda tx: _listed(tx, search, None if place is None else place[0])
        )
        return self._pages.page(
            visit, "integrations.html", integrations=shown, glances=glances, older=older, search=search
        )

    async def new(self, visit: Visit) -> Response:
        """Show the wizard's first step."""
        return self._form(visit, {"integration_type": DEFAULT_PRODUCT.integration_type.value}, {})

    async def create(self, visit: Visit) -> Response:
        """Create an integration, and continue with the wizard's second step."""
        fields = {name: visit.form.get(name, "").strip() for name in _FIELDS}
        try:
            body = read_fields(CreateBody, fields)
            created = await create_integration(
                self._services,
                visit.account,
                visit.actor,
                NewIntegration(
                    integration_type=body.integration_type,
                    tenant_url=body.tenant_url,
                    reference_id=body.reference_id,
                ),
                public_origin=self._public_origin,
            )
        except Invalid as error:
            return self._form(visit, fields, problems_of(error), 400)
        return self._pages.see(account_path(visit.account, "integrations", created.integration_id, "setup"))

    async def set_up(self, visit: Visit) -> Response:
        """Show the wizard's second step: the steps at the receiver, and whether it has accepted an event."""
        integration_id = integration_id_of(visit)

        def read(tx: Transaction) -> tuple[Integration, list[Stream], Sequence[Delivery], Sequence[Delivery]]:
            integration = find_integration(tx, integration_id)
            streams = tx.streams.of_integration(integration_id)
            taken = tx.delivery_views.page(integration_id, DeliveryState.DELIVERED, {}, 1).deliveries
            return integration, streams, taken, tx.delivery_views.page(integration_id, None, {}, 1).deliveries

        integration, streams, taken, sent = await self._services.store.read(visit.account, read)
        return self._pages.page(
            visit,
            "integration_setup.html",
            integration=integration,
            streams=streams,
            taken=taken,
            sent=sent,
            steps=[pieces(step) for step in PRODUCTS[integration.integration_type].setup_steps],
        )

    def _form(
        self, visit: Visit, fields: Mapping[str, str], problems: Mapping[str, str], status: int = 200
    ) -> Response:
        return self._pages.page(
            visit, "integration_new.html", status, fields=fields, problems=problems, products=PRODUCTS.values()
        )


def _listed(
    tx: Transaction, search: str, after: str | None
) -> tuple[Sequence[Integration], str | None, Mapping[IntegrationId, Sequence[Glance]]]:
    """Return a page of integrations, the position after which the next page starts, and the streams' health."""
    word = search.casefold()
    known = tx.integrations.all()  # an account has thousands at most, and they are small
    start = next((at for at, one in enumerate(known, 1) if one.integration_id == after), 0)
    fitting = [one for one in known[start:] if word in one.reference_id.casefold() or word in one.tenant_url.casefold()]
    page, last = split(fitting[: PAGE + 1])
    glances: dict[IntegrationId, list[Glance]] = defaultdict(list)
    for glance in tx.delivery_views.glances([one.integration_id for one in page]):
        glances[glance.stream.integration.integration_id].append(glance)
    return page, None if last is None else place_of(last.integration_id), glances
