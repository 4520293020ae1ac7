"""The settings of an integration: its record, its limits, the signing of its SETs, and its deletion."""

from collections.abc import Mapping

from starlette.responses import Response

from riskrelay.actions.integrations import (
    delete_integration,
    limit_integration,
    set_signing_algorithm,
    update_integration,
)
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import DeliveryLimits
from riskrelay.core.products import PRODUCTS
from riskrelay.ports import Services
from riskrelay.web.account_api.delivery_control import LimitsBody
from riskrelay.web.account_api.integration_settings import SettingsBody
from riskrelay.web.account_api.integrations import UpdateBody
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.named import find_integration, integration_id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_LIMITS = ("pushes_per_second", "concurrency")


class IntegrationSettingScreens:
    """The handlers of an integration's settings."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the forms."""
        return await self._forms(visit, {}, {})

    async def update(self, visit: Visit) -> Response:
        """Overwrite the record, and retry events that failed because of the receiver."""
        fields = {name: visit.form.get(name, "").strip() for name in ("tenant_url", "reference_id")}
        try:
            body = read_fields(UpdateBody, {**fields, "active": visit.form.get("active") == "on"})
            await update_integration(
                self._services,
                visit.account,
                visit.actor,
                integration_id_of(visit),
                tenant_url=body.tenant_url,
                reference_id=body.reference_id,
                active=body.active,
            )
        except Invalid as error:
            return await self._forms(visit, fields, problems_of(error), 400)
        return self._saved(visit)

    async def limit(self, visit: Visit) -> Response:
        """Change the limits, which apply from the next batch on."""
        fields = {name: visit.form.get(name, "").strip() for name in _LIMITS}
        try:
            numbers = {name: _number_of(text) for name, text in fields.items()}
            coalesces = visit.form.get("coalesce_level_changes") == "on"
            body = read_fields(LimitsBody, {**numbers, "coalesce_level_changes": coalesces})
        except Invalid as error:
            return await self._forms(visit, fields, problems_of(error), 400)
        limits = DeliveryLimits(body.pushes_per_second, body.concurrency, body.coalesce_level_changes)
        await limit_integration(self._services, visit.account, visit.actor, integration_id_of(visit), limits=limits)
        return self._saved(visit)

    async def sign_with(self, visit: Visit) -> Response:
        """Another algorithm signs from now on."""
        fields = {"signing_algorithm": visit.form.get("signing_algorithm", "")}
        try:
            body = read_fields(SettingsBody, fields)
            await set_signing_algorithm(
                self._services, visit.account, visit.actor, integration_id_of(visit), algorithm=body.signing_algorithm
            )
        except Invalid as error:
            return await self._forms(visit, fields, problems_of(error), 400)
        return self._saved(visit)

    async def delete(self, visit: Visit) -> Response:
        """Delete the integration, if the form has its reference id."""
        integration_id = integration_id_of(visit)
        integration = await self._services.store.read(visit.account, lambda tx: find_integration(tx, integration_id))
        if visit.form.get("confirmation", "").strip() != integration.reference_id.strip():
            return await self._forms(
                visit, {}, {"confirmation": "The reference does not match. Nothing was deleted."}, 400
            )
        await delete_integration(self._services, visit.account, visit.actor, integration_id)
        return self._pages.see(account_path(visit.account, "integrations"), done="integration-deleted")

    async def _forms(
        self, visit: Visit, fields: Mapping[str, str], problems: Mapping[str, str], status: int = 200
    ) -> Response:
        integration_id = integration_id_of(visit)
        integration = await self._services.store.read(visit.account, lambda tx: find_integration(tx, integration_id))
        return self._pages.page(
            visit,
            "integration_settings.html",
            status,
            integration=integration,
            fields=fields,
            problems=problems,
            algorithms=PRODUCTS[integration.integration_type].algorithms,
        )

    def _saved(self, visit: Visit) -> Response:
        return self._pages.see(
            account_path(visit.account, "integrations", integration_id_of(visit), "settings"), done="saved"
        )


def _number_of(text: str) -> int | str | None:
    """Return the number of a form's field as a JSON value; None: the field is empty."""
    is_number = text.isascii() and text.isdigit() and len(text) <= 8  # a longer number is too large
    return int(text) if is_number else text or None
