"""The directory over the API: from other names of users to e-mail addresses."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, Field, TypeAdapter
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.directory import clear_directory, delete_entries, put_entries
from riskrelay.core.credentials import Scope
from riskrelay.core.email_addresses import email_problem
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.risk.exceptions import group_problem
from riskrelay.core.sources.directory import (
    MAX_GROUPS,
    MAX_MISSED_NAMES,
    NAME_KINDS,
    DirectoryEntry,
    MissedName,
    name_key,
    name_problem,
)
from riskrelay.core.sources.signals import Name, NameKind
from riskrelay.ports import DirectoryPlace, Services
from riskrelay.web.account_api.batches import Email, read_batch
from riskrelay.web.account_api.bodies import Reading, parse, without_problem
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.paging import cursor_of, read_cursor
from riskrelay.web.auth import caller_of

PAGE = 1_000

_CURSOR: msgspec.json.Decoder[DirectoryPlace] = msgspec.json.Decoder(
    tuple[
        Annotated[str, msgspec.Meta(max_length=16, pattern=r"^[^\x00]*$")],
        Annotated[str, msgspec.Meta(max_length=1_000, pattern=r"^[^\x00]*$")],
    ]
)


class EntryBody(BaseModel):
    """A name, and the e-mail address and groups of its user. Other members are ignored, and noted in the response."""

    kind: NameKind
    name: Annotated[str, without_problem(name_problem)]
    email: Email
    groups: Annotated[list[Annotated[str, without_problem(group_problem)]], Field(max_length=MAX_GROUPS)] = []

    def entry(self) -> DirectoryEntry:
        """Return the same entry as a record of the domain."""
        name = Name(kind=self.kind, value=self.name)
        return DirectoryEntry(name=name, email=self.email, groups=tuple(dict.fromkeys(self.groups)))


_ADAPTER = TypeAdapter(EntryBody)


class DirectoryRoutes:
    """The handlers of the directory.

    Args:
        docs_base: the origin of the pages that explain the codes.
    """

    def __init__(self, services: Services, docs_base: str) -> None:
        self._services = services
        self._docs_base = docs_base

    async def put(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        batch = await read_batch(request, _read_one, "entries")
        added = await put_entries(self._services, caller.account_id, caller.actor, batch.items)
        return await batch.success(lambda: {"accepted": len(batch.items), "added": added}, self._docs_base)

    async def list_page(self, request: Request) -> Response:
        """Return a page of entries, or the entries of one name."""
        caller = await caller_of(request, self._services, Scope.PII_READ)
        query = request.query_params
        kind, email, name = _kind(query), _email(query), query.get("name")
        after = read_cursor(query, _CURSOR)
        if name is not None:
            found = await self._services.store.read(caller.account_id, lambda tx: tx.directory.find(name))
            shown = [entry for entry in found if kind is None or entry.name.kind == kind]
            return success(_rendered(shown), {"cursor": None, "count": len(shown)})
        found = await self._services.store.read(
            caller.account_id, lambda tx: tx.directory.page(kind, email, after, PAGE + 1)
        )
        page = found[:PAGE]
        cursor = cursor_of((page[-1].name.kind, name_key(page[-1].name))) if len(found) > PAGE else None
        return success(_rendered(page), {"cursor": cursor, "count": len(page)})

    async def delete(self, request: Request) -> Response:
        """Delete one entry, or all entries."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        query = request.query_params
        kind, name = _kind(query), query.get("name")
        everything = query.get("all")
        if everything == "true" and kind is None and name is None:
            return success({"deleted": await clear_directory(self._services, caller.account_id, caller.actor)})
        if everything is not None or kind is None or name is None:
            raise _refused("send kind and name of the entry to delete, or all=true to delete every entry")
        names = [Name(kind=kind, value=name)]
        return success({"deleted": await delete_entries(self._services, caller.account_id, caller.actor, names)})

    async def missed(self, request: Request) -> Response:
        """Return the unknown names of lost signals, those with the most signals first."""
        caller = await caller_of(request, self._services, Scope.PII_READ)
        found = await self._services.store.read(caller.account_id, lambda tx: tx.missed_names.top(MAX_MISSED_NAMES))
        return success([_missed(one) for one in found])


def _read_one(written: bytes, prefix: Sequence[int], reading: Reading) -> DirectoryEntry:
    """Read one entry.

    Raises: Invalid: one fault per mistake, all at once; each pointer starts with *prefix*.
    """
    return parse(_ADAPTER, written, prefix, reading).entry()


_KINDS: Mapping[str, NameKind] = {kind: kind for kind in NAME_KINDS}


def _kind(query: QueryParams) -> NameKind | None:
    text = query.get("kind")
    if text is not None and text not in _KINDS:
        raise _refused(f"kind: must be one of {', '.join(NAME_KINDS)}")
    return None if text is None else _KINDS[text]


def _email(query: QueryParams) -> str | None:
    text = query.get("email")
    problem = None if text is None else email_problem(text)
    if problem is not None:
        raise _refused(f"email: {problem}")
    return text


def _refused(message: str) -> Invalid:
    return Invalid([Fault(FaultKind.WRONG_VALUE, "", message)])


def _rendered(entries: Sequence[DirectoryEntry]) -> list[dict[str, Any]]:
    return [_entry(entry) for entry in entries]


def _entry(entry: DirectoryEntry) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": entry.name.kind, "name": entry.name.value, "email": entry.email}
    return {**shown, "groups": list(entry.groups)} if entry.groups else shown


def _missed(one: MissedName) -> dict[str, Any]:
    return {
        "kind": one.name.kind,
        "name": one.name.value,
        "signals": one.signals,
        "last_at": one.last_at.isoformat().replace("+00:00", "Z"),
    }
