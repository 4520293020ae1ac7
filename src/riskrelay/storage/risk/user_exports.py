"""What is stored about a user and shown nowhere else, for an export."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select, tuple_

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.findings import UserId
from riskrelay.storage.tables import activity, known_places

_ACTIVITY = (activity.c.kind, activity.c.occurred_at, activity.c.activity_id)
_PLACES = (known_places.c.day, known_places.c.cell)


class UserExportRows:
    """Implements ports.UserExports."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def activity(self, user_id: UserId, after: tuple[Any, ...] | None, limit: int) -> list[dict[str, Any]]:
        shown = (*_ACTIVITY, activity.c.latitude, activity.c.longitude, activity.c.about, activity.c.origin)
        of_user = (activity.c.account_id == self._account_id) & (activity.c.user_id == user_id)
        rows = self._page(select(*shown).where(of_user), _ACTIVITY, after, limit)
        return [
            {**row, "origin": None if row["origin"] is None else msgspec.Raw(row["origin"].encode())} for row in rows
        ]

    def known_places(self, email_key: str, after: tuple[Any, ...] | None, limit: int) -> list[dict[str, Any]]:
        of_user = (known_places.c.account_id == self._account_id) & (known_places.c.email_key == email_key)
        return self._page(select(*_PLACES).where(of_user), _PLACES, after, limit)

    def _page(
        self, query: Select[*tuple[Any, ...]], place: tuple[Any, ...], after: tuple[Any, ...] | None, limit: int
    ) -> list[dict[str, Any]]:
        if after is not None:
            query = query.where(tuple_(*place) > after)
        return [dict(row._mapping) for row in self._connection.execute(query.order_by(*place).limit(limit))]
