"""Render the Markdown of docs/ as HTML: links to other documents, anchors of headings, highlighted code."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

Resolve = Callable[[str], str | None]
"""Returns the URL of a path below the repository, such as `docs/guides/okta.md`; None if it is not served."""

_PLAIN = {"", "text", "csv"}
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
_ALIGNED = re.compile(r"text-align:(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading below the title of a page."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A page: its HTML, and its headings in order, without the title."""

    html: str
    headings: Sequence[Heading]


def render(text: str, folder: str, resolve: Resolve) -> Rendered:
    """Render a document.

    Args:
        folder: the folder of the document below the repository, such as `docs/guides`. Links are relative to it.
    """
    parser = _parser()
    tokens = parser.parse(text)
    headings = name_headings(tokens)
    for token in tokens:
        _style(token)
        if token.children is not None:
            token.children = _linked(token.children, folder, resolve)
    return Rendered(html=parser.renderer.render(tokens, parser.options, {}), headings=headings)


def name_headings(tokens: "Sequence[Token]") -> list[Heading]:
    """Give each heading the anchor that GitHub gives it, and return those below the title."""
    used: dict[str, int] = {}
    headings = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = _text(inline.children or ())
            anchor = anchor_of(text, used)
            opening.attrSet("id", anchor)
            headings.append(Heading(level=int(opening.tag[1:]), anchor=anchor, text=text))
    return [heading for heading in headings if heading.level > 1]


def parse(text: str) -> "list[Token]":
    """Return the tokens of a document."""
    return _parser().parse(text)


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # only a page of the documentation needs it, not the start of the service

    # HTML is allowed because the documents are the service's own; the content security policy stops scripts anyway.
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("table_open", lambda *_: '<div class="scroll" tabindex="0"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _text(children: "Sequence[Token]") -> str:
    return "".join(child.content for child in children if child.type in ("text", "code_inline"))


def anchor_of(text: str, used: dict[str, int]) -> str:
    """Return the anchor of a heading as GitHub makes it: a repeated one gets a number.

    >>> used = {}
    >>> anchor_of("The database's disk", used), anchor_of("What `ack` does", used), anchor_of("What ack does", used)
    ('the-databases-disk', 'what-ack-does', 'what-ack-does-1')
    """
    name = _NOT_IN_ANCHORS.sub("", text.lower()).replace(" ", "-")
    count = used.get(name, 0)
    used[name] = count + 1
    return f"{name}-{count}" if count else name


def _style(token: "Token") -> None:
    """Replace the inline style of an aligned cell, which the content security policy forbids, by a class."""
    style = str(token.attrs.pop("style", ""))
    if aligned := _ALIGNED.search(style):
        token.attrSet("class", f"align-{aligned[1]}")


def _linked(children: "Sequence[Token]", folder: str, resolve: Resolve) -> "list[Token]":
    """Rewrite links and pictures. The text of a link to a file that is not served stays, without the link."""
    kept: list[Token] = []
    removed = 0
    for child in children:
        if child.type == "image":
            child.attrSet("src", target(str(child.attrs["src"]), folder, resolve) or "")
            child.attrSet("loading", "lazy")
        if child.type == "link_open":
            url = target(str(child.attrs["href"]), folder, resolve)
            if url is None:
                removed += 1
                continue
            child.attrSet("href", url)
            if urlsplit(url).netloc:
                child.attrSet("rel", "noreferrer")
        if child.type == "link_close" and removed:
            removed -= 1
            continue
        kept.append(child)
    return kept


def target(link: str, folder: str, resolve: Resolve) -> str | None:
    """Return the URL that *link* leads to, seen from *folder*; None if the file is not served."""
    parts = urlsplit(link)
    if parts.scheme or link.startswith(("#", "/")):
        return link
    url = resolve(join(folder, parts.path))
    return None if url is None else url + (f"#{parts.fragment}" if parts.fragment else "")


def join(folder: str, path: str) -> str:
    """Return the path below the repository that a relative link in *folder* leads to.

    >>> join("docs/guides", "../adr/0001-x.md"), join("docs", "guides/"), join("docs", "../../../etc/passwd")
    ('docs/adr/0001-x.md', 'docs/guides', 'etc/passwd')
    """
    parts: list[str] = []
    for part in PurePosixPath(folder, path).parts:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return "/".join(parts)


def _fence(_renderer: object, tokens: "Sequence[Token]", index: int, *_others: object) -> str:
    """Render a code block, with the name of the file that the reader saves it as."""
    language, _, file = tokens[index].info.strip().partition(" ")
    name = f'<p class="file">{escape(file)}</p>' if file else ""
    code = highlighted(tokens[index].content, language)
    return f'<div class="code">{name}<pre tabindex="0"><code>{code}</code></pre></div>\n'


def highlighted(code: str, language: str) -> str:
    """Return *code* as HTML, its parts in spans with classes."""
    if language in _PLAIN:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
