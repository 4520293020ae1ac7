"""Accounts and tokens."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, insert, or_, select, update

from riskrelay.core.credentials import Account, Scope, StoredToken, TokenId
from riskrelay.core.integrations import AccountId
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.statements import PerEngine
from riskrelay.storage.tables import INSTALLATION, accounts, deleted_accounts, tokens

_ADD_ACCOUNT = PerEngine(accounts, lambda insert: insert.on_conflict_do_nothing())
IS_DELETED = exists().where(
    deleted_accounts.c.account_id == accounts.c.account_id, deleted_accounts.c.finished_at.is_(None)
)
"""The condition of accounts whose deletion has begun."""

_ACCOUNT = Prepared(select(accounts).where(accounts.c.account_id == bindparam("account"), ~IS_DELETED))
_RECORD_USE = (
    update(tokens)
    .where(
        tokens.c.account_id == bindparam("account"),
        tokens.c.token_id == bindparam("token"),
        or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < bindparam("used_at")),
    )
    .values(last_used_at=bindparam("used_at"))
)
_TOKEN_BY_HASH = Prepared(select(tokens).where(tokens.c.token_hash == bindparam("token_hash")))
_EXISTS = select(tokens.c.token_id).where(
    tokens.c.token_hash == bindparam("token_hash"), tokens.c.account_id == bindparam("account")
)
# A writing transaction lets a revocation wait until its commit. The use of a token does not wait.
_EXISTS_FOR_NOW, _EXISTS_UNTIL_COMMIT = Prepared(_EXISTS), Prepared(_EXISTS.with_for_update(read=True, key_share=True))
_TOKENS_BY_HASH = select(tokens).where(tokens.c.token_hash.in_(bindparam("hashes", expanding=True)))


class AccountRows:
    """Implements ports.Accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, account_id: AccountId, at: datetime) -> bool:
        values = {"account_id": account_id, "created_at": at}
        return self._connection.execute(_ADD_ACCOUNT.on(self._connection), values).rowcount == 1

    def get(self, account_id: AccountId) -> Account | None:
        row = _ACCOUNT.first(self._connection, {"account": account_id})
        return None if row is None else Account(row.account_id, row.created_at)

    def all(self) -> list[Account]:
        ordered = select(accounts).where(~IS_DELETED).order_by(accounts.c.created_at, accounts.c.account_id)
        return [Account(row.account_id, row.created_at) for row in self._connection.execute(ordered)]


class AccountTokenRows:
    """Implements ports.AccountTokens."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._account_id = account_id
        self._exists = _EXISTS_UNTIL_COMMIT if locking else _EXISTS_FOR_NOW

    def exists(self, token_hash: bytes) -> bool:
        asked = {"token_hash": token_hash, "account": self._account_id}
        return self._exists.first(self._connection, asked) is not None


class TokenRows:
    """Implements ports.Tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, token: StoredToken) -> None:
        self._connection.execute(
            insert(tokens).values(
                account_id=account_key(token.account_id),
                token_id=token.token_id,
                name=token.name,
                token_hash=token.token_hash,
                scopes=" ".join(sorted(token.scopes)),
                created_at=token.created_at,
                expires_at=token.expires_at,
            )
        )

    def all(self) -> list[StoredToken]:
        return self._read(select(tokens))

    def of(self, owner: AccountId | None) -> list[StoredToken]:
        return self._read(select(tokens).where(tokens.c.account_id == account_key(owner)))

    def by_hashes(self, token_hashes: Collection[bytes]) -> dict[bytes, StoredToken]:
        if len(token_hashes) == 1:  # the usual case; an IN list is compiled again for each length
            rows = _TOKEN_BY_HASH.rows(self._connection, {"token_hash": next(iter(token_hashes))})
        else:
            rows = self._connection.execute(_TOKENS_BY_HASH, {"hashes": list(token_hashes)}).all()
        return {row.token_hash: token_from(row) for row in rows}

    def get(self, owner: AccountId | None, token_id: TokenId) -> StoredToken | None:
        found = self._read(
            select(tokens).where(tokens.c.account_id == account_key(owner), tokens.c.token_id == token_id)
        )
        return found[0] if found else None

    def delete(self, token: StoredToken) -> None:
        mine = (tokens.c.account_id == account_key(token.account_id)) & (tokens.c.token_id == token.token_id)
        self._connection.execute(delete(tokens).where(mine))

    def record_uses(self, uses: Sequence[tuple[StoredToken, datetime]]) -> None:
        rows = [
            {"account": account_key(token.account_id), "token": token.token_id, "used_at": at} for token, at in uses
        ]
        # Always in one order, so that two processes never wait for each other's rows.
        self._connection.execute(_RECORD_USE, sorted(rows, key=lambda row: (row["account"], row["token"])))

    def _read(self, query: Select[*tuple[object, ...]]) -> list[StoredToken]:
        ordered = query.order_by(tokens.c.created_at, tokens.c.token_id)
        return [token_from(row) for row in self._connection.execute(ordered)]


def account_key(owner: AccountId | None) -> str:
    """Return the account_id column of *owner*; None: the installation."""
    return INSTALLATION if owner is None else owner


def token_from(row: Row[*tuple[object, ...]]) -> StoredToken:
    """Build a token from a row with all columns of `tokens`."""
    return StoredToken(
        token_id=row.token_id,
        account_id=None if row.account_id == INSTALLATION else row.account_id,
        name=row.name,
        token_hash=row.token_hash,
        scopes=frozenset(Scope(word) for word in row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
