"""Accounts, tokens and what a token allows; sessions of the console; and who acts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import NewType

from riskrelay.core.errors import Forbidden
from riskrelay.core.integrations import AccountId

TokenId = NewType("TokenId", str)

TOKEN_PREFIX = "rr_"  # noqa: S105  a prefix that secret scanners can look for, not a secret


class Scope(StrEnum):
    """What a token allows. Rule: contract 16."""

    READ = "read"
    WRITE = "write"
    PII_READ = "pii-read"
    INGEST = "ingest"
    OPERATE = "operate"


ALL_SCOPES = frozenset(Scope)


def account_id_problem(account_id: str) -> str | None:
    """Say what is wrong with the form of an account's id; None when nothing is.

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
    """A token as it is stored: by its hash, so that a leaked database gives no token.

    Attributes:
        account_id: the only account it is good for; None: the installation's, good for every account.
        token_hash: SHA-256. Plain, not a slow hash, because what is hashed is 256 random bits and no password.
        expires_at: None: never.
        last_used_at: to about a minute; None: not yet.
    """

    token_id: TokenId
    account_id: AccountId | None
    name: str
    token_hash: bytes
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None

    def expired_at(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now

    def require(self, owner: AccountId | None, scope: Scope | None) -> None:
        """Insist that it is good for something.

        Args:
            owner: the account it is about; None: the installation itself.
            scope: None: whatever its scopes are.

        Raises: Forbidden.
        Rule: contract 15, 16.
        """
        if self.account_id not in (None, owner) or (scope is not None and scope not in self.scopes):
            raise Forbidden


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, as the audit log keeps it.

    Attributes:
        token_id: of the token that was presented, or of a receiver's credential; None: the command line, which works
            on the database itself.
        name: the token's name then.
        address: where the request came from, without a port; None: this machine's command line, or not known.
    """

    token_id: str | None
    name: str
    address: str | None


COMMAND_LINE = Actor(None, "command line", None)


def hash_token(token: str) -> bytes:
    """The 32 bytes under which a token is stored and found."""
    return sha256(token.encode()).digest()


SESSION_IDLE = timedelta(hours=1)  # chosen: a morning's work is not interrupted, a forgotten screen is closed
CLOCK_TOLERANCE = timedelta(minutes=5)  # chosen: what two machines' clocks may differ by
SESSION_LIFE = timedelta(hours=12)  # chosen: a working day; then the token is asked for again


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person who signed in to the console with a token.

    Attributes:
        session_hash: SHA-256 of the secret in the browser's cookie, which is 256 random bits.
        token: what it was started with; when that is revoked, the session is gone.
        seen_at: when the person last did something, to about a minute; what a page fetches by itself does not count.
    """

    session_hash: bytes
    token: StoredToken
    started_at: datetime
    seen_at: datetime

    def ended_at(self, now: datetime) -> bool:
        """Whether it is over: too old, idle for too long, or its token has expired."""
        idle, old = now - self.seen_at >= SESSION_IDLE, now - self.started_at >= SESSION_LIFE
        # A clock that was ahead when it was started must not lengthen its life.
        is_of_the_future = self.started_at - now > CLOCK_TOLERANCE or self.seen_at - now > CLOCK_TOLERANCE
        return idle or old or is_of_the_future or self.token.expired_at(now)
