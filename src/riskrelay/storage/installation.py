"""What belongs to no single account: accounts and their tokens, signing keys, the ledgers."""

from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    type_coerce,
    union_all,
)

from riskrelay.credentials import Account, Scope, StoredToken, TokenId
from riskrelay.delivery.attempts import DeliveryState, Ledger
from riskrelay.integrations import AccountId, Integration, IntegrationId
from riskrelay.keys import Algorithm, SealedKey
from riskrelay.ports import Accounts, Keys, Lanes
from riskrelay.storage.events import EVENT_KEY
from riskrelay.storage.integrations import find_integration
from riskrelay.storage.lanes import LaneRows
from riskrelay.storage.statements import PerEngine
from riskrelay.storage.tables import accounts, database_now, events, held_events, lanes, signing_keys, tokens

_ADD_ACCOUNT = PerEngine(accounts, lambda insert: insert.on_conflict_do_nothing())
_TOKEN_BY_HASH = select(tokens).where(tokens.c.token_hash == bindparam("hash"))


class AccountRows:
    """Implements ports.Accounts."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, account_id: AccountId, at: datetime) -> bool:
        values = {"account_id": account_id, "created_at": at}
        return self._connection.execute(_ADD_ACCOUNT.on(self._connection), values).rowcount == 1

    def all(self) -> list[Account]:
        query = select(accounts.c.account_id, accounts.c.created_at)
        ordered = query.order_by(accounts.c.created_at, accounts.c.account_id)
        return [Account(row.account_id, row.created_at) for row in self._connection.execute(ordered)]

    def add_token(self, token: StoredToken) -> None:
        self._connection.execute(
            insert(tokens).values(
                account_id=token.account_id,
                token_id=token.token_id,
                name=token.name,
                token_hash=token.token_hash,
                scopes=" ".join(sorted(token.scopes)),
                created_at=token.created_at,
                expires_at=token.expires_at,
            )
        )

    def tokens(self, account_id: AccountId | None) -> list[StoredToken]:
        query = select(tokens).order_by(tokens.c.created_at, tokens.c.token_id)
        if account_id is not None:
            query = query.where(tokens.c.account_id == account_id)
        return [_token(row) for row in self._connection.execute(query)]

    def token_by_hash(self, token_hash: bytes) -> StoredToken | None:
        row = self._connection.execute(_TOKEN_BY_HASH, {"hash": token_hash}).first()
        return None if row is None else _token(row)

    def delete_token(self, token_id: TokenId) -> bool:
        return self._connection.execute(delete(tokens).where(tokens.c.token_id == token_id)).rowcount > 0


def _token(row: Row[*tuple[object, ...]]) -> StoredToken:
    scopes = frozenset(Scope(word) for word in row.scopes.split())
    return StoredToken(row.token_id, row.account_id, row.name, row.token_hash, scopes, row.created_at, row.expires_at)


class KeyRows:
    """Implements ports.Keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, key: SealedKey) -> None:
        self._connection.execute(
            insert(signing_keys).values(
                kid=key.kid,
                algorithm=key.algorithm.value,
                public_jwk=key.public_jwk,
                sealed_private=key.sealed_private,
                created_at=key.created_at,
            )
        )

    def all(self) -> list[SealedKey]:
        query = select(signing_keys).order_by(signing_keys.c.created_at.desc(), signing_keys.c.kid)
        return [
            SealedKey(row.kid, Algorithm(row.algorithm), row.public_jwk, row.sealed_private, row.created_at)
            for row in self._connection.execute(query)
        ]


class InstallationTransaction:
    """Implements ports.Installation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.accounts: Accounts = AccountRows(connection)
        self.keys: Keys = KeyRows(connection)
        self.lanes: Lanes = LaneRows(connection)

    def integration(self, integration_id: IntegrationId) -> Integration | None:
        return find_integration(self._connection, integration_id)

    def ledgers(self) -> list[Ledger]:
        """Counted without touching the log of events: lanes, and the rows of the exceptions."""
        exceptions = self._exceptions()
        oldest = self._oldest_pending()
        query = select(
            lanes.c.stream_id,
            func.sum(lanes.c.last_seq).label("queued"),
            func.sum(lanes.c.delivered).label("delivered"),
            func.sum(lanes.c.last_seq - lanes.c.cursor).label("above_cursor"),
        ).group_by(lanes.c.stream_id)
        return [
            Ledger(
                row.stream_id,
                int(row.queued),
                int(row.delivered),
                int(row.above_cursor) + exceptions.get((row.stream_id, DeliveryState.PENDING.value), 0),
                exceptions.get((row.stream_id, DeliveryState.DEAD.value), 0),
                exceptions.get((row.stream_id, DeliveryState.EXPIRED.value), 0),
                exceptions.get((row.stream_id, DeliveryState.CANCELLED.value), 0),
                oldest.get(row.stream_id),
            )
            for row in self._connection.execute(query)
        ]

    def _exceptions(self) -> dict[tuple[str, str], int]:
        query = select(held_events.c.stream_id, held_events.c.state, func.count()).group_by(
            held_events.c.stream_id, held_events.c.state
        )
        return {(stream_id, state): count for stream_id, state, count in self._connection.execute(query)}

    def _oldest_pending(self) -> dict[str, timedelta]:
        """How long the oldest undelivered event of each stream has waited: the first above a cursor, or a held one."""
        queued_at = type_coerce(events.c.queued_at, BigInteger)
        in_lane = and_(*(events.c[name] == lanes.c[name] for name in EVENT_KEY[:3]))
        next_one = (
            select(events.c.stream_id, queued_at.label("queued_at"))
            .select_from(lanes.join(events, in_lane & (events.c.seq == lanes.c.cursor + 1)))
            .where(lanes.c.last_seq > lanes.c.cursor)
        )
        is_event = and_(*(events.c[name] == held_events.c[name] for name in EVENT_KEY))
        held = (
            select(events.c.stream_id, queued_at.label("queued_at"))
            .select_from(held_events.join(events, is_event))
            .where(held_events.c.state == DeliveryState.PENDING.value)
        )
        pending = union_all(next_one, held).subquery()
        query = select(pending.c.stream_id, database_now() - func.min(pending.c.queued_at)).group_by(
            pending.c.stream_id
        )
        return {stream_id: timedelta(microseconds=max(age, 0)) for stream_id, age in self._connection.execute(query)}
