"""Accounts, tokens and their permissions, sessions of the console, and actors."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import NewType

from riskrelay.core.errors import Forbidden
from riskrelay.core.integrations import AccountId

TokenId = NewType("TokenId", str)

TOKEN_PREFIX = "rr_"  # noqa: S105  a prefix for secret scanners, not a secret


class Scope(StrEnum):
    """A permission of a token. Rule: contract 16."""

    READ = "read"
    WRITE = "write"
    PII_READ = "pii-read"
    INGEST = "ingest"
    OPERATE = "operate"


ALL_SCOPES = frozenset(Scope)


def account_id_problem(account_id: str) -> str | None:
    """Return the problem of an account id's form; None if it is valid.

    >>> account_id_problem("acme")
    >>> account_id_problem("")
    'an account id must have 1 to 255 printable characters and must not contain / ? # %'
    """
    if not 1 <= len(account_id) <= 255 or any(c in account_id for c in "/?#%") or not account_id.isprintable():
        return "an account id must have 1 to 255 printable characters and must not contain / ? # %"
    return None


@dataclass(frozen=True, slots=True)
class Account:
    """Our isolation boundary."""

    account_id: AccountId
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """A stored token. Only its hash is stored, so that a leaked database contains no token.

    Attributes:
        account_id: the only account that the token can access; None: a token of the installation, for all accounts.
        token_hash: SHA-256. A slow hash is not needed, because a token is 256 random bits and not a password.
        expires_at: None: never.
        last_used_at: precise to about a minute; None: never.
    """

    token_id: TokenId
    account_id: AccountId | None
    name: str
    token_hash: bytes
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None

    def is_use_due(self, now: datetime) -> bool:
        """Return whether a use at *now* is to be stored."""
        return self.last_used_at is None or now - self.last_used_at >= _USE_PRECISION

    def expired_at(self, now: datetime) -> bool:
        """Return whether the token has expired."""
        return self.expires_at is not None and self.expires_at <= now

    def require(self, owner: AccountId | None, scope: Scope | None) -> None:
        """Check that the token allows an operation.

        Args:
            owner: the account of the operation; None: the installation.
            scope: the required scope; None: no scope is required.

        Raises: Forbidden.
        Rule: contract 15, 16.
        """
        if self.account_id not in (None, owner) or (scope is not None and scope not in self.scopes):
            raise Forbidden


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change, as the audit log stores it.

    Attributes:
        token_id: the id of the token or of the receiver's credential; None: the command line, which works on the
            database directly.
        name: the token's name at that time.
        address: the client's address without a port; None: the command line of this machine, or unknown.
    """

    token_id: str | None
    name: str
    address: str | None


COMMAND_LINE = Actor(None, "command line", None)


def hash_token(token: str) -> bytes:
    """Return the 32-byte hash under which a token is stored."""
    return sha256(token.encode()).digest()


_USE_PRECISION = timedelta(minutes=1)  # chosen: unused tokens are searched for by days
SESSION_IDLE = timedelta(hours=1)  # chosen: long enough for continuous work, short enough for an unattended screen
CLOCK_TOLERANCE = timedelta(minutes=5)  # chosen: the largest accepted difference between two machines' clocks
SESSION_LIFE = timedelta(hours=12)  # chosen: a working day; then the token is asked for again


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session of the console, started with a token.

    Attributes:
        session_hash: SHA-256 of the secret in the browser's cookie, which is 256 random bits.
        token: the token that started the session. Revoking it ends the session.
        seen_at: the time of the person's last action, precise to about a minute. Automatic refreshes do not count.
    """

    session_hash: bytes
    token: StoredToken
    started_at: datetime
    seen_at: datetime

    def ended_at(self, now: datetime) -> bool:
        """Return whether the session has ended: too old, idle for too long, or with an expired token."""
        idle, old = now - self.seen_at >= SESSION_IDLE, now - self.started_at >= SESSION_LIFE
        # A clock that was ahead when it was started must not lengthen its life.
        is_of_the_future = self.started_at - now > CLOCK_TOLERANCE or self.seen_at - now > CLOCK_TOLERANCE
        return idle or old or is_of_the_future or self.token.expired_at(now)
