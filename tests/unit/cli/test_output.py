"""What commands print: values are shown as they are, never obeyed."""

import ast
from pathlib import Path

import pytest

import riskrelay.cli
from riskrelay.cli.output import print_table, text, visible

HOSTILE = ["[/foo]", "[bold]", "a\\", "[", "]", "\x1b[2J", "\x00", "\u202e", "\r\n", "\x9b1m", "{}", "{0}", ":smile:"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_never_markup(value: str) -> None:
    """Beside markup of ours, whatever the value is; the markup itself is obeyed."""
    filled = text("[bold]{:<3}[/] and {}", value, value)
    assert filled.plain == f"{visible(f'{value:<3}')} and {visible(value)}"
    assert [str(span.style) for span in filled.spans] == ["bold"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_table_shows_hostile_values(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As names of columns, too; no control character reaches the terminal."""
    print_table([{"id": value, value: value}])
    shown = capsys.readouterr().out
    assert shown.count(visible(value)) >= 3
    assert shown.replace("\n", "").isprintable()


def test_every_character_is_visible() -> None:
    """Letters of every script stay; control, format and private characters, lone surrogates are escaped."""
    assert visible("Søren Łukasz 北京 'x' 🙂") == "Søren Łukasz 北京 'x' 🙂"
    assert visible("a\x1b\u200b\ue000\ud800\U000e0001") == "a\\x1b\\u200b\\ue000\\ud800\\U000e0001"


def test_commands_print_through_one_place() -> None:
    """No command prints on a console itself, or makes a template of a value: `say` is what escapes.

    The demo and the benchmark draw with rich, but no values of others.
    """
    found = []
    for file in Path(riskrelay.cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            prints = isinstance(node.func, ast.Attribute) and node.func.attr in ("print", "add_row", "add_column")
            says = isinstance(node.func, ast.Name) and node.func.id in ("say", "text")
            made = says and any(isinstance(part, ast.FormattedValue | ast.Call) for part in ast.walk(node.args[0]))
            if made or (prints and file.name != "output.py"):
                found.append(f"{file.name}:{node.lineno}")
    assert found == []
