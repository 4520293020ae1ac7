"""The transmitter's metadata and keys. Rule: SSF 1.0 §7; RFC 7517 §5."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.integrations import IntegrationId
from riskrelay.ports import Outside
from riskrelay.ssf.metadata import transmitter_metadata

_CACHE_METADATA = {"Cache-Control": "public, max-age=300"}
_CACHE_KEYS = {"Cache-Control": "public, max-age=3600"}  # receivers refresh on an unknown kid


class TransmitterRoutes:
    """The handlers of what receivers read without credentials."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def metadata(self, request: Request) -> Response:
        """The metadata of one integration's issuer, active or not; 404 when there is no such integration."""
        integration_id = IntegrationId(request.path_params["integration_id"])
        found = None
        if "\0" not in integration_id:  # PostgreSQL takes none
            found = await self._outside.store.read_installation(lambda tx: tx.integration(integration_id))
        if found is None:
            return Response(b'{"error":"not_found"}', 404, media_type="application/json")
        body = msgspec.json.encode(transmitter_metadata(found))
        return Response(body, media_type="application/json", headers=_CACHE_METADATA)

    async def jwks(self, request: Request) -> Response:
        """The public keys that SETs verify against."""
        keys = await self._outside.store.read_installation(lambda tx: tx.keys.all())
        body = msgspec.json.encode({"keys": [msgspec.Raw(key.public_jwk.encode()) for key in keys]})
        return Response(body, media_type="application/json", headers=_CACHE_KEYS)
