"""The six operations on integrations. Rule: contract 6 to 13; the seed."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.integrations import NewIntegration, create_integration, delete_integration, update_integration
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import (
    MAX_REFERENCE_ID_CHARACTERS,
    MAX_TENANT_URL_CHARACTERS,
    Integration,
    IntegrationId,
    IntegrationType,
    tenant_url_problem,
)
from riskrelay.ports import Services
from riskrelay.web.account_api.bodies import PlainText, read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import caller_of

_COUNT = re.compile(r"[0-9]{1,9}")


def _tenant_url(url: str) -> str:
    problem = tenant_url_problem(url)
    if problem is not None:
        raise ValueError(problem)
    return url


TenantUrl = Annotated[str, Field(max_length=MAX_TENANT_URL_CHARACTERS), AfterValidator(_tenant_url)]
ReferenceId = Annotated[PlainText, Field(min_length=1, max_length=MAX_REFERENCE_ID_CHARACTERS)]


class CreateBody(BaseModel):
    """The body of create. Other members are ignored."""

    integration_type: IntegrationType
    tenant_url: TenantUrl
    reference_id: ReferenceId | None = None
    active: bool | None = None


class UpdateBody(BaseModel):
    """The body of update. Other members are ignored. `active` may be null but not absent."""

    active: bool | None
    tenant_url: TenantUrl
    reference_id: ReferenceId | None = None


def rendered(integration: Integration) -> dict[str, Any]:
    """Return the eight members of an integration in a response."""
    return {
        "account_tag": integration.account_id,
        "active": integration.active,
        "created_at": integration.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "id": integration.integration_id,
        "integration_type": integration.integration_type.value,
        "reference_id": integration.reference_id,
        "tenant_url": integration.tenant_url,
        "well_known_url": integration.well_known_url,
    }


class IntegrationRoutes:
    """The handlers of the six operations."""

    def __init__(self, services: Services, public_origin: str) -> None:
        self._services = services
        self._public_origin = public_origin

    async def create(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        body = await read_object(request, CreateBody)
        integration = await create_integration(
            self._services,
            caller.account_id,
            caller.actor,
            NewIntegration(
                integration_type=body.integration_type,
                tenant_url=body.tenant_url,
                reference_id=body.reference_id,
                active=body.active is not False,
            ),
            public_origin=self._public_origin,
            retry_count=_retry_count(request),
        )
        return success(rendered(integration))

    async def list_all(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        integrations = await self._services.store.read(caller.account_id, lambda tx: tx.integrations.all())
        return success([rendered(integration) for integration in integrations])

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        integration_id = IntegrationId(request.path_params["integration_id"])
        found = await self._services.store.read(caller.account_id, lambda tx: tx.integrations.get(integration_id))
        return _answer(found)

    async def get_by_reference(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        reference_id = request.path_params["reference_id"]
        found = await self._services.store.read(
            caller.account_id, lambda tx: tx.integrations.by_reference(reference_id)
        )
        return _answer(found)

    async def update(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        integration_id = IntegrationId(request.path_params["integration_id"])
        body = await read_object(request, UpdateBody)
        integration = await update_integration(
            self._services,
            caller.account_id,
            caller.actor,
            integration_id,
            tenant_url=body.tenant_url,
            reference_id=body.reference_id,
            active=body.active,
        )
        return success(rendered(integration))

    async def delete(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        await delete_integration(
            self._services, caller.account_id, caller.actor, IntegrationId(request.path_params["integration_id"])
        )
        return success({})


def _retry_count(request: Request) -> int | None:
    """Return the number of earlier tries that an SDK reports; None if the client does not report it.

    A value that is not a number counts as absent: this API ignores unknown headers (contract 17).
    """
    count = request.headers.get("x-stainless-retry-count", "").strip()
    return int(count) if _COUNT.fullmatch(count) else None


def _answer(found: Integration | None) -> Response:
    if found is None:
        raise NotFound
    return success(rendered(found))
