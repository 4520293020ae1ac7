"""Arguments cannot be swapped unnoticed: records take keywords only, and no call passes a long row of values."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import riskrelay

SOURCE = Path(riskrelay.__file__).parent
RELEASED = SOURCE / "storage" / "migrations" / "versions"  # a released migration is never edited
MOST_POSITIONAL = 4  # arguments of a call
MOST_MEMBERS = 3  # of a record that may take positions

# Functions of libraries whose arguments are items of one list: columns, conditions, words of a command.
TAKES_A_LIST = {
    *("Index", "Table", "and_", "case", "select", "where"),
    *("create_subprocess_exec", "gather"),
}


@cache
def modules() -> dict[Path, ast.Module]:
    found = {path: ast.parse(path.read_text()) for path in SOURCE.rglob("*.py") if RELEASED not in path.parents}
    assert len(found) > 100
    return found


def positions_of(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Functions and constructors that collect further arguments in a list, with how many come before it."""
    for parent in ast.walk(module):
        if not isinstance(parent, ast.Module | ast.ClassDef):
            continue
        for function in parent.body:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.args.vararg is not None:
                is_method = isinstance(parent, ast.ClassDef)
                name = (
                    parent.name if isinstance(parent, ast.ClassDef) and function.name == "__init__" else function.name
                )
                yield name, len(function.args.posonlyargs) + len(function.args.args) - is_method


def calls(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            called = node.func
            yield called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", ""), node


def long_calls(module: ast.Module, before_list: dict[str, int]) -> Iterator[int]:
    """The lines of calls that pass more values by position than can be told apart; `*values` counts as one."""
    for name, call in calls(module):
        passed = min(len(call.args), before_list.get(name, len(call.args)))
        if passed > MOST_POSITIONAL:
            yield call.lineno


def positional_records(module: ast.Module) -> Iterator[str]:
    """Dataclasses and Structs with more members than may be passed by position, which don't take keywords only."""
    for node in ast.walk(module):
        if not isinstance(node, ast.ClassDef):
            continue
        decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
        is_record = any("dataclass" in name for name in decorators) or any(
            ast.unparse(base).rpartition(".")[2] in {"Struct", "NamedTuple"} for base in node.bases
        )
        members = [
            one for one in node.body if isinstance(one, ast.AnnAssign) and "ClassVar" not in ast.unparse(one.annotation)
        ]
        options = [*decorators, *(ast.unparse(keyword) for keyword in node.keywords)]
        if is_record and len(members) > MOST_MEMBERS and not any("kw_only=True" in option for option in options):
            yield node.name


def test_no_call_passes_five_values_by_position() -> None:
    """Items of a list (`*columns`) are not counted: their order is their meaning."""
    before_list = dict.fromkeys(TAKES_A_LIST, 0)
    for module in modules().values():
        before_list.update(positions_of(module))
    found = [f"{path}:{line}" for path, module in modules().items() for line in long_calls(module, before_list)]
    assert found == []


def test_records_of_more_than_three_members_take_keywords_only() -> None:
    """Phases is the one exception: a row of durations of one kind, iterated in the order of an attempt."""
    found = [(path.name, name) for path, module in modules().items() for name in positional_records(module)]
    assert found == [("outcomes.py", "Phases")]


@pytest.mark.parametrize(
    "source",
    ["f(1, 2, 3, 4, 5)", "a.f(1, 2, 3, 4, *more)", "f(*a, *b, *c, *d, *e)", "async def g(): await f(1,2,3,4,5)"],
)
def test_a_long_call_is_found(source: str) -> None:
    assert list(long_calls(ast.parse(source), {})) == [1]


@pytest.mark.parametrize(
    "source",
    [
        "@dataclass\nclass A:\n  a: int\n  b: int\n  c: int\n  d: int",
        "@dataclasses.dataclass(frozen=True)\nclass A:\n  a: int\n  b: int\n  c: int\n  d: int = 0",
        "class A(msgspec.Struct, frozen=True):\n  a: int\n  b: int\n  c: int\n  d: int",
        "class A(NamedTuple):\n  a: int\n  b: int\n  c: int\n  d: int",
    ],
)
def test_a_positional_record_is_found(source: str) -> None:
    assert list(positional_records(ast.parse(source))) == ["A"]
