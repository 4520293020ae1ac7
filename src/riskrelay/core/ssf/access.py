"""How receivers authenticate: the credentials of an integration, and the access tokens issued for them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId, IntegrationId

CredentialId = NewType("CredentialId", str)

_CLOCK_TOLERANCE = timedelta(minutes=5)  # chosen: the allowed difference between two machines' clocks
ACCESS_TOKEN_LIFE = timedelta(minutes=60)  # specified: IOP 1.0 §2.7.1, at most


class ReceiverScope(StrEnum):
    """A permission of a receiver. Rule: IOP 1.0 §2.7.2."""

    READ = "ssf.read"
    MANAGE = "ssf.manage"


ALL_RECEIVER_SCOPES = frozenset(ReceiverScope)


class CredentialKind(StrEnum):
    """How a receiver authenticates."""

    OAUTH_CLIENT = "oauth_client"
    STATIC_TOKEN = "static_token"  # noqa: S105  a kind of credential, no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverCredential:
    """A credential that an operator issued to the receiver of one integration.

    Attributes:
        credential_id: also the `client_id` of an OAuth client.
        secret_hash: SHA-256 of the client secret or of the token. No slow hash is needed for 256 random bits.
        expires_at: None: never.
    """

    account_id: AccountId
    integration_id: IntegrationId
    credential_id: CredentialId
    kind: CredentialKind
    name: str
    secret_hash: bytes
    scopes: frozenset[ReceiverScope]
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An OAuth access token as it is stored, by its hash."""

    account_id: AccountId
    integration_id: IntegrationId
    credential_id: CredentialId
    token_hash: bytes
    scopes: frozenset[ReceiverScope]
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """An authenticated receiver, of one integration of one account.

    Attributes:
        address: the address of the client; None: unknown.
    """

    account_id: AccountId
    integration_id: IntegrationId
    credential_id: CredentialId
    scopes: frozenset[ReceiverScope]
    address: str | None = None

    @property
    def actor(self) -> Actor:
        """The actor as the audit log records it."""
        return Actor(self.credential_id, f"receiver of {self.integration_id}", self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverToken:
    """A token that was found by its hash.

    Attributes:
        receiver: the receiver that it was issued to.
        expires_at: None: never.
        is_access_token: whether it was issued at the token endpoint, so that it expires after `ACCESS_TOKEN_LIFE`.
    """

    receiver: Receiver
    token_hash: bytes
    expires_at: datetime | None
    is_access_token: bool = False

    def is_valid(self, now: datetime) -> bool:
        """Return whether the token is valid. A clock that was ahead when it was issued does not extend its lifetime."""
        if self.expires_at is not None and self.is_access_token:
            longest = now + ACCESS_TOKEN_LIFE + _CLOCK_TOLERANCE
            return now < self.expires_at <= longest
        return is_current(self.expires_at, now)


def covers(held: Collection[ReceiverScope], wanted: ReceiverScope) -> bool:
    """Return whether *held* scopes include *wanted*. The scope to manage includes the scope to read.

    Rule: IOP 1.0 §2.7.2: reading accepts ssf.read, managing accepts ssf.manage.

    >>> covers({ReceiverScope.MANAGE}, ReceiverScope.READ), covers({ReceiverScope.READ}, ReceiverScope.MANAGE)
    (True, False)
    """
    return wanted in held or (wanted is ReceiverScope.READ and ReceiverScope.MANAGE in held)


def is_current(expires_at: datetime | None, now: datetime) -> bool:
    """Return whether something that expires at *expires_at* (None: never) is still valid."""
    return expires_at is None or expires_at > now


def access_token_life(credential: ReceiverCredential, now: datetime) -> timedelta:
    """Return the lifetime of an access token that is issued for *credential* now. It ends with the credential.

    Rule: IOP 1.0 §2.7.1: at most 60 minutes.
    """
    if credential.expires_at is None:
        return ACCESS_TOKEN_LIFE
    return min(ACCESS_TOKEN_LIFE, credential.expires_at - now)
