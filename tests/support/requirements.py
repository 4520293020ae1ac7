"""specs/requirements.csv: what the specifications demand of us, with proofs; and docs/conformance.md, made from it.

`PYTHONPATH=tests python -m support.requirements > docs/conformance.md` makes the page.
"""

import ast
import csv
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "specs" / "requirements.csv"
DIVERGENCES = ROOT / "docs" / "divergences.md"
PAGE = ROOT / "docs" / "conformance.md"

LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT")
PARTIES = ("transmitter", "receiver", "both")
STANDINGS = ("covered", "diverged", "not applicable", "open")


@dataclass(frozen=True)
class Requirement:
    """One demand of one specification, in our own words.

    Attributes:
        id: document, section, and a number within the section.
        binds: whom it binds: the transmitter, the receiver that we ship, or both.
        tests: `path::name` of each test that proves it.
        divergence: the anchor of the line in docs/divergences.md that says what we do instead; mostly empty.
        not_applicable: why it does not bind us; empty when it does.
    """

    id: str
    document: str
    section: str
    level: str
    binds: str
    text: str
    tests: tuple[str, ...]
    divergence: str
    not_applicable: str

    @property
    def standing(self) -> str:
        """How we stand to it, one of STANDINGS. A divergence outweighs tests."""
        if self.divergence:
            return "diverged"
        if self.tests:
            return "covered"
        return "not applicable" if self.not_applicable else "open"


def read_requirements() -> list[Requirement]:
    """All requirements, in the order of the file."""
    with REQUIREMENTS.open(newline="") as file:
        return [Requirement(tests=tuple(row.pop("tests").split()), **row) for row in csv.DictReader(file)]


@cache
def tests_of(path: str) -> frozenset[str]:
    """The names of the test functions in a file below the root; empty when there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, functions) and node.name.startswith("test_")
    )


def is_a_test(named: str) -> bool:
    """Whether `path::name` is a test of this project."""
    path, _, name = named.partition("::")
    return name in tests_of(path)


def render_page(requirements: list[Requirement]) -> str:
    """docs/conformance.md."""
    lines = [
        "# Conformance",
        "",
        "Made by `PYTHONPATH=tests python -m support.requirements` from",
        "[specs/requirements.csv](../specs/requirements.csv); do not edit.",
        "",
        "Every MUST, MUST NOT, SHOULD and SHOULD NOT (with REQUIRED, SHALL, RECOMMENDED and their opposites) of these",
        "texts that binds a transmitter, or the receiver that riskrelay ships, in our own words. What a text leaves to",
        "the implementer (MAY, OPTIONAL) is in [choices.md](choices.md).",
        "",
        *_counts(requirements),
    ]
    for document in dict.fromkeys(row.document for row in requirements):
        lines += ["", f"## {document}", "", "| id | level | binds | requirement | proof |", "|---|---|---|---|---|"]
        lines += [_line(row) for row in requirements if row.document == document]
    return "\n".join([*lines, ""])


def _counts(requirements: list[Requirement]) -> list[str]:
    standings = [one for one in STANDINGS if any(row.standing == one for row in requirements)]
    lines = [f"| text | {' | '.join(standings)} | all |", "|---" * (len(standings) + 2) + "|"]
    for document in [*dict.fromkeys(row.document for row in requirements), "all"]:
        counted = Counter(row.standing for row in requirements if document in (row.document, "all"))
        lines.append(f"| {document} | {' | '.join(str(counted[one]) for one in standings)} | {counted.total()} |")
    return lines


def _line(row: Requirement) -> str:
    proofs = [f"[{_short(test)}](../{test.partition('::')[0]})" for test in row.tests]
    if row.divergence:
        proofs.insert(0, f"[diverges](divergences.md#{row.divergence})")
    if row.not_applicable:
        proofs.append(f"not applicable: {row.not_applicable}")
    return f"| {row.id} | {row.level} | {row.binds} | {row.text} | {'; '.join(proofs)} |"


def _short(test: str) -> str:
    """The name of a test as words."""
    return test.partition("::")[2].removeprefix("test_").replace("_", " ")


if __name__ == "__main__":
    sys.stdout.write(render_page(read_requirements()))
