"""The static site: it has all documents, and loads nothing from another host."""

import re
from io import BytesIO
from pathlib import Path

from mkdocs.commands.build import build
from mkdocs.config import load_config

from docs.site import configuration, groups, navigation, write_sources
from docs.write import DIRECTORY


def test_every_document_and_every_group_of_operations_is_in_the_contents() -> None:
    """Once, in the order of the service."""
    home, *sections = navigation()
    listed = [
        name for section in sections for entries in section.values() for entry in entries for name in entry.values()
    ]
    documents = {path.relative_to(DIRECTORY).as_posix() for path in DIRECTORY.rglob("*.md")}
    assert home == {"Documentation": "README.md"}
    assert sorted(listed) == sorted({*documents, *(f"api/{group.name}.md" for group in groups())} - {"README.md"})


def test_a_link_names_a_file_of_the_site(tmp_path: Path) -> None:
    """A link to a folder opens on GitHub only."""
    write_sources(tmp_path / "sources")
    folders = {
        (path.name, link)
        for path in (tmp_path / "sources").rglob("*.md")
        for link in re.findall(r"\]\(([^)#\s]+/)\)", path.read_text())
        if not re.match(r"[a-z]+:", link)
    }
    assert folders == set()


def test_the_site_is_built_with_a_search_and_loads_nothing_from_another_host(tmp_path: Path) -> None:
    """Two pages of it: a document and a group of operations, with examples in tabs."""
    sources, site = tmp_path / "sources", tmp_path / "site"
    write_sources(sources)
    kept = {"README.md", "api/integrations.md"}
    for path in sources.rglob("*.md"):
        if path.relative_to(sources).as_posix() not in kept:
            path.unlink()
    nav = [{"Documentation": "README.md"}, {"Integrations": "api/integrations.md"}]
    settings = {**configuration(sources, site), "nav": nav, "strict": False, "validation": {"links": {}}}
    build(load_config(BytesIO(b"{}"), **settings))
    page = (site / "api/integrations/index.html").read_text()
    assert 'id="createIntegration"' in page
    assert all(label in page for label in ("curl", "Python", "TypeScript", "Go", "Terraform"))
    assert "createIntegration" in (site / "search/search_index.json").read_text()
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]*)"', page)
    assert loaded == []
