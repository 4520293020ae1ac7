"""Tokens of the account, and its audit log."""

from datetime import datetime

import msgspec


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without its secret.

    Attributes:
        scopes: of read, write, pii-read, ingest and operate.
        status: active or expired.
        expires_on: None: never.
        last_used_on: up to a minute behind; None: not yet.
    """

    id: str
    name: str
    scopes: list[str]
    status: str
    issued_on: datetime
    expires_on: datetime | None
    last_used_on: datetime | None


class CreatedToken(Token, frozen=True, kw_only=True):
    """A new token.

    Attributes:
        value: the secret, which is not shown again.
    """

    value: str

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"CreatedToken(id={self.id!r}, name={self.name!r}, scopes={self.scopes!r})"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The client that made a change. The command line has no token and no address."""

    token_id: str | None
    name: str
    address: str | None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the account's objects.

    Attributes:
        thing_id: the id of the changed object.
        note: the person's reason, or the extent of the change.
    """

    id: str
    at: datetime
    actor: Actor
    verb: str
    kind: str
    thing_id: str
    note: str | None
