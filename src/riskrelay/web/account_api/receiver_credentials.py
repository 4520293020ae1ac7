"""The credentials of an integration's receivers: OAuth clients and static tokens."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.receiver_credentials import (
    IssuedCredential,
    WantedCredential,
    create_receiver_credential,
    revoke_receiver_credential,
)
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.ssf.access import (
    ALL_RECEIVER_SCOPES,
    CredentialId,
    CredentialKind,
    ReceiverCredential,
    ReceiverScope,
    is_current,
)
from riskrelay.core.ssf.oauth import token_endpoint
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.bodies import PlainText, read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.paging import part_of, read_page_if_asked
from riskrelay.web.account_api.timestamps import Timestamp
from riskrelay.web.auth import caller_of


class CreateBody(BaseModel):
    """The body of create. Other members are ignored."""

    kind: CredentialKind
    name: Annotated[PlainText, Field(max_length=255)] = ""
    scopes: Annotated[list[ReceiverScope], Field(min_length=1)] | None = None
    expires_at: Timestamp | None = None


def rendered(credential: ReceiverCredential) -> dict[str, Any]:
    """Return a credential in a response, without its secret."""
    shown = {
        "id": credential.credential_id,
        "kind": credential.kind.value,
        "name": credential.name,
        "scopes": sorted(credential.scopes),
        "created_at": _moment(credential.created_at),
        "expires_at": None if credential.expires_at is None else _moment(credential.expires_at),
    }
    if credential.kind is CredentialKind.OAUTH_CLIENT:
        shown["client_id"] = credential.credential_id
    return shown


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _with_secret(issued: IssuedCredential) -> dict[str, Any]:
    if issued.credential.kind is CredentialKind.STATIC_TOKEN:
        return {**rendered(issued.credential), "token": issued.secret}
    endpoint = token_endpoint(issued.integration)
    return {**rendered(issued.credential), "client_secret": issued.secret, "token_endpoint": endpoint}


class ReceiverCredentialRoutes:
    """The handlers of an integration's credentials."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def create(self, request: Request) -> Response:
        """Create a credential. Only this response contains its secret."""
        caller = await caller_of(request, self._services, Scope.OPERATE)
        body = await read_object(request, CreateBody)
        if not is_current(body.expires_at, self._services.clock.now()):
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "/expires_at", "must be in the future; omit it for no expiry")])
        wanted = WantedCredential(
            kind=body.kind, name=body.name, scopes=body.scopes or ALL_RECEIVER_SCOPES, expires_at=body.expires_at
        )
        issued = await create_receiver_credential(
            self._services, caller.account_id, caller.actor, _integration_id(request), wanted=wanted
        )
        return success(_with_secret(issued))

    async def list_all(self, request: Request) -> Response:
        """Return the integration's credentials, oldest first, without secrets."""
        caller = await caller_of(request, self._services, Scope.OPERATE)
        integration_id = _integration_id(request)

        def read(tx: Transaction) -> list[ReceiverCredential]:
            if tx.integrations.get(integration_id) is None:
                raise NotFound
            return tx.receiver_credentials.all(integration_id)

        page = read_page_if_asked(request.query_params)
        part, info = part_of(await self._services.store.read(caller.account_id, read), page)
        return success([rendered(credential) for credential in part], info)

    async def revoke(self, request: Request) -> Response:
        """Unknown from now on, and its access tokens with it."""
        caller = await caller_of(request, self._services, Scope.OPERATE)
        credential_id = CredentialId(request.path_params["credential_id"])
        await revoke_receiver_credential(
            self._services, caller.account_id, caller.actor, _integration_id(request), credential_id=credential_id
        )
        return success({})


def _integration_id(request: Request) -> IntegrationId:
    return IntegrationId(request.path_params["integration_id"])
