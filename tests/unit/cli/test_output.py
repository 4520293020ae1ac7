"""What commands print: values are shown as they are, never obeyed."""

import ast
import csv
import io
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

import riskrelay.cli
from riskrelay.cli.formats import csv_of, prints_data
from riskrelay.cli.output import JsonFlag, print_table, say, show, text, visible

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


ROW: dict[str, Any] = {
    "id": "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e",
    "integration_type": "SharedSignals",
    "reference_id": "okta-production",
    "tenant_url": "https://example.okta.com",
    "active": True,
}


def test_a_table_fits_by_leaving_out_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the stated order, as few as needed; ids and names stay whole, and what is left out is named."""
    widths = {200: [], 80: ["integration_type", "tenant_url"], 62: ["integration_type", "tenant_url", "active"]}
    for width, hidden in widths.items():
        monkeypatch.setattr("riskrelay.cli.output.console", Console(width=width))
        print_table([ROW, {**ROW, "tenant_url": None}])
        shown, said = capsys.readouterr()
        assert max(map(len, shown.splitlines())) <= width
        assert shown.count(ROW["id"]) == shown.count(ROW["reference_id"]) == 2
        assert [name for name in ROW if f" {name} " not in shown] == hidden
        assert all(name in said for name in hidden)


def test_a_terminal_narrower_than_an_id_gets_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal itself breaks them, so that an id can be copied."""
    monkeypatch.setattr("riskrelay.cli.output.console", Console(width=30))
    print_table([ROW])
    assert "id 182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e\nreference_id okta-production\n" in capsys.readouterr().out


def test_words_wrap_before_a_column_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long reason costs lines, not columns."""
    monkeypatch.setattr("riskrelay.cli.output.console", Console(width=80))
    reason = "the device was replaced and the old one was wiped"
    print_table([{"id": ROW["id"], "reason": reason}])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert [word for word in reason.split() if word not in shown] == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_csv_holds_no_formula(start: str) -> None:
    """A spreadsheet shows the text; numbers stay numbers."""
    written = csv_of([{"name": f"{start}cmd()", "count": -1}])
    assert next(csv.DictReader(io.StringIO(written, newline=""))) == {"name": f"'{start}cmd()", "count": "-1"}


def test_csv_quotes_as_rfc_4180_says() -> None:
    """Commas, quotation marks and line breaks; lines end with CRLF; objects by id; members that only some rows have."""
    data = {"a": {"name": 'one, "two"\nthree', "tags": ["x"]}, "b": {"level": None}}
    assert csv_of(data) == 'id,name,tags,level\r\na,"one, ""two""\nthree","[""x""]",\r\nb,,,\r\n'


@pytest.mark.parametrize(
    ("options", "code", "begin"),
    [
        (["--output", "csv"], 0, "version\n1\n"),
        (["--output", "json"], 0, '{"version"'),
        (["--json"], 0, '{"version"'),
        (["--json", "--output", "json"], 0, '{"version"'),
        (["-o", "table"], 0, "version 1"),
        (["--json", "--output", "csv"], 2, "Usage"),
    ],
)
def test_the_format_is_an_option(options: list[str], code: int, begin: str) -> None:
    """`--json` is `--output json`."""
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @prints_data
    def command(as_json: JsonFlag = False) -> None:
        show({"version": 1}, as_json, lambda: say("version {}", 1))

    ended = CliRunner().invoke(app, options)
    assert ended.exit_code == code
    assert ended.output.startswith(begin)


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_output_that_no_terminal_shows_has_no_color(variables: dict[str, str]) -> None:
    """And with NO_COLOR no terminal gets any."""
    with io.StringIO() as written:
        terminal = Console(file=written, force_terminal=bool(variables), _environ=variables)
        say("[bold red]error:[/] {}", "x", to=terminal)
        assert "\x1b[31" not in written.getvalue()
        assert "1;31" not in written.getvalue()


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
