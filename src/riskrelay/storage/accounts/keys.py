"""Signing keys."""

from sqlalchemy import Connection, delete, insert, select, update

from riskrelay.core.keys import Algorithm, KeyChanges, SealedKey
from riskrelay.storage.tables import signing_keys


class KeyRows:
    """Implements ports.Keys."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def apply(self, changes: KeyChanges) -> None:
        for key in (*changes.retired, *changes.promoted):  # in this order: one key of an algorithm signs at a time
            self._connection.execute(
                update(signing_keys)
                .where(signing_keys.c.kid == key.kid)
                .values(signs_from=key.signs_from, retired_at=key.retired_at)
            )
        for key in changes.added:
            self._connection.execute(
                insert(signing_keys).values(
                    kid=key.kid,
                    algorithm=key.algorithm.value,
                    public_jwk=key.public_jwk,
                    sealed_private=key.sealed_private,
                    created_at=key.created_at,
                    signs_from=key.signs_from,
                    retired_at=key.retired_at,
                )
            )
        for key in changes.deleted:
            self._connection.execute(delete(signing_keys).where(signing_keys.c.kid == key.kid))

    def all(self) -> list[SealedKey]:
        query = select(signing_keys).order_by(signing_keys.c.created_at, signing_keys.c.kid)
        return [
            SealedKey(
                kid=row.kid,
                algorithm=Algorithm(row.algorithm),
                public_jwk=row.public_jwk,
                sealed_private=row.sealed_private,
                created_at=row.created_at,
                signs_from=row.signs_from,
                retired_at=row.retired_at,
            )
            for row in self._connection.execute(query)
        ]
