"""The page of the contract: whole, self-contained, and with commands that a shell takes."""

import json
import re
import shlex
from html import unescape
from html.parser import HTMLParser

import pytest

from riskrelay.web.account_api.problem_table import PROBLEMS
from riskrelay.web.documentation import contract
from riskrelay.web.reference import Member, Reference
from support.contract import examples, operations, resolved

PAGE = Reference(contract()).page()
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Outline(HTMLParser):
    """What a browser would load and link to, and whether every element is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert "src" not in given
        assert not any(name.startswith("on") for name in given)
        self.tags.add(tag)
        self.ids += [value] if (value := given.get("id")) else []
        self.links += [value] if (value := given.get("href")) else []
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def outline() -> Outline:
    """The page, read as a browser reads it."""
    outline = Outline()
    outline.feed(PAGE)
    outline.close()
    return outline


def test_the_page_needs_nothing_but_itself(outline: Outline) -> None:
    """Well-formed; no script, nothing loaded, no link to elsewhere, and every link within it has its target."""
    assert outline.open == []
    assert not outline.tags & {"script", "link", "img", "iframe", "object", "embed"}
    assert "url(" not in PAGE
    assert "@import" not in PAGE
    for link in outline.links:
        assert link.startswith(("#", "/docs/errors/")) or link == "/openapi.json"
        assert not link.startswith("#") or link[1:] in outline.ids
    assert len(outline.ids) == len(set(outline.ids))


def test_every_operation_is_shown_with_all_that_it_has(outline: Outline) -> None:
    """Its id to link to, path, summary, parameters, members, an example of each body, and how it fails."""
    shown = unescape(PAGE)
    for path, method, operation in operations():
        start = PAGE.index(f'<article id="{operation["operationId"]}">')
        article = unescape(PAGE[start : PAGE.index("</article>", start)])
        assert f">{method.upper()}</span> <code>{path}</code>" in article
        assert f"#{operation['operationId']}" in outline.links
        for parameter in map(resolved, operation.get("parameters", [])):
            assert f"<code>{parameter['name']}</code>" in article
        for content in resolved(operation.get("requestBody", {})).get("content", {}).values():
            for example in examples(content):
                assert (
                    example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
                ) in article
        assert all(f"<strong>{status}</strong>" in article for status in operation["responses"])
    assert all(f'href="/docs/errors/{problem.code}"' in shown for problem in PROBLEMS)


def test_every_command_is_one_that_a_shell_takes() -> None:
    """curl, the method, the path with its parameters filled, and the whole body."""
    commands = re.findall(r"<pre>(curl .*?)</pre>", PAGE, re.DOTALL)
    assert len(commands) == len(list(operations()))
    for command in commands:
        words = shlex.split(unescape(command))
        assert words[:2] == ["curl", "-X"]
        assert words[3].startswith("$RISKRELAY_URL/")
        assert "{" not in words[3]
        if "Content-Type: application/json" in words:
            json.loads(words[words.index("--data-binary") + 1])


def test_members_are_shown_under_their_paths() -> None:
    """Of objects in objects and in arrays, with what may be null, from references and parts of schemas."""
    level = {"oneOf": [{"$ref": "#/components/schemas/Level"}, {"type": "null"}], "description": "How much."}
    change = {"allOf": [{"$ref": "#/components/schemas/Named"}], "properties": {"level": level}, "required": ["level"]}
    document = {
        "info": {"title": "t", "version": "1", "description": "d"},
        "tags": [{"name": "x", "description": "d"}],
        "components": {
            "schemas": {
                "Level": {"enum": ["low", "high"]},
                "Named": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 2550}}},
                "Changes": {"type": "object", "properties": {"changes": {"type": "array", "items": change}}},
            }
        },
        "paths": {},
    }
    members = list(Reference(document).members({"$ref": "#/components/schemas/Changes"}))
    assert members == [
        Member(name="changes", kind="array", required=False, text=""),
        Member(name="changes[].name", kind="string, at most 2,550", required=False, text=""),
        Member(name="changes[].level", kind="low | high | null", required=True, text="How much."),
    ]
