"""The directory: names that signals were lost for, and the entries."""

from collections.abc import Callable, Mapping

from starlette.responses import Response

from riskrelay.actions.directory import delete_entries, put_entries
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.sources.directory import NAME_KINDS, DirectoryEntry, MissedName, name_key
from riskrelay.core.sources.signals import Name, NameKind
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.directory import EntryBody
from riskrelay.web.console.csv_files import csv_response
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.lists import limit_of, page_of, search_of, wants_csv
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.paging import Text, place_of, read_place, split
from riskrelay.web.console.visits import Visit

_SHOWN_MISSED = 50  # chosen: more than a person adds by hand; the API returns all

KIND_WORDS: Mapping[NameKind, str] = {
    "user_name": "User name",
    "upn": "User principal name",
    "host": "Host",
    "device_id": "Device id",
    "sub": "Subject (sub)",
}


class DirectoryScreens:
    """The handlers of the directory."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show names of lost signals and entries, or the entries of one name or one user."""
        return await self._page(visit)

    async def put(self, visit: Visit) -> Response:
        """Add an entry, or change its address."""
        fields: dict[str, object] = {name: visit.form.get(name, "").strip() for name in ("kind", "name", "email")}
        fields["groups"] = [group for text in visit.form.get("groups", "").split(";") if (group := text.strip())]
        try:
            entry = read_fields(EntryBody, fields).entry()
            await put_entries(self._services, visit.account, visit.actor, [entry])
        except Invalid as error:
            problems = problems_of(error)
            of_group = next((message for place, message in problems.items() if place.isdecimal()), None)
            shown = problems if of_group is None else {**problems, "groups": of_group}
            return await self._page(visit, shown, 400)
        return self._pages.see(account_path(visit.account, "directory"), done="directory-saved")

    async def delete(self, visit: Visit) -> Response:
        """Delete an entry."""
        name = Name(kind=_kind(visit.form.get("kind", "")), value=visit.form.get("name", ""))
        await delete_entries(self._services, visit.account, visit.actor, [name])
        return self._pages.see(account_path(visit.account, "directory"), done="directory-deleted")

    async def _page(self, visit: Visit, problems: Mapping[str, str] | None = None, status: int = 200) -> Response:
        """Return the page.

        Args:
            problems: the problems of the form, by field.
        """
        missed, entries, older = await self._services.store.read(visit.account, lambda tx: _read(tx, visit))
        if wants_csv(visit):
            return csv_response("directory", _COLUMNS, entries)
        return self._pages.page(
            visit,
            "directory.html",
            status,
            missed=missed,
            view=page_of(visit, entries, older, placeholder="Whole name or whole email"),
            kinds=KIND_WORDS,
            filled=visit.form or visit.query,
            problems=problems or {},
            may_change=visit.may(Scope.WRITE),
        )


_COLUMNS: Mapping[str, Callable[[DirectoryEntry], object]] = {
    "Name": lambda entry: entry.name.value,
    "Kind": lambda entry: entry.name.kind,
    "Email": lambda entry: entry.email,
    "Groups": lambda entry: "; ".join(entry.groups),
}


def _read(tx: Transaction, visit: Visit) -> tuple[list[MissedName], list[DirectoryEntry], str | None]:
    """Return missed names, a page of entries, and the position after which the next page starts."""
    search, limit = search_of(visit), limit_of(visit)
    if "@" in search and (found := tx.directory.page(None, search, None, limit - 1)):
        return [], found, None
    if search:
        return [], tx.directory.find(search), None
    place = read_place(visit.query.get("after"), tuple[Text, Text])
    page, last = split(tx.directory.page(None, None, place, limit), limit - 1)
    missed = tx.missed_names.top(_SHOWN_MISSED) if place is None else []
    older = None if last is None else place_of(last.name.kind, name_key(last.name))
    return missed, list(page), older


def _kind(text: str) -> NameKind:
    """Read the kind of a name.

    Raises: Invalid: the text is not a kind.
    """
    for kind in NAME_KINDS:
        if text == kind:
            return kind
    raise Invalid([Fault(FaultKind.WRONG_VALUE, "", f"kind must be one of {', '.join(NAME_KINDS)}")])
