"""Advice of the service speaks of commands, not of requests, when a command prints it."""

import ast
import re
from pathlib import Path

import riskrelay
from riskrelay.cli.hints import in_commands

SOURCE = Path(riskrelay.__file__).parent
_REQUEST = re.compile(r"\b(GET|PUT|POST|DELETE) …/")


def advice() -> list[str]:
    """Texts that name a request, in the modules whose messages reach a command; not those of the error pages."""
    found = []
    for file in (*SOURCE.glob("actions/*.py"), *SOURCE.glob("core/**/*.py"), *SOURCE.glob("web/account_api/*.py")):
        tree = ast.parse(file.read_text())
        documents = {
            id(keyword.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            for keyword in node.keywords
            if keyword.arg in ("explanation", "wrong", "right", "fix")
        }
        inside = {id(part) for node in ast.walk(tree) if id(node) in documents for part in ast.walk(node)}
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | docstrings:
                found += [node.value] if _REQUEST.search(node.value) else []
    return found


def test_every_request_in_an_advice_has_a_command() -> None:
    """A new message that names a request needs its words in cli/hints.py."""
    assert len(advice()) >= 3
    assert [text for text in advice() if _REQUEST.search(in_commands(text))] == []
