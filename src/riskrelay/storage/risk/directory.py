"""The directory of an account, and the names that it does not have."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, delete, func, literal, select, tuple_, union_all
from sqlalchemy.sql.elements import ColumnElement

from riskrelay.core.email_addresses import email_key
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.exceptions import group_key
from riskrelay.core.sources.directory import NAME_KINDS, DirectoryEntry, MissedName, name_key, name_problem
from riskrelay.core.sources.signals import Name, NameKind
from riskrelay.ports import DirectoryPlace
from riskrelay.storage.statements import PerEngine, in_parts
from riskrelay.storage.tables import directory_entries, missed_names

_ROWS_AT_ONCE = 1_000  # of one INSERT
_place = tuple_(directory_entries.c.kind, directory_entries.c.name_key)
_PUT = PerEngine(
    directory_entries,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[directory_entries.c.account_id, directory_entries.c.kind, directory_entries.c.name_key],
        set_={column: insert.excluded[column] for column in ("name", "email", "email_key", "group_names")},
    ),
)
_MISS = PerEngine(
    missed_names,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[missed_names.c.account_id, missed_names.c.kind, missed_names.c.name_key],
        set_={
            "signals": missed_names.c.signals + insert.excluded.signals,
            "name": insert.excluded.name,
            "last_at": insert.excluded.last_at,
        },
    ),
)
_MOST_FIRST = (
    missed_names.c.signals.desc(),
    missed_names.c.last_at.desc(),
    missed_names.c.kind,
    missed_names.c.name_key,
)
_LATEST_FIRST = (missed_names.c.last_at.desc(), *_MOST_FIRST)
_missed_place = tuple_(missed_names.c.kind, missed_names.c.name_key)
_LARGEST_COUNT = 2**31 - 1
_GROUPS = select(directory_entries.c.email_key, directory_entries.c.group_names).where(
    directory_entries.c.account_id == bindparam("account"),
    directory_entries.c.email_key.in_(bindparam("keys", expanding=True)),
    directory_entries.c.group_names.is_not(None),
)
_HAS_GROUPS = directory_entries.c.group_names.is_not(None).label("has_groups")
_GROUP_NAMES = msgspec.json.Decoder(tuple[str, ...])


class DirectoryRows:
    """Implements ports.Directory."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    @property
    def _mine(self) -> ColumnElement[bool]:
        # Built when it is needed: most transactions don't, and it costs more than all else that begins one.
        return directory_entries.c.account_id == self._account_id

    def find_emails(self, names: Collection[Name]) -> dict[Name, str]:
        emails = {(row.kind, row.name_key): row.email for row in self._rows(names)}
        found = ((name, emails.get((name.kind, name_key(name)))) for name in dict.fromkeys(names))
        return {name: email for name, email in found if email is not None}

    def _rows(self, names: Collection[Name]) -> Iterator[Row[*tuple[Any, ...]]]:
        # Events can have any text; texts that cannot be an entry are not queried.
        wanted = [name for name in dict.fromkeys(names) if name_problem(name.value) is None]
        for part in in_parts(wanted):
            # A UNION instead of an OR over kinds: each SELECT uses the primary key on both engines.
            queries = [
                select(directory_entries).where(
                    self._mine, directory_entries.c.kind == kind, directory_entries.c.name_key.in_(keys)
                )
                for kind, keys in _by_kind(part)
            ]
            yield from self._connection.execute(union_all(*queries))

    def put(self, entries: Sequence[DirectoryEntry]) -> None:
        rows = [
            {
                "account_id": self._account_id,
                "kind": entry.name.kind,
                "name_key": name_key(entry.name),
                "name": entry.name.value,
                "email": entry.email,
                "email_key": email_key(entry.email),
                "group_names": msgspec.json.encode(entry.groups).decode() if entry.groups else None,
            }
            for entry in entries
        ]
        # In the order of the key, so that two transactions cannot deadlock.
        rows.sort(key=lambda row: (row["kind"], row["name_key"]))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            self._connection.execute(_PUT.on(self._connection), rows[start : start + _ROWS_AT_ONCE])

    def page(
        self, kind: NameKind | None, email: str | None, after: DirectoryPlace | None, limit: int
    ) -> list[DirectoryEntry]:
        query = select(directory_entries).where(self._mine)
        if kind is not None:
            query = query.where(directory_entries.c.kind == kind)
        if email is not None:
            query = query.where(directory_entries.c.email_key == email_key(email))
        if after is not None:
            query = query.where(_place > after)
        query = query.order_by(directory_entries.c.kind, directory_entries.c.name_key).limit(limit)
        return [_entry(row) for row in self._connection.execute(query)]

    def find(self, value: str) -> list[DirectoryEntry]:
        return [_entry(row) for row in self._rows([Name(kind=kind, value=value) for kind in NAME_KINDS])]

    def count(self, most: int) -> int:
        some = select(literal(1)).select_from(directory_entries).where(self._mine).limit(most).subquery()
        return int(self._connection.execute(select(func.count()).select_from(some)).scalar_one())

    def delete(self, names: Collection[Name]) -> int:
        wanted = [name for name in dict.fromkeys(names) if name_problem(name.value) is None]
        deleted = 0
        for kind, keys in _by_kind(wanted):
            for part in in_parts(keys):
                deleted += self._connection.execute(
                    delete(directory_entries).where(
                        self._mine, directory_entries.c.kind == kind, directory_entries.c.name_key.in_(part)
                    )
                ).rowcount
        return deleted

    def clear(self, most: int) -> tuple[int, set[str]]:
        some = select(directory_entries.c.kind, directory_entries.c.name_key).where(self._mine).limit(most)
        deleting = delete(directory_entries).where(self._mine, _place.in_(some))
        rows = self._connection.execute(deleting.returning(directory_entries.c.email_key, _HAS_GROUPS)).all()
        return len(rows), {row.email_key for row in rows if row.has_groups}

    def keys_with_groups(self, names: Collection[Name]) -> set[str]:
        return {row.email_key for row in self._rows(names) if row.group_names is not None}


