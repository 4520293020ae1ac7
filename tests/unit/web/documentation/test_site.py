"""The pages below /docs: whole, self-contained, and with links that lead to something."""

import json
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from riskrelay.web.documentation.library import _PLANS, library, read_library
from riskrelay.web.documentation.site import Site, site

DOCS = Path(__file__).parents[4] / "docs"
VOID = {"meta", "link", "br", "img", "input", "hr"}
PAGES = sorted(path for path in site().paths() if "." not in path.rpartition("/")[2])
ELSEWHERE = {"/console", "/openapi.json"}


class Outline(HTMLParser):
    """What a browser would load and link to, and whether every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.alts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert "style" not in given  # the content security policy forbids it
        assert not any(name.startswith("on") for name in given)
        assert tag not in {"iframe", "object", "embed", "style", "base"}
        assert tag != "script" or given["src"]
        self.ids += [value] if (value := given.get("id")) else []
        self.loaded += [value] if (value := given.get("src")) else []
        if tag == "link":
            self.loaded.append(given["href"] or "")
        elif "href" in given:
            self.links.append(given["href"] or "")
        if tag == "img":
            self.alts.append(given.get("alt"))
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag


@cache
def outline(path: str) -> Outline:
    """A page, read as a browser reads it."""
    page = site().page(path)
    assert page is not None
    read = Outline()
    read.feed(page.plain.body.decode())
    read.close()
    return read


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_well_formed_and_loads_only_files_of_the_service(path: str) -> None:
    """No inline scripts, styles or handlers; ids are unique; pictures have a text; nothing is loaded from elsewhere."""
    page = outline(path)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert [url for url in page.loaded if urlsplit(url).path not in site().paths()] == []
    assert None not in page.alts


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_to_a_page_and_an_anchor_that_exist(path: str) -> None:
    """Links to other sites have https."""
    missing = []
    for link in outline(path).links:
        parts = urlsplit(link)
        if parts.netloc:
            assert parts.scheme == "https"
        elif parts.path not in ELSEWHERE:
            target = parts.path or path
            if target not in site().paths() or (parts.fragment and parts.fragment not in outline(target).ids):
                missing.append(link)
    assert missing == []


def test_every_document_is_served_and_can_be_found_from_the_contents() -> None:
    """Each Markdown file of docs/ has a page, and every page but the first is in one section."""
    names = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert names == library().documents.keys()
    listed = [document.name for section in library().sections for document in section.documents]
    assert sorted(listed) == sorted(names - {"README.md"})


def test_every_document_that_the_contents_name_exists() -> None:
    """Once, and nothing is named that is gone."""
    named = [name for plan in _PLANS for name in plan.first]
    assert len(named) == len(set(named))
    assert [name for name in named if name not in library().documents] == []


def test_a_path_that_is_not_listed_leads_to_nothing() -> None:
    """Paths are compared with a list, so no path leads out of it, and none is remembered."""
    for path in ("/docs/../../etc/passwd", "/docs//etc/passwd", "/docs/guides/okta.md", "/docs/Guides/okta", "/docs/"):
        assert site().page(path) is None
    assert len(site().paths()) < 500


def test_a_new_document_appears_in_the_section_of_its_folder(tmp_path: Path) -> None:
    """Named documents come first, in their order; a link to a file that is not served is only text."""
    (tmp_path / "guides").mkdir()
    (tmp_path / "README.md").write_text("# Home\n")
    (tmp_path / "guides/aaa.md").write_text("# A new guide\n\n[Okta](okta.md#x) and [a file](../../Makefile)\n")
    (tmp_path / "guides/okta.md").write_text("# Connect Okta\n\n## X\n")
    (tmp_path / "guides/secret.txt").write_text("not a document")
    made = read_library(tmp_path)
    (section,) = made.sections
    assert [document.title for document in section.documents] == ["Connect Okta", "A new guide"]
    page = Site(made).page("/docs/guides/aaa")
    assert page is not None
    assert '<a href="/docs/guides/okta#x">Okta</a> and a file' in page.plain.body.decode()
    assert "/docs/guides/secret.txt" not in Site(made).paths()


def test_the_search_finds_sections_by_their_text_and_operations_by_their_names() -> None:
    """Each entry leads to a page and an anchor that exist."""
    page = site().page("/docs/search.json")
    assert page is not None
    entries = json.loads(page.plain.body)
    assert len(entries) > 400
    missing = []
    for _, url, _ in entries:
        parts = urlsplit(url)
        if parts.path not in site().paths() or (parts.fragment and parts.fragment not in outline(parts.path).ids):
            missing.append(url)
    assert missing == []
    found = {url: (title, text) for (title, _), url, text in entries}
    assert found["/docs/api/delivery#limitIntegration"][0] == "Set delivery limits"
    assert "pg_terminate_backend" in found["/docs/guides/operate#a-migration-waits-for-a-lock"][1]
    assert not any("`" in text or "](" in text for _, text in found.values())
