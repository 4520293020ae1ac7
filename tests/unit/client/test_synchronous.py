"""The synchronous client is what the generator makes of the asynchronous one."""

import ast
from pathlib import Path

import pytest

from support.synchronous import CLIENT, HAND_WRITTEN, generated


def meaning(text: str) -> str:
    """The syntax tree of a module, whatever the order and layout of its imports."""
    tree = ast.parse(text)
    imports = [statement for statement in tree.body if isinstance(statement, ast.Import | ast.ImportFrom)]
    for statement in imports:
        statement.names.sort(key=lambda alias: alias.name)
    rest = [statement for statement in tree.body if statement not in imports]
    return "\n".join([*sorted(map(ast.dump, imports)), *map(ast.dump, rest)])


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_a_module_is_generated(path: Path) -> None:
    """After a change of `riskrelay.client.aio`: make client."""
    assert meaning(path.read_text()) == meaning(generated()[path])


def test_no_other_module_is_there() -> None:
    """A module that was deleted or renamed on one side is so on the other."""
    names = {path.name for path in (CLIENT / "sync").glob("*.py")}
    assert names - HAND_WRITTEN == {path.name for path in generated()}
