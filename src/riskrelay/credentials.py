"""Accounts, tokens and what a token allows."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NewType

from riskrelay.integrations import AccountId

TokenId = NewType("TokenId", str)

TOKEN_PREFIX = "rr_"  # noqa: S105  a prefix that secret scanners can look for, not a secret


class Scope(StrEnum):
    """What a token allows. Rule: contract 16."""

    READ = "read"
    WRITE = "write"
    INGEST = "ingest"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Account:
    """Our isolation boundary."""

    account_id: AccountId
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as it is stored: by its hash, so that a leaked database gives no token.

    Attributes:
        token_hash: SHA-256. Plain, not a slow hash, because what is hashed is 256 random bits and no password.
        expires_at: None: never.
    """

    token_id: TokenId
    account_id: AccountId
    name: str
    token_hash: bytes
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None


def hash_token(token: str) -> bytes:
    """The 32 bytes under which a token is stored and found."""
    return sha256(token.encode()).digest()