def read_groups(
    connection: Connection, account_id: AccountId, email_keys: Collection[str]
) -> dict[str, frozenset[str]]:
    """Return the keys of the groups of those users that have some, by `email_key`."""
    found: dict[str, set[str]] = defaultdict(set)
    for part in in_parts(list(email_keys)):
        for row in connection.execute(_GROUPS, {"account": account_id, "keys": part}):
            found[row.email_key].update(map(group_key, _GROUP_NAMES.decode(row.group_names)))
    return {key: frozenset(groups) for key, groups in found.items()}


class MissedNameRows:
    """Implements ports.MissedNames."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    @property
    def _mine(self) -> ColumnElement[bool]:
        # Built when it is needed: most transactions don't, and it costs more than all else that begins one.
        return missed_names.c.account_id == self._account_id

    def add(self, signals: Mapping[Name, int], at: datetime, keep: int) -> None:
        counts: dict[tuple[str, str], list[Any]] = {}
        for name, count in signals.items():
            if name_problem(name.value) is None:
                counts.setdefault((name.kind, name_key(name)), [name.value, 0])[1] += count
        rows = [
            {
                "account_id": self._account_id,
                "kind": kind,
                "name_key": key,
                "name": value,
                "signals": min(count, _LARGEST_COUNT // 2),
                "last_at": at,
            }
            for (kind, key), (value, count) in sorted(counts.items())
        ]
        if not rows:
            return
        self._connection.execute(_MISS.on(self._connection), rows)
        # The latest names are kept too: a new name begins with few signals, and could otherwise never become frequent.
        self._delete(
            _missed_place.not_in(self._places().order_by(*_MOST_FIRST).limit(keep)),
            _missed_place.not_in(self._places().order_by(*_LATEST_FIRST).limit(keep)),
        )

    def _places(self) -> Select[tuple[str, str]]:
        return select(missed_names.c.kind, missed_names.c.name_key).where(self._mine)

    def top(self, limit: int) -> list[MissedName]:
        query = select(missed_names).where(self._mine).order_by(*_MOST_FIRST).limit(limit)
        return [
            MissedName(name=Name(kind=row.kind, value=row.name), signals=row.signals, last_at=row.last_at)
            for row in self._connection.execute(query)
        ]

    def delete(self, names: Collection[Name]) -> None:
        for kind, keys in _by_kind(names):
            for part in in_parts(keys):
                self._delete(missed_names.c.kind == kind, missed_names.c.name_key.in_(part))

    def delete_before(self, before: datetime) -> None:
        self._delete(missed_names.c.last_at < before)

    def _delete(self, *which: ColumnElement[bool]) -> None:
        self._connection.execute(delete(missed_names).where(self._mine, *which))


def _by_kind(names: Collection[Name]) -> Iterator[tuple[NameKind, list[str]]]:
    """Return the distinct keys of *names*, by kind."""
    keys: dict[NameKind, dict[str, None]] = defaultdict(dict)
    for name in names:
        keys[name.kind][name_key(name)] = None
    for kind, of_kind in keys.items():
        yield kind, list(of_kind)


def _entry(row: Row[*tuple[Any, ...]]) -> DirectoryEntry:
    groups = () if row.group_names is None else _GROUP_NAMES.decode(row.group_names)
    return DirectoryEntry(name=Name(kind=row.kind, value=row.name), email=row.email, groups=groups)
