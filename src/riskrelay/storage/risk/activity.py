"""Activity, by account."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Row,
    bindparam,
    delete,
    func,
    select,
    text,
    type_coerce,
    update,
)

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.activity import ActivityId, DlpHit, Kept, Login, S
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.ports import ActivityWindow, RecordedActivity
from riskrelay.storage.statements import BulkInsert, in_parts
from riskrelay.storage.tables import activity
from riskrelay.storage.times import Moment, number_of

_KINDS: Mapping[type[Login] | type[DlpHit], str] = {Login: "login", DlpHit: "dlp_hit"}
_KEYS: BindParameter[str] = bindparam("keys", expanding=True)

_ADD = BulkInsert(activity, *(column.name for column in activity.columns))
_DIGESTS = select(activity.c.activity_id, activity.c.digest).where(
    activity.c.account_id == bindparam("account"), activity.c.activity_id.in_(_KEYS)
)


_IN_SPAN = (
    activity.c.account_id == bindparam("account"),
    activity.c.user_id.in_(_KEYS),
    activity.c.kind == bindparam("kind"),
    activity.c.occurred_at >= bindparam("since"),
    activity.c.occurred_at <= bindparam("until"),
)
_LATEST_FIRST = func.row_number().over(
    partition_by=activity.c.user_id, order_by=(activity.c.occurred_at.desc(), activity.c.activity_id.desc())
)
_RANKED = (
    select(
        activity.c.activity_id,
        activity.c.user_id,
        activity.c.occurred_at,
        activity.c.latitude,
        activity.c.longitude,
        activity.c.about,
        activity.c.episode,
        activity.c.origin,
        _LATEST_FIRST.label("place"),
    )
    .where(*_IN_SPAN)
    .subquery()
)
_KEPT = select(_RANKED).where(_RANKED.c.place <= bindparam("most"))
_WINDOWS = (
    select(
        activity.c.user_id,
        func.count().label("rows_found"),
        func.sum(type_coerce(activity.c.occurred_at, BigInteger) - bindparam("since", type_=Moment)).label("elapsed"),
        func.min(activity.c.latitude).label("south"),
        func.max(activity.c.latitude).label("north"),
        func.min(activity.c.longitude).label("west"),
        func.max(activity.c.longitude).label("east"),
    )
    .where(*_IN_SPAN)
    .group_by(activity.c.user_id)
)
# PostgreSQL's generic plan scans the list for each row; a plan for this list finds a row in it by hash
# (60,000 logins of 2,000 users: 2.4 s, 0.1 s).
_PLAN_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")
_BATCH_ROWS = 200  # guessed: about a millisecond of reading
_MANY_USERS = 100  # guessed: where walking through the list begins to cost more than another statement
_JOIN = (
    update(activity)
    .where(activity.c.account_id == bindparam("account"), activity.c.activity_id == bindparam("joining"))
    .values(episode=bindparam("new_episode"))
)
# For PostgreSQL all at once: row by row, a new installation, which has no statistics yet, would scan the table for
# each (6,000 members: 4.5 s row by row, 0.2 s so). For SQLite row by row: its planner scans all for each when it gets
# them at once (6,000 members: 0.01 s row by row, 2.2 s at once).
_JOIN_ALL = text(
    "UPDATE activity SET episode = joining.value FROM jsonb_each_text(CAST(:members AS jsonb)) AS joining "
    "WHERE activity.account_id = :account AND activity.activity_id = joining.key"
)
_REJOIN = (
    update(activity)
    .where(
        activity.c.account_id == bindparam("account"),
        activity.c.episode == bindparam("old_episode"),
    )
    .values(episode=bindparam("new_episode"))
)
# Rows that another transaction is deleting are skipped.
_OLDEST = (
    select(activity.c.activity_id)
    .where(
        activity.c.account_id == bindparam("account"),
        activity.c.kind == bindparam("kind"),
        activity.c.occurred_at < bindparam("before"),
    )
    .order_by(activity.c.occurred_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_PURGE = delete(activity).where(activity.c.account_id == bindparam("account"), activity.c.activity_id.in_(_OLDEST))

_ORIGIN = tuple(name for name in Login.__struct_fields__ if name not in ("at", "latitude", "longitude", "application"))


class ActivityRows:
    """Implements ports.Activities."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._engine = connection.dialect.name
        self._account_id = account_id

    def add(self, recorded: Sequence[RecordedActivity]) -> None:
        _ADD.run(self._connection, [self._row(one) for one in recorded])

    def digests(self, activity_ids: Collection[ActivityId]) -> dict[ActivityId, bytes]:
        found: dict[ActivityId, bytes] = {}
        for part in in_parts(list(activity_ids)):
            rows = self._connection.execute(_DIGESTS, {"account": self._account_id, "keys": part})
            found |= {row.activity_id: row.digest for row in rows}
        return found

    def windows(
        self, kind: type[Login] | type[DlpHit], user_ids: Collection[UserId], span: tuple[datetime, datetime]
    ) -> dict[UserId, ActivityWindow]:
        found: dict[UserId, ActivityWindow] = {}
        for part in in_parts(list(user_ids)):
            for row in self._connection.execute(_WINDOWS, self._asked(kind, part, span)):
                box = None if row.south is None else (row.south, row.north, row.west, row.east)
                found[row.user_id] = ActivityWindow(row.rows_found, int(row.elapsed), box)
        return found

    def kept(
        self,
        kind: type[S],
        user_ids: Collection[UserId],
        span: tuple[datetime, datetime],
        limit: int,
        *,
        in_batches: bool = False,
    ) -> dict[UserId, list[Kept[S]]]:
        read = _READ[kind]
        # On PostgreSQL a cursor of the server: between two batches the event loop serves others.
        options = {"yield_per": _BATCH_ROWS} if in_batches else {}
        found: dict[UserId, list[Kept[S]]] = defaultdict(list)
        for part in in_parts(list(user_ids)):
            asked = {**self._asked(kind, part, span), "most": limit}
            for row in self._connection.execute(_KEPT, asked, execution_options=options):
                kept = Kept(activity_id=ActivityId(row.activity_id), seen=read(row), episode=row.episode, fresh=False)
                found[row.user_id].append(kept)
        return found

    def join(self, members: Mapping[ActivityId, FindingId], replaced: Mapping[FindingId, FindingId]) -> None:
        account = {"account": self._account_id}
        for old, new in replaced.items():
            self._connection.execute(_REJOIN, {**account, "old_episode": old, "new_episode": new})
        if members and self._engine == "sqlite":
            rows = [{**account, "joining": member, "new_episode": episode} for member, episode in members.items()]
            self._connection.execute(_JOIN, rows)
        elif members:
            self._connection.execute(_JOIN_ALL, {**account, "members": msgspec.json.encode(members).decode()})

    def purge(self, kind: type[Login] | type[DlpHit], before: datetime, limit: int) -> int:
        asked = {"account": self._account_id, "kind": _KINDS[kind], "before": before, "most": limit}
        return self._connection.execute(_PURGE, asked).rowcount

    def _asked(
        self, kind: type[Login] | type[DlpHit], user_ids: Sequence[UserId], span: tuple[datetime, datetime]
    ) -> dict[str, object]:
        """Return the parameters of `_IN_SPAN`. For many users, make PostgreSQL plan the statement for them."""
        if self._engine == "postgresql" and len(user_ids) > _MANY_USERS:
            self._connection.execute(_PLAN_ANEW)
        since, until = span
        return {"account": self._account_id, "keys": user_ids, "kind": _KINDS[kind], "since": since, "until": until}

    def _row(self, recorded: RecordedActivity) -> tuple[object, ...]:
        seen = recorded.seen
        where = (seen.latitude, seen.longitude) if isinstance(seen, Login) else (None, None)
        return (
            *(self._account_id, recorded.activity_id, recorded.user_id, _KINDS[type(seen)], number_of(seen.at), *where),
            seen.application if isinstance(seen, Login) else seen.profile,
            recorded.episode,
            recorded.digest,
            _origin(seen) if isinstance(seen, Login) else None,
        )


def _origin(login: Login) -> str | None:
    """Return the other members of a login, besides time, place and application, as JSON; None: it has none."""
    known = {name: value for name in _ORIGIN if (value := getattr(login, name))}
    return msgspec.json.encode(known).decode() if known else None


def _login(row: Row[*tuple[Any, ...]]) -> Login:
    origin = {} if row.origin is None else msgspec.json.decode(row.origin)
    return Login(at=row.occurred_at, latitude=row.latitude, longitude=row.longitude, application=row.about, **origin)


def _dlp_hit(row: Row[*tuple[Any, ...]]) -> DlpHit:
    return DlpHit(row.occurred_at, row.about)


_READ: Mapping[type[Login] | type[DlpHit], Callable[[Row[*tuple[Any, ...]]], Any]] = {Login: _login, DlpHit: _dlp_hit}
