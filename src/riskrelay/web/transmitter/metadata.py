"""The transmitter's metadata and keys. Rule: SSF 1.0 §7; RFC 7517 §5; RFC 8414 §3; RFC 9728 §3."""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.keys import JWKS_MAX_AGE, Keyring, published
from riskrelay.core.ssf.metadata import transmitter_metadata
from riskrelay.core.ssf.oauth import authorization_server_metadata, protected_resource_metadata
from riskrelay.ports import Services
from riskrelay.web.transmitter import refusals
from riskrelay.web.transmitter.auth import quoted_path

_CACHE_METADATA = {"Cache-Control": "public, max-age=300"}
_CACHE_KEYS = {"Cache-Control": f"public, max-age={int(JWKS_MAX_AGE.total_seconds())}"}
_PROTECTED_RESOURCE = "/.well-known/oauth-protected-resource"


class TransmitterRoutes:
    """The handlers of documents that receivers read without credentials."""

    def __init__(self, services: Services, keyring: Keyring) -> None:
        self._services = services
        self._keyring = keyring

    async def metadata(self, request: Request) -> Response:
        """Return the metadata of one integration's issuer, active or not; 404 if the integration does not exist."""
        return await self._of_integration(request, transmitter_metadata)

    async def authorization_server(self, request: Request) -> Response:
        """Return the metadata of the authorization server, where the integration's receiver gets access tokens."""
        return await self._of_integration(request, authorization_server_metadata)

    async def protected_resource(self, request: Request) -> Response:
        """Return the metadata of the protected resource: one of the integration's endpoints, or all of them."""
        path = quoted_path(request).removeprefix(_PROTECTED_RESOURCE)
        return await self._of_integration(
            request, lambda found: protected_resource_metadata(found, found.public_origin + path)
        )

    async def _of_integration(self, request: Request, document: Callable[[Integration], dict[str, Any]]) -> Response:
        integration_id = IntegrationId(request.path_params["integration_id"])
        found = None
        if "\0" not in integration_id:  # PostgreSQL takes none
            found = await self._services.store.read_installation(lambda tx: tx.integration(integration_id))
        if found is None:
            return refusals.answer(NotFound())
        return Response(msgspec.json.encode(document(found)), media_type="application/json", headers=_CACHE_METADATA)

    async def jwks(self, request: Request) -> Response:
        """Return the public keys for the verification of SETs: the current, the next and the recently retired keys."""
        stored = await self._services.store.read_installation(lambda tx: tx.keys.all())
        keys = published(stored, self._services.clock.now(), self._keyring.horizon)
        body = msgspec.json.encode({"keys": [msgspec.Raw(key.public_jwk.encode()) for key in keys]})
        return Response(body, media_type="application/json", headers=_CACHE_KEYS)
