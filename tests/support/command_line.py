"""The command line, run in this process. Its commands are built once."""

from collections.abc import Mapping
from typing import cast
from unittest.mock import patch

from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner, Result

from riskrelay.cli import app
from riskrelay.cli.tree import Command

COMMANDS = cast(TyperGroup, get_command(app))
COMMANDS.commands = {
    name: command.loaded() for name, command in COMMANDS.commands.items() if isinstance(command, Command)
}


def invoke(*arguments: str, env: Mapping[str, str] | None = None) -> Result:
    """Run a command as `CliRunner` does, which would build all commands each time."""
    with patch("typer.testing._get_command", return_value=COMMANDS):
        return CliRunner().invoke(app, arguments, env=env)
