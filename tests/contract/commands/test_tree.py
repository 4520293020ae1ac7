"""What holds for every command: an example that can be typed, JSON where data is printed, completion."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup

from support import command_line
from support.command_line import invoke
from support.service import environment

PRINT_NO_DATA = {"serve", "worker"}  # their log is JSON already


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with its words."""
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from walk(below, (*path, name))
    else:
        yield path, command


COMMANDS = dict(walk(command_line.COMMANDS))


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def test_the_walk_finds_the_commands() -> None:
    """Those of the first level and those below."""
    assert {("init",), ("doctor",), ("delivery", "list"), ("replay", "cancel")} <= set(COMMANDS)
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    """The example names the command, uses no option that it has not, and stands in its help."""
    command = COMMANDS[path]
    begin, _, example = (command.epilog or "").removeprefix("\b\n").partition(": ")
    assert begin == "Example"
    words = [word for word in shlex.split(example) if not word.startswith("RISKRELAY_")]
    assert words[: len(path) + 1] == ["riskrelay", *path]
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options(command)
    shown = invoke(*path, "--help", env={"COLUMNS": "300"})
    assert shown.exit_code == 0
    assert example in shown.output


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_that_prints_data_prints_json_too(path: tuple[str, ...]) -> None:
    """`--json`, and the same as `--output json`, on each."""
    assert {"--json", "--output"} & options(COMMANDS[path]) == (
        set() if path[0] in PRINT_NO_DATA else {"--json", "--output"}
    )


def run(*arguments: str, **variables: str) -> str:
    """Standard output of the command itself."""
    program = f"{sys.prefix}/bin/riskrelay"
    variables = {**environment(**variables), "SHELL": "/bin/bash"}
    return subprocess.run([program, *arguments], env=variables, capture_output=True, text=True, check=True).stdout


def test_shells_complete_commands_and_options() -> None:
    """As bash asks: the words so far, and which of them is being typed."""
    asked = {"_RISKRELAY_COMPLETE": "complete_bash"}
    assert run(COMP_WORDS="riskrelay deliv", COMP_CWORD="1", **asked).split() == ["delivery"]
    assert "--follow" in run(COMP_WORDS="riskrelay delivery list --", COMP_CWORD="3", **asked).split()
    assert "complete -o default -F _riskrelay_completion riskrelay" in run(
        "--show-completion",
        "bash",
        _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1",  # the shell is named, whatever started this process
    )
