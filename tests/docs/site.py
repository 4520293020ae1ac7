"""The static site of docs/, with a page for each group of operations and a search that needs no server: `make docs`."""

import logging
import re
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from mkdocs.commands.build import build
from mkdocs.config import load_config

from docs.write import DIRECTORY
from riskrelay.web.documentation.contract import contract
from riskrelay.web.documentation.library import HOME, library
from riskrelay.web.documentation.markdown import anchor_of, join
from riskrelay.web.documentation.reference import Group, Reference

ROOT = DIRECTORY.parent
BUILD = ROOT / ".local" / "site-sources"
SITE = ROOT / "site"

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)


def write_sources(directory: Path) -> None:
    """Write what the site is built from: docs/, the contract, and the pages of the API reference."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(DIRECTORY, directory)
    shutil.copy(ROOT / "specs" / "openapi.yaml", directory)
    for document in library().documents.values():
        folder = f"docs/{document.name}".rpartition("/")[0]
        (directory / document.name).write_text(without_outer_links(document.text, folder))
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True)
    (directory / "api").mkdir()
    for group in groups():
        page = templates.get_template("group.md").render(group=group, indented=_indented)
        (directory / "api" / f"{group.name}.md").write_text(page)


def groups() -> list[Group]:
    """The groups of operations."""
    return list(Reference(contract()).groups())


def without_outer_links(text: str, folder: str) -> str:
    """Replace links to files outside of docs/ by their text; the contract is part of the site.

    >>> without_outer_links("[a](b.md), [c](../Makefile), [d](../specs/openapi.yaml)", "docs")
    '[a](b.md), c, [d](openapi.yaml)'
    """

    def replaced(match: re.Match[str]) -> str:
        words, link = match.groups()
        if re.match(r"[a-z]+:|#", link):
            return match[0]
        path = join(folder, link.partition("#")[0])
        if path == "specs/openapi.yaml":
            return f"[{words}]({'../' * folder.count('/')}openapi.yaml)"
        return match[0] if path.startswith("docs") else words

    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else _LINK.sub(replaced, part) for part in parts)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.split("\n"))


def navigation() -> list[dict[str, Any]]:
    """The contents of the site: those of the service, with the groups of operations."""
    found: list[dict[str, Any]] = [{"Documentation": HOME}]
    for section in library().sections:
        entries: list[dict[str, str]] = [{document.title: document.name} for document in section.documents]
        if section.title == "API reference":
            entries[1:1] = [{group.title: f"api/{group.name}.md"} for group in groups()]
        found.append({section.title: entries})
    return found


def configuration(sources: Path, site: Path) -> dict[str, Any]:
    """The settings of MkDocs. Nothing is loaded from another host, and the search needs no server."""
    return {
        "site_name": "riskrelay",
        "docs_dir": str(sources),
        "site_dir": str(site),
        "nav": navigation(),
        "theme": {
            "name": "material",
            "font": False,
            "features": ["content.code.copy", "content.tabs.link", "navigation.footer", "search.highlight"],
            "palette": [
                {"media": "(prefers-color-scheme: light)", "scheme": "default", "primary": "indigo"},
                {"media": "(prefers-color-scheme: dark)", "scheme": "slate", "primary": "indigo"},
            ],
        },
        "plugins": ["search"],
        "markdown_extensions": [
            *("tables", "attr_list", "md_in_html", "pymdownx.superfences", "pymdownx.highlight"),
            {"pymdownx.tabbed": {"alternate_style": True}},
            {"toc": {"slugify": _slug, "permalink": True, "toc_depth": "2-3"}},
        ],
        "validation": {"links": {"anchors": "warn", "unrecognized_links": "warn"}, "nav": {"omitted_files": "warn"}},
        "strict": True,
    }


def _slug(text: str, _separator: str) -> str:
    """The anchor of a heading, as GitHub and the service make it."""
    return anchor_of(text, {})


def build_site(sources: Path, site: Path) -> None:
    """Build the site. A link or an anchor that does not exist is an error."""
    write_sources(sources)
    build(load_config(BytesIO(b"{}"), **configuration(sources, site)))


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # which link is wrong
    build_site(BUILD, SITE)
