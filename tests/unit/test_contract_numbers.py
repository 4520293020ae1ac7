"""Every number of the account API's contract is proven by a test whose docstring names it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

NUMBERS = range(1, 25)
TESTS = Path(__file__).parents[1]
_NAMED = re.compile(r"\b[Cc]ontract (\d+(?:(?:, | and | to )\d+)*)")


def docstrings() -> Iterator[tuple[str, str]]:
    """Every test with its docstring."""
    for path in TESTS.rglob("test_*.py"):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{path.relative_to(TESTS)}::{node.name}", ast.get_docstring(node) or ""


def numbers_in(docstring: str) -> set[int]:
    """The numbers that a docstring names.

    >>> sorted(numbers_in("Contract 1 to 3, 9: and contract 7"))
    [1, 2, 3, 7, 9]
    """
    found: set[int] = set()
    for named in _NAMED.findall(docstring):
        for part in re.split(r", | and ", named):
            first, _, last = part.partition(" to ")
            found.update(range(int(first), int(last or first) + 1))
    return found


def test_every_number_has_a_test() -> None:
    """1 to 24; and no test names a number that is not there."""
    proven: dict[int, list[str]] = defaultdict(list)
    for name, docstring in docstrings():
        for number in numbers_in(docstring):
            proven[number].append(name)
    assert sorted(proven) == list(NUMBERS)
    print("\n".join(f"{number}: {', '.join(names)}" for number, names in sorted(proven.items())))
