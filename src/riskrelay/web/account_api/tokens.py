"""Tokens over the API: an account's, the installation's, and the token of the request. Rule: contract 14 to 16.

Members are named as in the SDKs' token models, which their users know.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.tokens import create_token, revoke_token
from riskrelay.core.credentials import Actor, Scope, StoredToken, TokenId
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Services
from riskrelay.web.account_api.bodies import PlainText, read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.paging import part_of, read_page_if_asked
from riskrelay.web.account_api.timestamps import Timestamp
from riskrelay.web.auth import actor_of, caller_of, token_of


class TokenBody(BaseModel):
    """The body of create. Other members are ignored."""

    name: Annotated[PlainText, Field(min_length=1, max_length=255)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    expires_on: Timestamp | None = None


class ApiTokenRoutes:
    """The handlers of tokens."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_all(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.OPERATE)
        return await self._list(request, caller.account_id)

    async def create(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.OPERATE)
        return await self._create(request, caller.account_id, caller.token, caller.actor)

    async def revoke(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.OPERATE)
        await revoke_token(self._services, caller.account_id, caller.actor, TokenId(request.path_params["token_id"]))
        return success({})

    async def list_all_of_installation(self, request: Request) -> Response:
        await self._operator(request)
        return await self._list(request, None)

    async def create_for_installation(self, request: Request) -> Response:
        token = await self._operator(request)
        return await self._create(request, None, token, actor_of(request, token))

    async def revoke_of_installation(self, request: Request) -> Response:
        token = await self._operator(request)
        await revoke_token(self._services, None, actor_of(request, token), TokenId(request.path_params["token_id"]))
        return success({})

    async def verify(self, request: Request) -> Response:
        """Return the token of the request. Any valid token may do this."""
        return success(_verified(await token_of(request, self._services)))

    async def verify_in_account(self, request: Request) -> Response:
        """Return the token of the request, which must be valid in the account of the path."""
        caller = await caller_of(request, self._services, None)
        return success(_verified(caller.token))

    async def _operator(self, request: Request) -> StoredToken:
        token = await token_of(request, self._services)
        token.require(None, Scope.OPERATE)
        return token

    async def _list(self, request: Request, owner: AccountId | None) -> Response:
        page = read_page_if_asked(request.query_params)
        now = self._services.clock.now()
        found = await self._services.store.read_installation(lambda tx: tx.tokens.of(owner))
        part, info = part_of(found, page)
        return success([_rendered(token, now) for token in part], info)

    async def _create(self, request: Request, owner: AccountId | None, own: StoredToken, actor: Actor) -> Response:
        body = await read_object(request, TokenBody)
        now = self._services.clock.now()
        refuse_more(body, own, now)
        expires_at = None if body.expires_on is None else body.expires_on.astimezone(UTC)
        token, stored = await create_token(
            self._services, owner, actor, body.name, scopes=body.scopes, expires_at=expires_at
        )
        return success({**_rendered(stored, now), "value": token})


def refuse_more(body: TokenBody, own: StoredToken, now: datetime) -> None:
    """Refuse a new token with more permissions than the token of the request, or with a past expiry.

    Raises: Invalid.
    """
    message = "your token does not have this scope; omit it, or use a token that has it"
    faults = [
        Fault(FaultKind.WRONG_VALUE, f"/scopes/{place}", message)
        for place, scope in enumerate(body.scopes)
        if scope not in own.scopes
    ]
    if body.expires_on is not None and body.expires_on <= now:
        faults.append(Fault(FaultKind.WRONG_VALUE, "/expires_on", "must be in the future"))
    if faults:
        raise Invalid(faults)


def _verified(token: StoredToken) -> dict[str, Any]:
    """Return a token for `client.user.tokens.verify()` of the official SDKs. Expired tokens were refused before."""
    answer = {"id": token.token_id, "status": "active"}
    return answer if token.expires_at is None else {**answer, "expires_on": _time(token.expires_at)}


def _rendered(token: StoredToken, now: datetime) -> dict[str, Any]:
    return {
        "id": token.token_id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "status": "expired" if token.expired_at(now) else "active",
        "issued_on": _time(token.created_at),
        "expires_on": None if token.expires_at is None else _time(token.expires_at),
        "last_used_on": None if token.last_used_at is None else _time(token.last_used_at),
    }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
