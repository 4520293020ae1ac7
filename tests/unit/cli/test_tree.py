"""The commands by name: what their help says, and what the command line loads."""

import subprocess
import sys

import pytest

from riskrelay.cli.deliveries import ReplayableState
from riskrelay.cli.tree import PARTS, Command
from riskrelay.core.delivery.replays import REPLAYABLE
from support.command_line import invoke
from support.service import environment


@pytest.mark.parametrize("name", [name for entries in PARTS.values() for name in entries])
def test_the_help_of_a_command_is_that_of_its_module(name: str) -> None:
    """The help that is printed before the module is loaded is the first paragraph of the help after it."""
    (entry,) = [entries[name] for entries in PARTS.values() if name in entries]
    command = Command(name, entry)
    loaded = command.loaded()
    assert loaded.name == name
    assert command.help == " ".join(loaded.help.split("\n\n")[0].split())


def test_a_replay_accepts_the_states_that_can_be_replayed() -> None:
    """The command lists them itself, so that its help names no other state."""
    assert {state.value for state in ReplayableState} == {state.value for state in REPLAYABLE}


def test_the_help_shows_each_part_under_its_heading() -> None:
    """In the order of the parts, with each command once."""
    shown = invoke("--help", env={"COLUMNS": "200"}).output
    lines = [line.split("  ")[:2] for line in shown.partition("--help")[2].splitlines()[1:] if line]
    headings = [words[0] for words in lines if words[0].endswith(":")]
    assert headings == [f"{part}:" for part in PARTS]
    assert [words[1] for words in lines if len(words) > 1 and words[1]] == [
        name for entries in PARTS.values() for name in entries
    ]


def test_help_loads_no_command_and_not_rich() -> None:
    """The module of a command is imported when the command is used. `--help` takes a fifth of a second without them."""
    code = "import sys; from riskrelay.cli import main; sys.argv = ['riskrelay', '--help']\ntry: main()\n"
    code += (
        "finally: print(*[name for name in sys.modules if name.startswith(('riskrelay.', 'rich'))], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert set(run.stderr.split()) == {"riskrelay.cli", "riskrelay.cli.tree"}
