"""The index that the search of the documentation reads in the browser."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from riskrelay.web.documentation.contract import contract
from riskrelay.web.documentation.library import Document, Library
from riskrelay.web.documentation.markdown import name_headings, parse
from riskrelay.web.documentation.reference import METHODS, group_url

_MARKS = re.compile(r"[`*|]|\]\([^)]*\)|\[|<[^>]+>|^-+$", re.MULTILINE)
_SPACES = re.compile(r"\s+")


class Entry(NamedTuple):
    """One section of a page.

    Attributes:
        titles: the title of the section, and that of its page.
    """

    titles: tuple[str, str]
    url: str
    text: str


def search_index(library: Library) -> list[Entry]:
    """Return the sections of all documents and the operations of the API."""
    entries = list(_operations())
    for section in library.sections:
        for document in section.documents:
            entries += _sections(document)
    return entries


def _sections(document: Document) -> Iterator[Entry]:
    """Return one entry for each heading, with the text up to the next one."""
    tokens = parse(document.text)
    name_headings(tokens)
    lines = document.text.splitlines()
    starts = [
        (opening.map[1], str(opening.attrs["id"]), inline.content, opening.tag)
        for opening, inline in pairwise(tokens)
        if opening.type == "heading_open" and opening.map is not None
    ]
    ends = [start[0] - 1 for start in starts[1:]] + [len(lines)]
    for (line, anchor, title, tag), end in zip(starts, ends, strict=True):
        url = document.url if tag == "h1" else f"{document.url}#{anchor}"
        yield Entry((_plain(title), document.title), url, _plain("\n".join(lines[line:end])))


def _operations() -> Iterator[Entry]:
    for path, item in contract()["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                url = f"{group_url(operation['tags'][0])}#{operation['operationId']}"
                text = f"{method.upper()} {path} {operation['operationId']} {_plain(operation['description'])}"
                yield Entry((operation["summary"], "API"), url, text)


def _plain(text: str) -> str:
    return _SPACES.sub(" ", _MARKS.sub("", text)).strip()
