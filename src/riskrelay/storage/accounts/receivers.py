"""Credentials of receivers and their access tokens."""

from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, delete, insert, literal, select, union_all

from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.access import (
    AccessToken,
    CredentialId,
    CredentialKind,
    Receiver,
    ReceiverCredential,
    ReceiverScope,
    ReceiverToken,
)
from riskrelay.core.ssf.streams import StreamId
from riskrelay.storage.delivery.receiver_streams import is_caught_up
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.tables import access_tokens, integrations, receiver_credentials

_KEY = ("account_id", "integration_id", "credential_id")

_credentials_alive = receiver_credentials.join(
    integrations,
    (integrations.c.account_id == receiver_credentials.c.account_id)
    & (integrations.c.integration_id == receiver_credentials.c.integration_id)
    & integrations.c.deleted_at.is_(None),
)
_tokens_alive = access_tokens.join(
    integrations,
    (integrations.c.account_id == access_tokens.c.account_id)
    & (integrations.c.integration_id == access_tokens.c.integration_id)
    & integrations.c.deleted_at.is_(None),
)
_IS_ASKED = integrations.c.integration_id == bindparam("integration")

_CLIENT = (
    select(receiver_credentials)
    .select_from(_credentials_alive)
    .where(
        _IS_ASKED,
        receiver_credentials.c.credential_id == bindparam("credential"),
        receiver_credentials.c.kind == CredentialKind.OAUTH_CLIENT.value,
    )
)
_BY_TOKEN = Prepared(
    union_all(
        select(
            *(access_tokens.c[name] for name in _KEY),
            access_tokens.c.scopes,
            access_tokens.c.token_hash,
            access_tokens.c.expires_at,
            literal(1).label("issued"),
        )
        .select_from(_tokens_alive)
        .where(_IS_ASKED, access_tokens.c.token_hash == bindparam("hash")),
        select(
            *(receiver_credentials.c[name] for name in _KEY),
            receiver_credentials.c.scopes,
            receiver_credentials.c.secret_hash,
            receiver_credentials.c.expires_at,
            literal(0).label("issued"),
        )
        .select_from(_credentials_alive)
        .where(
            _IS_ASKED,
            receiver_credentials.c.secret_hash == bindparam("hash"),
            receiver_credentials.c.kind == CredentialKind.STATIC_TOKEN.value,
        ),
    )
)


class ReceiverRows:
    """Implements ports.Receivers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def client(self, integration_id: IntegrationId, client_id: CredentialId) -> ReceiverCredential | None:
        row = self._connection.execute(_CLIENT, {"integration": integration_id, "credential": client_id}).first()
        return None if row is None else _credential(row)

    def by_token(self, integration_id: IntegrationId, token_hash: bytes) -> ReceiverToken | None:
        row = _BY_TOKEN.first(self._connection, {"integration": integration_id, "hash": token_hash})
        if row is None:
            return None
        receiver = Receiver(
            account_id=row.account_id,
            integration_id=integration_id,
            credential_id=row.credential_id,
            scopes=_scopes(row.scopes),
        )
        return ReceiverToken(
            receiver=receiver,
            token_hash=row.token_hash,
            expires_at=row.expires_at,
            is_access_token=bool(row.issued),
        )

    def is_caught_up(self, account_id: AccountId, integration_id: IntegrationId, stream_id: StreamId) -> bool:
        return is_caught_up(self._connection, account_id, integration_id, stream_id)


class ReceiverCredentialRows:
    """Implements ports.ReceiverCredentials."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._account_id = account_id
        self._locking = locking

    def add(self, credential: ReceiverCredential) -> None:
        self._connection.execute(
            insert(receiver_credentials).values(
                account_id=self._account_id,
                integration_id=credential.integration_id,
                credential_id=credential.credential_id,
                kind=credential.kind.value,
                name=credential.name,
                secret_hash=credential.secret_hash,
                scopes=" ".join(sorted(credential.scopes)),
                created_at=credential.created_at,
                expires_at=credential.expires_at,
            )
        )

    def all(self, integration_id: IntegrationId) -> list[ReceiverCredential]:
        query = (
            select(receiver_credentials)
            .where(
                receiver_credentials.c.account_id == self._account_id,
                receiver_credentials.c.integration_id == integration_id,
            )
            .order_by(receiver_credentials.c.created_at, receiver_credentials.c.credential_id)
        )
        return [_credential(row) for row in self._connection.execute(query)]

    def get(self, integration_id: IntegrationId, credential_id: CredentialId) -> ReceiverCredential | None:
        query = select(receiver_credentials).where(
            receiver_credentials.c.account_id == self._account_id,
            receiver_credentials.c.integration_id == integration_id,
            receiver_credentials.c.credential_id == credential_id,
        )
        row = self._connection.execute(query.with_for_update() if self._locking else query).first()
        return None if row is None else _credential(row)

    def revoke(self, integration_id: IntegrationId, credential_id: CredentialId) -> bool:
        if self.get(integration_id, credential_id) is None:  # locks it: no access token can be added meanwhile
            return False
        for table in (access_tokens, receiver_credentials):
            self._connection.execute(
                delete(table).where(
                    table.c.account_id == self._account_id,
                    table.c.integration_id == integration_id,
                    table.c.credential_id == credential_id,
                )
            )
        return True

    def add_access_token(self, token: AccessToken) -> None:
        self._connection.execute(
            insert(access_tokens).values(
                account_id=self._account_id,
                integration_id=token.integration_id,
                token_hash=token.token_hash,
                credential_id=token.credential_id,
                scopes=" ".join(sorted(token.scopes)),
                expires_at=token.expires_at,
            )
        )

    def delete_access_tokens(self, client: ReceiverCredential, now: datetime, keep: int) -> None:
        of_client = (
            (access_tokens.c.account_id == self._account_id)
            & (access_tokens.c.integration_id == client.integration_id)
            & (access_tokens.c.credential_id == client.credential_id)
        )
        youngest_first = access_tokens.c.expires_at.desc(), access_tokens.c.token_hash
        surplus = select(access_tokens.c.token_hash).where(of_client).order_by(*youngest_first).offset(keep)
        self._connection.execute(
            delete(access_tokens).where(
                of_client, (access_tokens.c.expires_at <= now) | access_tokens.c.token_hash.in_(surplus)
            )
        )


def _credential(row: Row[*tuple[object, ...]]) -> ReceiverCredential:
    return ReceiverCredential(
        account_id=row.account_id,
        integration_id=row.integration_id,
        credential_id=row.credential_id,
        kind=CredentialKind(row.kind),
        name=row.name,
        secret_hash=row.secret_hash,
        scopes=_scopes(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _scopes(words: str) -> frozenset[ReceiverScope]:
    return frozenset(ReceiverScope(word) for word in words.split())
