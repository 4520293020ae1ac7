"""The commands by name: what their help says, and what the command line loads."""

import subprocess
import sys

import pytest

from riskrelay.cli.tree import PANELS, Command
from support.command_line import invoke
from support.service import environment


@pytest.mark.parametrize("name", [name for entries in PANELS.values() for name in entries])
def test_the_help_of_a_command_is_that_of_its_module(name: str) -> None:
    """The help that is printed before the module is loaded is the first paragraph of the help after it."""
    (panel,) = [panel for panel, entries in PANELS.items() if name in entries]
    command = Command(name, panel, PANELS[panel][name])
    loaded = command.loaded()
    assert loaded.name == name
    assert command.help == " ".join(loaded.help.split("\n\n")[0].split())


def test_the_help_shows_each_part_in_its_panel() -> None:
    """In the order of the parts."""
    shown = invoke("--help", env={"COLUMNS": "200"}).output
    places = [shown.index(f" {panel} ") for panel in PANELS]
    assert places == sorted(places)


def test_help_loads_no_command() -> None:
    """The module of a command is imported when the command is used."""
    code = "import sys; from riskrelay.cli import main; sys.argv = ['riskrelay', '--help']\ntry: main()\n"
    code += "finally: print(*[name for name in sys.modules if name.startswith('riskrelay.')], file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert set(run.stderr.split()) == {
        "riskrelay.cli",
        "riskrelay.cli.output",
        "riskrelay.cli.tree",
        "riskrelay.core",
        "riskrelay.core.errors",
    }
