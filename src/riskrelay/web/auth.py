"""Reading credentials from a request's headers."""

from dataclasses import dataclass

from starlette.requests import Request

from riskrelay.actions.authenticate import authenticate
from riskrelay.credentials import Actor, Scope, StoredToken
from riskrelay.errors import MalformedCredentials, NoCredentials, NotFound
from riskrelay.integrations import AccountId
from riskrelay.ports import Outside

_MAX_TOKEN_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called, once they have shown that they may.

    Attributes:
        account_id: the account of the path, for which the token is good.
        actor: what the audit log is told.
    """

    account_id: AccountId
    actor: Actor
    token: StoredToken


def presented_token(authorization: str | None, auth_key: str | None) -> str:
    """The token a request carries; a bearer token wins over an `X-Auth-Key`.

    Raises: NoCredentials, MalformedCredentials.
    Rule: contract 14, 15; RFC 6750 §2.1.
    """
    if authorization is None:
        if not auth_key:
            raise NoCredentials
        return _well_formed(auth_key)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise MalformedCredentials
    return _well_formed(token.strip())


def _well_formed(token: str) -> str:
    if not token or len(token) > _MAX_TOKEN_CHARACTERS or any(not "!" <= c <= "~" for c in token):
        raise MalformedCredentials
    return token


async def caller_of(request: Request, outside: Outside, scope: Scope) -> Caller:
    """Who calls, once they have shown that they may do *scope* in the account of the path.

    Raises: Unauthenticated, Forbidden; NotFound: an id in the path is one that nothing can have.
    """
    account_id = AccountId(request.path_params["account_id"])
    presented = presented_token(request.headers.get("authorization"), request.headers.get("x-auth-key"))
    token = await authenticate(outside, presented, account_id, scope)
    if any("\0" in str(value) for value in request.path_params.values()):
        raise NotFound  # PostgreSQL takes no NUL, so nothing can have such an id
    return Caller(account_id, actor_of(request, token), token)


def actor_of(request: Request, token: StoredToken) -> Actor:
    """The holder of *token*, at the address the request came from."""
    return Actor(token.token_id, token.name, None if request.client is None else request.client.host)
