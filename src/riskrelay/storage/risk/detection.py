"""An account's limits of possible travel, its trusted networks, and its users' known places."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet

import msgspec
from sqlalchemy import BindParameter, Connection, bindparam, delete, select

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.known_places import PlaceDay
from riskrelay.core.risk.networks import TrustedNetwork
from riskrelay.core.risk.speeds import TravelLimits
from riskrelay.storage.statements import PerEngine, in_parts
from riskrelay.storage.tables import detection_limits, known_places, trusted_networks

_KEYS: BindParameter[str] = bindparam("keys", expanding=True)
_MEMBERS = TravelLimits.__struct_fields__
_LIMITS = select(*(detection_limits.c[name] for name in _MEMBERS)).where(
    detection_limits.c.account_id == bindparam("account")
)
_SAVE_LIMITS = PerEngine(
    detection_limits,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[detection_limits.c.account_id], set_={name: insert.excluded[name] for name in _MEMBERS}
    ),
)
_NETWORKS = select(trusted_networks.c.networks).where(trusted_networks.c.account_id == bindparam("account"))
_SAVE_NETWORKS = PerEngine(
    trusted_networks,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[trusted_networks.c.account_id], set_={"networks": insert.excluded.networks}
    ),
)
_DECODER = msgspec.json.Decoder(tuple[TrustedNetwork, ...])

_KNOWN = select(known_places.c.email_key, known_places.c.day, known_places.c.cell).where(
    known_places.c.account_id == bindparam("account"),
    known_places.c.email_key.in_(_KEYS),
    known_places.c.day >= bindparam("since"),
)
_LEARN = PerEngine(known_places, lambda insert: insert.on_conflict_do_nothing())
_OLDEST = (
    select(known_places.c.email_key, known_places.c.day, known_places.c.cell)
    .where(known_places.c.account_id == bindparam("account"), known_places.c.day < bindparam("before"))
    .order_by(known_places.c.day)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_DELETE_OLD = delete(known_places).where(
    known_places.c.account_id == bindparam("account"),
    known_places.c.email_key == bindparam("key"),
    known_places.c.day == bindparam("old_day"),
    known_places.c.cell == bindparam("old_cell"),
)


class DetectionRows:
    """Implements ports.Detection."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def limits(self) -> TravelLimits:
        row = self._connection.execute(_LIMITS, {"account": self._account_id}).first()
        return TravelLimits() if row is None else TravelLimits(**row._mapping)

    def save(self, limits: TravelLimits) -> None:
        row = {"account_id": self._account_id, **msgspec.structs.asdict(limits)}
        self._connection.execute(_SAVE_LIMITS.on(self._connection), row)

    def networks(self) -> tuple[TrustedNetwork, ...]:
        row = self._connection.execute(_NETWORKS, {"account": self._account_id}).first()
        return () if row is None else _DECODER.decode(row.networks)

    def save_networks(self, networks: Collection[TrustedNetwork]) -> None:
        row = {"account_id": self._account_id, "networks": msgspec.json.encode(list(networks)).decode()}
        self._connection.execute(_SAVE_NETWORKS.on(self._connection), row)

    def known_places(self, email_keys: Collection[str], since: int) -> dict[str, set[PlaceDay]]:
        found: dict[str, set[PlaceDay]] = defaultdict(set)
        for part in in_parts(list(email_keys)):
            asked = {"account": self._account_id, "keys": part, "since": since}
            for row in self._connection.execute(_KNOWN, asked):
                found[row.email_key].add(PlaceDay(row.day, row.cell))
        return found

    def learn(self, places: Mapping[str, AbstractSet[PlaceDay]]) -> None:
        rows = [
            {"account_id": self._account_id, "email_key": key, "day": place.day, "cell": place.cell}
            for key in sorted(places)  # in one order, so that two transactions cannot wait for each other
            for place in sorted(places[key])
        ]
        if rows:
            self._connection.execute(_LEARN.on(self._connection), rows)

    def delete_places(self, before: int, limit: int) -> int:
        asked = {"account": self._account_id, "before": before, "most": limit}
        rows = [
            {"account": self._account_id, "key": row.email_key, "old_day": row.day, "old_cell": row.cell}
            for row in self._connection.execute(_OLDEST, asked)
        ]
        if rows:
            self._connection.execute(_DELETE_OLD, rows)
        return len(rows)
