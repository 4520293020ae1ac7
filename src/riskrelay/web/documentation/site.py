"""All pages below /docs. Each is built when it is first requested, and then kept in memory."""

from collections.abc import Callable
from functools import cache, partial

import msgspec

from riskrelay.web.account_api.problem_table import PROBLEMS, ROWS
from riskrelay.web.documentation.contract import contract
from riskrelay.web.documentation.library import BASE, HOME, Document, Library, library, url_of
from riskrelay.web.documentation.markdown import render
from riskrelay.web.documentation.reference import Group, Reference, group_url
from riskrelay.web.documentation.representations import Page
from riskrelay.web.documentation.search import search_index
from riskrelay.web.documentation.templating import SEARCH, media_type_of, page_of, static_pages

ERRORS = f"{BASE}/errors"
MISSING = ""  # no path of a page

_TEMPLATES = {HOME: "home.html", "api.md": "api.html"}


class Site:
    """The pages, by their paths. A path that is not listed here leads to nothing, whatever it contains."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._groups = list(Reference(contract()).groups())
        self._order = [document for section in library.sections for document in section.documents]
        self._pages = dict(static_pages())
        self._builders: dict[str, Callable[[], Page]] = {
            **{url: partial(self._picture, url) for url in library.pictures},
            **{document.url: partial(self._document, document) for document in library.documents.values()},
            **{group_url(group.name): partial(self._group, group) for group in self._groups},
            **{f"{ERRORS}/{problem.code}": partial(self._error, problem) for problem in PROBLEMS},
            ERRORS: self._errors,
            SEARCH: self._search,
            MISSING: partial(self._fill, "missing.html", current=""),
        }

    def paths(self) -> set[str]:
        """Return the paths of all pages."""
        return {*self._builders, *self._pages} - {MISSING}

    def page(self, path: str) -> Page | None:
        """Return the page at *path*; None if there is none."""
        if path not in self._pages and path in self._builders:
            self._pages[path] = self._builders[path]()
        return self._pages.get(path)

    def resolve(self, path: str) -> str | None:
        """Return the URL of a file of the repository, such as `docs/settings.md`; None if it is not served."""
        if path == "specs/openapi.yaml":
            return "/openapi.json"
        folder, _, name = path.partition("/")
        if folder != "docs":
            return None
        documents = (one for one in (name, f"{name}/{HOME}".lstrip("/")) if one in self._library.documents)
        url = f"{BASE}/{name}"
        return url if url in self._library.pictures else next(map(url_of, documents), None)

    def _fill(self, template: str, **values: object) -> Page:
        shared = {"sections": self._library.sections, "groups": self._groups, "headings": (), "group": None}
        return page_of(template, **{**shared, **values})

    def _document(self, document: Document) -> Page:
        rendered = render(document.text, f"docs/{document.name}".rpartition("/")[0], self.resolve)
        place = self._order.index(document) if document in self._order else None
        return self._fill(
            _TEMPLATES.get(document.name, "document.html"),
            document=document,
            content=rendered.html,
            headings=rendered.headings,
            current=document.url,
            before=self._order[place - 1] if place else None,
            after=None if place is None else next(iter(self._order[place + 1 :]), None),
            problems=sorted(ROWS, key=lambda row: (row.code, row.status)),
        )

    def _group(self, group: Group) -> Page:
        return self._fill("group.html", group=group, current=group_url(group.name))

    def _error(self, problem: object) -> Page:
        return self._fill("error.html", problem=problem, current=ERRORS)

    def _errors(self) -> Page:
        return self._fill("errors.html", problems=PROBLEMS, current=ERRORS)

    def _picture(self, url: str) -> Page:
        return Page.of(self._library.pictures[url].read_bytes(), media_type_of(url))

    def _search(self) -> Page:
        return Page.of(msgspec.json.encode(search_index(self._library)), "application/json")


@cache
def site() -> Site:
    """Return the documentation of this version of the service."""
    return Site(library())
