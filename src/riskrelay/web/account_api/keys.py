"""The installation's signing keys: the published keys, and rotation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.signing_keys import rotate_signing_keys
from riskrelay.core.credentials import Scope, StoredToken
from riskrelay.core.keys import Keyring, SealedKey, published
from riskrelay.ports import Services
from riskrelay.web.account_api.bodies import read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import actor_of, token_of


class RotateBody(BaseModel):
    """The body of rotate. Other members are ignored."""

    at_once: bool = False


class KeyRoutes:
    """The handlers of the signing keys; for tokens of the installation."""

    def __init__(self, services: Services, keyring: Keyring) -> None:
        self._services = services
        self._keyring = keyring

    async def list_all(self, request: Request) -> Response:
        """Return the keys in the JWKS, in the order of their creation."""
        await self._operator(request)
        keys = await self._services.store.read_installation(lambda tx: tx.keys.all())
        return success(_rendered(published(keys, self._services.clock.now(), self._keyring.horizon)))

    async def rotate(self, request: Request) -> Response:
        """Rotate the keys, and return the list of keys afterwards."""
        token = await self._operator(request)
        actor = actor_of(request, token)
        body = await read_object(request, RotateBody)
        keys = await rotate_signing_keys(self._services, actor, self._keyring, at_once=body.at_once)
        return success(_rendered(keys))

    async def _operator(self, request: Request) -> StoredToken:
        token = await token_of(request, self._services)
        token.require(None, Scope.OPERATE)
        return token


def _rendered(keys: Sequence[SealedKey]) -> list[dict[str, Any]]:
    return [
        {
            "kid": key.kid,
            "algorithm": key.algorithm.value,
            "state": key.state.value,
            "created_at": _moment(key.created_at),
            "signs_from": _moment(key.signs_from),
            "retired_at": _moment(key.retired_at),
        }
        for key in keys
    ]


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
