"""Authenticate requests by the credentials in their headers, and check their permissions."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request

from riskrelay.actions.tokens import Authenticated, authenticate, confirm
from riskrelay.core.credentials import Actor, Scope, StoredToken, hash_token
from riskrelay.core.errors import MalformedCredentials, NoCredentials, NotFound, RateLimited, Unavailable, UnknownToken
from riskrelay.core.integrations import AccountId
from riskrelay.core.rate_limits import Allowance
from riskrelay.ports import Services
from riskrelay.web.client_address import client_address
from riskrelay.web.failed_authentication import FailedAuthentication

_TOKEN = re.compile(r"[!-~]{1,512}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated client with the required permission.

    Attributes:
        account_id: the account of the path, which the token can access.
        actor: the actor for the audit log.
        unconfirmed: the hash of the token, if a transaction must confirm that it still exists; None: it is confirmed.
    """

    account_id: AccountId
    actor: Actor
    token: StoredToken
    unconfirmed: bytes | None = None

    @property
    def may_see_subjects(self) -> bool:
        """Whether the client may read the users of events, and the texts of receivers."""
        return Scope.PII_READ in self.token.scopes


def presented_token(authorization: str | None, auth_email: str | None, auth_key: str | None) -> str:
    """Return the token of a request. A bearer token takes precedence over `X-Auth-Email` with `X-Auth-Key`.

    The key is a token like any other. Without an e-mail it is half of a pair, and is ignored. The value of the e-mail
    is not checked, because only the key is secret.

    Raises: NoCredentials, MalformedCredentials.
    Rule: contract 14, 15; RFC 6750 §2.1.
    """
    if authorization is None:
        if not auth_email or not auth_key:
            raise NoCredentials
        return _well_formed(auth_key)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise MalformedCredentials
    return _well_formed(token.strip())


def _well_formed(token: str) -> str:
    if _TOKEN.fullmatch(token) is None:
        raise MalformedCredentials
    return token


async def caller_of(request: Request, services: Services, scope: Scope | None, *, confirms: bool = False) -> Caller:
    """Authenticate a request, and check that it may do *scope* in the account of the path.

    Args:
        scope: None: any token of the account is sufficient.
        confirms: the handler confirms the token in its own transaction, inside `confirming`.

    Raises: Unauthenticated, Forbidden, RateLimited; NotFound: the token is the installation's, and the account does not
        exist.
    """
    account_id = AccountId(request.path_params["account_id"])
    shown = await _authenticated(request, services, account_id, confirms=confirms)
    shown.token.require(account_id, scope)
    if not shown.account_exists:
        raise NotFound
    return Caller(
        account_id=account_id,
        actor=actor_of(request, shown.token),
        token=shown.token,
        unconfirmed=None if shown.is_confirmed else shown.token.token_hash,
    )


@asynccontextmanager
async def confirming(request: Request, services: Services, caller: Caller) -> AsyncIterator[None]:
    """Confirm an unconfirmed token before any error about the request, which a revoked token must not see.

    A token that turns out to be revoked is counted as a refused one, and forgotten.

    Raises: UnknownToken.
    """
    try:
        try:
            yield
        except (UnknownToken, Unavailable):
            raise
        except Exception:
            if caller.unconfirmed is not None:
                await services.store.read(caller.account_id, partial(confirm, token_hash=caller.unconfirmed))
            raise
    except UnknownToken:
        services.known_tokens.forget(caller.token.token_hash)
        failures: FailedAuthentication = request.app.state.failed_authentication
        failures.refused(request, caller.token.token_hash)
        raise


async def token_of(request: Request, services: Services) -> StoredToken:
    """Return the valid token of a request, with any permissions, and count the request against its limit.

    Raises: Unauthenticated, RateLimited.
    """
    return (await _authenticated(request, services, None)).token


async def _authenticated(
    request: Request, services: Services, account_id: AccountId | None, *, confirms: bool = False
) -> Authenticated:
    headers = request.headers
    presented = presented_token(headers.get("authorization"), headers.get("x-auth-email"), headers.get("x-auth-key"))
    holder = hash_token(presented)
    show_allowance(request, services.rate_limits.refusal(holder))  # a token over its limit costs no query
    failures: FailedAuthentication = request.app.state.failed_authentication
    await failures.check(request, holder)
    try:
        shown = await authenticate(services, presented, account_id, confirms=confirms)
    except UnknownToken:
        failures.refused(request, holder)
        raise
    failures.accepted(holder)
    show_allowance(request, services.rate_limits.spend(holder))
    return shown


def show_allowance(request: Request, allowance: Allowance | None) -> None:
    """Store the allowance for `RateLimitHeaders`.

    Raises: RateLimited: the request is refused.
    """
    if allowance is None:
        return
    request.state.allowance = allowance
    if allowance.wait_seconds is not None:
        raise RateLimited(allowance.wait_seconds)


def actor_of(request: Request, token: StoredToken) -> Actor:
    """Return the actor with *token* and the client's address."""
    return Actor(token.token_id, token.name, client_address(request))
