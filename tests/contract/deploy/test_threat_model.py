"""The threat model names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_every_control_names_tests_that_exist() -> None:
    """Each row of the tables of attacks ends with one test or more."""
    text = (ROOT / "docs/security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)
    assert len(named) > 50
    functions: dict[str, set[str]] = {}
    for file in {file for file, _ in named}:
        nodes = ast.walk(ast.parse((ROOT / file).read_text()))
        functions[file] = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert [f"{file}::{test}" for file, test in named if test not in functions[file]] == []
    tables = re.findall(r"^\| attack \| control \| shown by \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 30
    assert [row for row in rows if "::test_" not in row.rsplit("|", 2)[1]] == []
