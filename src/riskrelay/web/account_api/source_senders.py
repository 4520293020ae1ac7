"""Authenticate senders of events: by a source's credential, or by a token of the account."""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request

from riskrelay.core.credentials import Scope, hash_token
from riskrelay.core.errors import MalformedCredentials, NoCredentials, UnknownToken, found
from riskrelay.core.integrations import AccountId
from riskrelay.core.sources.sources import (
    SOURCE_SECRET_PREFIX,
    CredentialKind,
    Source,
    SourceCredential,
    SourceId,
    credential_row,
)
from riskrelay.ports import Services, Transaction, Vault
from riskrelay.web.auth import caller_of, show_allowance
from riskrelay.web.failed_authentication import FailedAuthentication

_SIGNATURE = "x-hub-signature-256"
_SCHEMES = ("bearer", "splunk")
_MAX_SECRET_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class Sender:
    """An authenticated sender.

    Attributes:
        keys: the keys of which one must have signed the body. Empty: no signature is required.
    """

    source: Source
    keys: tuple[bytes, ...] = ()


async def sender_of(request: Request, services: Services, vault: Vault) -> Sender:
    """Find the source of the path, and authenticate the sender.

    A sender has a secret of the source in `Authorization` or at the end of the path, a signature, or a token of the
    account with the scope ingest.

    Raises:
        Unauthenticated: no usable credential was sent, or the source does not exist.
        Forbidden, RateLimited.
        NotFound: the account's token is valid, and the source does not exist.
    """
    secret = _shown_secret(request)
    if secret is None and _SIGNATURE not in request.headers:
        return await _by_token(request, services)
    account_id, source_id = _path(request)
    shown = hash_token(secret if secret is not None else f"{account_id}/{source_id}")
    show_allowance(request, services.rate_limits.refusal(shown))
    failures: FailedAuthentication = request.app.state.failed_authentication
    await failures.check(request, shown)

    def read(tx: Transaction) -> tuple[Source | None, list[SourceCredential]]:
        return tx.sources.get(source_id), tx.sources.credentials(source_id)

    source, credentials = await services.store.read(account_id, read)
    kind = CredentialKind.PATH if "secret" in request.path_params else CredentialKind.HEADER
    signatures = [one for one in credentials if one.kind is CredentialKind.SIGNATURE]
    is_known = source is not None and (
        bool(signatures)
        if secret is None
        else any(one.kind is kind and hmac.compare_digest(one.secret_hash, shown) for one in credentials)
    )
    if source is None or not is_known:
        failures.refused(request, shown)
        raise UnknownToken
    failures.accepted(shown)
    show_allowance(request, services.rate_limits.spend(shown))
    if secret is not None and kind is CredentialKind.HEADER:
        return Sender(source)
    opened = (
        vault.open(one.sealed_key, credential_row(account_id, source_id, one.credential_id))
        for one in signatures
        if one.sealed_key is not None
    )
    return Sender(source, tuple(opened))


def check_signature(request: Request, sender: Sender, body: bytes) -> None:
    """Check that the body was signed with one of the source's keys, if it has any.

    Args:
        body: the body as it was sent.

    Raises: UnknownToken.
    Rule: GitHub, "Validating webhook deliveries": HMAC-SHA256 of the body in hexadecimal.
    """
    if not sender.keys:
        return
    shown = request.headers.get(_SIGNATURE, "").removeprefix("sha256=").lower()
    if not any(
        hmac.compare_digest(hmac.new(key, body, sha256).hexdigest().encode(), shown.encode()) for key in sender.keys
    ):
        raise UnknownToken


async def _by_token(request: Request, services: Services) -> Sender:
    caller = await caller_of(request, services, Scope.INGEST)
    _, source_id = _path(request)
    return Sender(found(await services.store.read(caller.account_id, lambda tx: tx.sources.get(source_id))))


def _path(request: Request) -> tuple[AccountId, SourceId]:
    return AccountId(request.path_params["account_id"]), SourceId(request.path_params["source_id"])


def _shown_secret(request: Request) -> str | None:
    """Return the source's secret from a request; None: the request has a token of the account or no credential.

    Raises: NoCredentials, MalformedCredentials.
    """
    secret = request.path_params.get("secret")
    if secret is None:
        authorization = request.headers.get("authorization")
        if authorization is None:
            if _SIGNATURE in request.headers or "x-auth-key" in request.headers:
                return None
            raise NoCredentials
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() not in _SCHEMES:
            raise MalformedCredentials
        secret = value.strip()
        if scheme.lower() == "bearer" and not secret.startswith(SOURCE_SECRET_PREFIX):
            return None
    if not 0 < len(secret) <= _MAX_SECRET_CHARACTERS or not secret.isascii():
        raise UnknownToken if "secret" in request.path_params else MalformedCredentials
    return str(secret)
