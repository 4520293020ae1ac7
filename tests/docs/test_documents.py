"""The Markdown of the repository: links lead to something, and commands are run by a test or say why not."""

import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from riskrelay.mapping.shipped import shipped_texts
from riskrelay.web.documentation.markdown import join, name_headings, parse
from support.guides import blocks_of

ROOT = Path(__file__).parents[2]
ANCHOR = re.compile(r'<a id="([\w-]+)">')


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(
        name for name in set(listed.stdout.split()) if (ROOT / name).is_file() and name != "tests/docs/group.md"
    )


DOCUMENTS = _tracked()
SOURCES = "docs/guides/sources"
RUN = {
    "docs/start.md",
    *(name for name in DOCUMENTS if re.fullmatch(r"docs/guides/[\w-]+\.md", name)),
    *(f"{SOURCES}/{kind}.md" for kind in shipped_texts() if (ROOT / SOURCES / f"{kind}.md").is_file()),
    *(f"{SOURCES}/{name}.md" for name in ("README", "sending", "mappings")),
}
"""The documents whose `sh` blocks are run: tests/contract/guides. Of the README, a part is run, too."""


@cache
def anchors(name: str) -> set[str]:
    """The anchors of a document, as GitHub makes them."""
    text = (ROOT / name).read_text()
    tokens = parse(text)
    name_headings(tokens)
    return {str(token.attrs["id"]) for token in tokens if token.type == "heading_open"} | {*ANCHOR.findall(text)}


def links(name: str) -> list[str]:
    """The targets of the links and pictures of a document."""
    inline = [child for token in parse((ROOT / name).read_text()) for child in token.children or ()]
    return [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for child in inline
        if child.type in ("link_open", "image")
    ]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_to_a_file_and_an_anchor_that_exist(name: str) -> None:
    """Links within the repository are relative; others have https, or lead to this machine."""
    missing = []
    for link in links(name):
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme in ("https", "mailto") or parts.hostname == "127.0.0.1", link
            continue
        target = join(name.rpartition("/")[0], parts.path) if parts.path else name
        has_anchors = parts.fragment and target.endswith(".md")
        if not (ROOT / target).exists() or (has_anchors and parts.fragment not in anchors(target)):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_block_of_commands_is_run_or_says_why_not(name: str) -> None:
    """`sh` blocks of documents that are run; the line before every other one is `<!-- not run: why -->`."""
    blocks = [block for block in blocks_of(ROOT / name) if block.language in ("sh", "bash", "shell", "console")]
    silent = [block.text for block in blocks if not block.not_run and not (block.language == "sh" and name in RUN)]
    started = (ROOT / "README.md").read_text().partition("\n## Use it\n")[2].partition("The receiver shows")[0]
    assert [text for text in silent if text not in started or name != "README.md"] == []


def test_a_document_that_is_run_exists_and_has_commands() -> None:
    """Nothing is listed here that is gone."""
    assert [name for name in RUN if not any(block.is_run for block in blocks_of(ROOT / name))] == []


def test_every_path_of_the_documentation_that_the_program_names_has_a_page() -> None:
    """In errors, advice of doctor and of health, the console, the command line, alerts and the contract."""
    from riskrelay.web.documentation.site import site

    found = set()
    places = [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.html"), ROOT / "specs/openapi.yaml"]
    places += [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    for place in places:
        for path, anchor in re.findall(r"(?<![\w.])(/docs(?:/[a-z0-9_-]+)*)(#[\w-]+)?", place.read_text()):
            found.add((path, anchor))
    pages = site().paths()
    assert [
        path for path, _ in found if path not in pages and path not in ("/docs/errors", "/docs/static", "/docs/api")
    ] == []
    for path, anchor in found:
        page = site().page(path) if anchor else None
        assert page is None or f'id="{anchor[1:]}"' in page.plain.body.decode(), (path, anchor)
