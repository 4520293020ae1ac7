"""What the program says points to no file that a user of the wheel does not have."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import riskrelay

PACKAGE = Path(riskrelay.__file__).parent
ROOT = PACKAGE.parents[1]
_KINDS = "md|py|toml|ya?ml|json|service|sh|conf|html|txt"
_FILE = re.compile(rf"(?<![\w:.-])(?!/)[\w.-]+(?:/[\w.-]+)+\.(?:{_KINDS})\b|\b[A-Z_]+\.md\b")
_NO_TEXT = re.compile(r"{[%#].*?[%#]}|https?://\S+|/console/static/\S+", re.DOTALL)


def names_in(text: str) -> list[str]:
    """The files that a text names."""
    return _FILE.findall(_NO_TEXT.sub("", text))


def in_the_wheel() -> set[str]:
    """The paths of the wheel: the package, and what pyproject.toml adds to it."""
    found = {str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts}
    return found | {"riskrelay/web/openapi.yaml"}


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module that the program may show: each string but docstrings; those of commands are their help."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    documentation = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    if file.parent.name == "cli":
        documentation -= {
            id(node.body[0].value)  # type: ignore[attr-defined]
            for node in nodes
            if isinstance(node, ast.FunctionDef) and _has_help(node)
        }
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def _has_help(function: ast.FunctionDef) -> bool:
    return not function.name.startswith("_") and isinstance(function.body[0], ast.Expr)


def test_every_file_that_a_text_names_is_in_the_wheel() -> None:
    """In messages, advice, help and pages. A user has no docs/: name a command, or a page such as /docs/settings."""
    wheel = in_the_wheel()
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.parent.name in ("versions", "documentation"):  # migrations; and the names of the pages that are served
            continue
        for line, text in texts(file):
            found += [f"{file.relative_to(ROOT)}:{line} {name}" for name in names_in(text) if name not in wheel]
    for file in sorted([*PACKAGE.rglob("*.html"), ROOT / "specs/openapi.yaml"]):
        names = _FILE.findall(
            re.sub(r"{[%#].*?[%#]}|https?://\S+|/console/static/\S+", "", file.read_text(), flags=re.S)
        )
        found += [f"{file.relative_to(ROOT)} {name}" for name in names if name not in wheel]
    assert found == []


def test_a_file_that_is_not_in_the_wheel_is_found() -> None:
    """The pattern finds paths and names of documents, and no URL, media type or pair of words."""
    assert names_in("see docs/guides/operate.md, deploy/riskrelay.service or CHANGELOG.md") == [
        "docs/guides/operate.md",
        "deploy/riskrelay.service",
        "CHANGELOG.md",
    ]
    assert names_in("https://a.example/docs/x.md application/json and/or /openapi.json GET …/summary") == []
