"""Screens and documentation in the search over everything."""

from riskrelay.core.credentials import Scope
from riskrelay.web.console.navigation import SECTIONS, groups_for
from riskrelay.web.console.palette import SCREENS, documents, places_for


def titles(search: str, *scopes: Scope) -> list[str]:
    return [one.title for one in places_for(search, SCREENS, lambda scope: scope in scopes)]


def test_every_word_begins_a_word_of_what_is_found() -> None:
    """Of the title or of other words for it; a screen whose title begins with the text is first."""
    assert titles("log aud", *Scope) == ["Audit log"]
    assert titles("doctor", *Scope) == ["Health"]
    assert titles("le", *Scope)[0] != "Audit log"
    assert titles("evels", *Scope) == []
    assert titles("", Scope.READ)[:2] == ["Overview", "Live"]


def test_a_screen_that_the_token_cannot_open_is_not_found() -> None:
    """The same holds for the navigation."""
    assert titles("tokens", Scope.READ) == []
    assert titles("users", Scope.READ) == ["Bulk resets"]
    assert [entry.title for _, entries in groups_for(lambda scope: scope is Scope.OPERATE) for entry in entries] == [
        "Settings"
    ]


def test_a_letter_opens_one_section() -> None:
    """And each group has one heading."""
    assert len({section.key for section in SECTIONS}) == len(SECTIONS)
    groups = [title for title, _ in groups_for(lambda scope: True)]
    assert len(set(groups)) == len(groups)


def test_the_documentation_is_found_by_its_titles() -> None:
    """At the address at which the service serves it."""
    found = places_for("settings", documents(), lambda scope: True)
    assert "/docs/settings" in [one.path for one in found]
