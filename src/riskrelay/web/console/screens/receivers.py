"""The receiver's side of an integration: its streams, and the credentials that it was issued."""

from collections.abc import Mapping

from starlette.responses import Response

from riskrelay.actions.receiver_credentials import (
    IssuedCredential,
    WantedCredential,
    create_receiver_credential,
    revoke_receiver_credential,
)
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.ssf.access import (
    ALL_RECEIVER_SCOPES,
    CredentialId,
    CredentialKind,
    ReceiverCredential,
    ReceiverScope,
)
from riskrelay.core.ssf.oauth import token_endpoint
from riskrelay.core.ssf.streams import Stream
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.receiver_credentials import CreateBody
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.named import find_integration, id_of, integration_id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit


class ReceiverScreens:
    """The handlers of streams and credentials."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the streams, and the credentials if the session may manage them."""
        return await self._page(visit)

    async def issue(self, visit: Visit) -> Response:
        """Create a credential. Only this page shows its secret."""
        scopes = visit.form.getlist("scopes") or sorted(ALL_RECEIVER_SCOPES)
        fields = {"kind": visit.form.get("kind", ""), "name": visit.form.get("name", "").strip()}
        try:
            body = read_fields(CreateBody, {**fields, "scopes": scopes})
        except Invalid as error:
            return await self._page(visit, problems=problems_of(error), status=400)
        wanted = WantedCredential(
            kind=body.kind, name=body.name, scopes=body.scopes or ALL_RECEIVER_SCOPES, expires_at=body.expires_at
        )
        issued = await create_receiver_credential(
            self._services, visit.account, visit.actor, integration_id_of(visit), wanted=wanted
        )
        return await self._page(visit, issued=issued)

    async def revoke(self, visit: Visit) -> Response:
        """Unknown from now on."""
        integration_id, credential_id = integration_id_of(visit), CredentialId(id_of(visit, "credential_id"))
        await revoke_receiver_credential(
            self._services, visit.account, visit.actor, integration_id, credential_id=credential_id
        )
        return self._pages.see(
            account_path(visit.account, "integrations", integration_id, "receivers"), done="credential-revoked"
        )

    async def _page(
        self,
        visit: Visit,
        issued: IssuedCredential | None = None,
        problems: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        integration_id = integration_id_of(visit)
        integration, streams, credentials = await self._services.store.read(
            visit.account, lambda tx: _read(tx, integration_id)
        )
        return self._pages.page(
            visit,
            "receivers.html",
            status,
            integration=integration,
            streams=streams,
            credentials=credentials if visit.may(Scope.OPERATE) else [],
            issued=issued,
            problems=problems or {},
            kinds=list(CredentialKind),
            scopes=list(ReceiverScope),
            token_endpoint=token_endpoint(integration),
        )


def _read(tx: Transaction, integration_id: IntegrationId) -> tuple[Integration, list[Stream], list[ReceiverCredential]]:
    integration = find_integration(tx, integration_id)
    return integration, tx.streams.of_integration(integration_id), tx.receiver_credentials.all(integration_id)
