"""What the search over everything finds without the database: screens and documentation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from riskrelay.core.credentials import Scope
from riskrelay.web.console.navigation import SECTIONS
from riskrelay.web.documentation.library import library


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One result.

    Attributes:
        note: what else identifies it; empty: nothing.
    """

    title: str
    note: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page that the search knows.

    Attributes:
        path: below the account's URL, or of the whole service for documentation.
        words: other words by which people look for it.
        scope: the scope without which it is not found.
    """

    title: str
    path: str
    words: str = ""
    scope: Scope = Scope.READ


_MORE_SCREENS = (
    Place(title="New integration", path="/integrations/new", words="connect receiver okta create", scope=Scope.WRITE),
    Place(title="Bulk resets", path="/users/resets", words="reset many users clear"),
    Place(title="How levels end", path="/behaviors/levels", words="expiry expire decay duration"),
    Place(title="Try a change", path="/behaviors/try", words="trial simulate what if", scope=Scope.PII_READ),
    Place(title="Tokens", path="/settings", words="api credentials people", scope=Scope.OPERATE),
    Place(title="Audit log", path="/settings/audit", words="who changed history", scope=Scope.OPERATE),
    Place(title="Signing keys", path="/settings/keys", words="rotate jwks rotation", scope=Scope.OPERATE),
    Place(title="Health", path="/settings/health", words="doctor check status", scope=Scope.OPERATE),
)
SCREENS = (*(Place(title=one.title, path=one.path, scope=one.scope) for one in SECTIONS), *_MORE_SCREENS)


@cache
def documents() -> Sequence[Place]:
    """Return the pages of the documentation, in the order in which they are read."""
    return [
        Place(title=document.title, path=document.url, words=f"{section.title} docs documentation")
        for section in library().sections
        for document in section.documents
    ]


def places_for(search: str, places: Sequence[Place], may: Callable[[Scope], bool]) -> list[Place]:
    """Return the places in which every word of the search begins a word, those with a fitting title first.

    >>> [one.title for one in places_for("rot", SCREENS, lambda scope: True)]
    ['Signing keys']
    """
    wanted = search.casefold().split()
    fitting = [one for one in places if may(one.scope) and all(_begins(word, one) for word in wanted)]
    return sorted(fitting, key=lambda one: not one.title.casefold().startswith(search.casefold()))


def _begins(word: str, place: Place) -> bool:
    return any(known.startswith(word) for known in f"{place.title} {place.words}".casefold().split())
