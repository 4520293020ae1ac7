"""Settings of an integration besides the six operations of the account API."""

from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.integrations import set_signing_algorithm
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.keys import Algorithm
from riskrelay.ports import Services
from riskrelay.web.account_api.bodies import read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import caller_of


class SettingsBody(BaseModel):
    """The settings. Other members are ignored."""

    signing_algorithm: Algorithm


class IntegrationSettingRoutes:
    """The handlers of an integration's settings."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        integration_id = IntegrationId(request.path_params["integration_id"])
        found = await self._services.store.read(caller.account_id, lambda tx: tx.integrations.get(integration_id))
        if found is None:
            raise NotFound
        return success(_rendered(found))

    async def update(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.OPERATE)
        integration_id = IntegrationId(request.path_params["integration_id"])
        body = await read_object(request, SettingsBody)
        changed = await set_signing_algorithm(
            self._services, caller.account_id, caller.actor, integration_id, algorithm=body.signing_algorithm
        )
        return success(_rendered(changed))


def _rendered(integration: Integration) -> dict[str, Any]:
    return {"signing_algorithm": integration.signing_algorithm.value}
