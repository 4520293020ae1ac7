"""TLS with an integration's receivers: authorities and a client certificate of its own."""

from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.integrations import set_integration_tls
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import CertificateFacts, IntegrationId, OpenedTls, ReceiverTls, tls_row
from riskrelay.ports import Services, TlsMaterials
from riskrelay.web.account_api.bodies import read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import caller_of

_Pem = Annotated[str, Field(max_length=65_536)]  # chosen: some thirty certificates


class TlsBody(BaseModel):
    """The TLS material, replaced as a whole. Other members are ignored."""

    ca: _Pem | None = None
    certificate: _Pem | None = None
    key: _Pem | None = None


class IntegrationTlsRoutes:
    """The handlers. The key is never answered."""

    def __init__(self, services: Services, materials: TlsMaterials) -> None:
        self._services = services
        self._materials = materials

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        integration_id = _integration_id(request)
        found = await self._services.store.read(caller.account_id, lambda tx: tx.integrations.get(integration_id))
        if found is None:
            raise NotFound
        return self._answer(found.tls)

    async def set(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.OPERATE)
        body = await read_object(request, TlsBody)
        integration_id = _integration_id(request)
        given = OpenedTls(body.ca, body.certificate, None if body.key is None else body.key.encode())
        tls = self._materials.read(given, tls_row(caller.account_id, integration_id))
        await set_integration_tls(self._services, caller.account_id, caller.actor, integration_id, tls=tls)
        return self._answer(tls)

    async def remove(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.OPERATE)
        await set_integration_tls(self._services, caller.account_id, caller.actor, _integration_id(request), tls=None)
        return self._answer(None)

    def _answer(self, tls: ReceiverTls | None) -> Response:
        ca = None if tls is None else tls.trusted_ca
        certificate = None if tls is None else tls.certificate
        return success({"ca": self._shown(ca), "certificate": self._shown(certificate)})

    def _shown(self, pem: str | None) -> list[dict[str, Any]]:
        return [_rendered(facts) for facts in self._materials.facts(pem)]


def _rendered(facts: CertificateFacts) -> dict[str, Any]:
    return {
        "subject": facts.subject,
        "fingerprint_sha256": facts.fingerprint,
        "not_before": facts.begins.isoformat().replace("+00:00", "Z"),
        "not_after": facts.ends.isoformat().replace("+00:00", "Z"),
    }


def _integration_id(request: Request) -> IntegrationId:
    return IntegrationId(request.path_params["integration_id"])
