"""Integrations: the list, and the wizard that makes one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from riskrelay.actions.integrations import NewIntegration, create_integration
from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.health import Condition, StreamHealth
from riskrelay.core.delivery.reasons import remedy_of_attempt
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.products import DEFAULT_PRODUCT, PRODUCTS
from riskrelay.ports import DeliveryFilter, Glance, Services, Transaction
from riskrelay.web.account_api.integrations import CreateBody
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.lists import Choice, Column, ListOf, wants_csv
from riskrelay.web.console.named import find_integration, integration_id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
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
        """Show the integrations, oldest first."""
        needs_all = wants_csv(visit) or bool(_STATE.chosen(visit.query))
        rows = await self._services.store.read(visit.account, lambda tx: _rows(tx, needs_all=needs_all))
        now = self._services.clock.now()
        if wants_csv(visit):
            return _LIST.csv(visit, rows, now)
        view = _LIST.view(visit, rows, now)
        shown = [row.integration.integration_id for row in view.rows]
        glances = await self._services.store.read(visit.account, lambda tx: _glances(tx, shown))
        return self._pages.page(visit, "integrations.html", view=view, glances=glances)

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
        """Show the wizard's second step: the steps at the receiver, and a live check of the connection."""
        integration_id = integration_id_of(visit)

        def read(tx: Transaction) -> tuple[Integration, Sequence[StreamHealth], Sequence[Delivery], Sequence[Delivery]]:
            integration = find_integration(tx, integration_id)
            streams = tx.health.streams(integration_id)
            accepted = DeliveryFilter(state=DeliveryState.DELIVERED)
            taken = tx.delivery_views.page(integration_id, accepted, {}, 1).deliveries
            sent = tx.delivery_views.page(integration_id, DeliveryFilter(), {}, 1).deliveries
            return integration, streams, taken, sent

        integration, streams, taken, sent = await self._services.store.read(visit.account, read)
        product = PRODUCTS[integration.integration_type]
        return self._pages.page(
            visit,
            "integration_setup.html",
            integration=integration,
            product=product,
            polled=[one for one in streams if one.stream.is_polled],
            streams=streams,
            taken=taken,
            sent=sent,
            remedy_of_attempt=remedy_of_attempt,
            steps=[pieces(step) for step in product.setup_steps],
        )

    def _form(
        self, visit: Visit, fields: Mapping[str, str], problems: Mapping[str, str], status: int = 200
    ) -> Response:
        return self._pages.page(
            visit, "integration_new.html", status, fields=fields, problems=problems, products=PRODUCTS.values()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """An integration and the health of its streams."""

    integration: Integration
    glances: Sequence[Glance]

    @property
    def conditions(self) -> Sequence[str]:
        """The health of each stream in a word."""
        return [one.condition.value for one in self.glances] or [_NO_STREAM]


_NO_STREAM = "no stream"
_STATE = Choice(
    name="state",
    label="State",
    words={"": "any state", **{one.value: one.value for one in Condition}, _NO_STREAM: _NO_STREAM},
)
_LIST: ListOf[_Row] = ListOf(
    name="integrations",
    columns=(
        Column(title="Integration", value=lambda row: row.integration.reference_id, sort="name"),
        Column(title="Product", value=lambda row: row.integration.integration_type.value),
        Column(title="Tenant URL", value=lambda row: row.integration.tenant_url),
        Column(title="State", value=lambda row: ", ".join(row.conditions)),
        Column(title="Created", value=lambda row: row.integration.created_at, sort="created", is_largest_first=True),
        Column(title="Integration ID", value=lambda row: row.integration.integration_id),
    ),
    words=lambda row: (row.integration.reference_id, row.integration.tenant_url),
    placeholder="Name or tenant URL contains",
    choices=(_STATE,),
    fits={"state": lambda row, word: word in row.conditions},
)


def _rows(tx: Transaction, *, needs_all: bool) -> list[_Row]:
    """Return all integrations; an account has thousands at most, and they are small.

    Args:
        needs_all: whether the health of all is needed, and not only of those on the page.
    """
    known = tx.integrations.all()
    glances = _glances(tx, [one.integration_id for one in known]) if needs_all else {}
    return [_Row(integration=one, glances=glances.get(one.integration_id, ())) for one in known]


def _glances(tx: Transaction, integration_ids: Sequence[IntegrationId]) -> Mapping[IntegrationId, Sequence[Glance]]:
    glances: dict[IntegrationId, list[Glance]] = defaultdict(list)
    for glance in tx.delivery_views.glances(integration_ids):
        glances[glance.stream.integration.integration_id].append(glance)
    return glances
