"""Reading credentials from a request's headers."""

from starlette.requests import Request

from riskrelay.actions.authenticate import authenticate
from riskrelay.credentials import Scope
from riskrelay.errors import MalformedCredentials, NoCredentials, NotFound
from riskrelay.integrations import AccountId
from riskrelay.ports import Outside

_MAX_TOKEN_CHARACTERS = 512


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


async def account_of(request: Request, outside: Outside, scope: Scope) -> AccountId:
    """The account of the path, once the caller has shown that it may do *scope* there.

    Raises: Unauthenticated, Forbidden; NotFound: an id in the path is one that nothing can have.
    """
    account_id = AccountId(request.path_params["account_id"])
    token = presented_token(request.headers.get("authorization"), request.headers.get("x-auth-key"))
    await authenticate(outside, token, account_id, scope)
    if any("\0" in str(value) for value in request.path_params.values()):
        raise NotFound  # PostgreSQL takes no NUL, so nothing can have such an id
    return account_id
