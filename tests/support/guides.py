"""Guides whose commands are run: their fenced blocks in order, and what each command prints.

A block of commands, `sh` or `console`, is run by a test, or the line before it says why not: `<!-- not run: why -->`.
`tests/docs/test_documents.py` holds every document to it.
"""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.forked_command import forked_command
from support.programs import needed
from support.service import environment

_BLOCK = re.compile(r"(?:^<!-- not run: ([^\n]+) -->\n)?^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)
MARK = "--- end of block {} ---"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a guide.

    Attributes:
        language: what follows the fence.
        file: the name under which the reader saves it; empty when it is no file.
        not_run: why its commands are not run; empty when they are.
    """

    not_run: str
    language: str
    file: str
    text: str

    @property
    def is_run(self) -> bool:
        """Whether its commands are run."""
        return self.language == "sh" and not self.not_run


def blocks_of(guide: Path) -> list[Block]:
    """The fenced blocks of a guide, in order."""
    found = _BLOCK.findall(guide.read_text())
    return [Block(not_run=why, language=kind, file=file, text=text) for why, kind, file, text in found]


def script_of(blocks: list[Block]) -> str:
    """Every shell block, in one shell, as a reader would type them; a mark after each."""
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for number, block in enumerate(blocks):
        if block.is_run:
            lines += [block.text, f"echo '{MARK.format(number)}'"]
    return "\n".join(lines)


def run(guide: Path, directory: Path, variables: dict[str, str]) -> list[str]:
    """Run a guide's commands.

    Returns: what each block printed to standard output, by its number; empty for those that are no commands.
    """
    needed("curl", "jq")
    blocks = blocks_of(guide)
    for block in blocks:
        if block.file:
            (directory / block.file).write_text(block.text)
    with forked_command(directory) as programs:
        commands = f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        output = _run(guide, script_of(blocks), directory, {"PATH": commands, "COLUMNS": "200", **variables})
    return [_printed(output, number) if block.is_run else "" for number, block in enumerate(blocks)]


def _run(guide: Path, script: str, directory: Path, variables: dict[str, str]) -> str:
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=directory,
        env={**environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, complaints = shell.communicate(timeout=240)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, f"{guide.name} stops after:\n{output}\n{complaints}"
    return output


def _printed(output: str, number: int) -> str:
    before, _, _ = output.partition(MARK.format(number))
    return re.split(r"--- end of block \d+ ---\n", before)[-1]


def assert_it_prints_what_it_shows(guide: Path, printed: list[str]) -> None:
    """Each `text` block is what the `sh` block before it prints: every line of it, in that order."""
    blocks = blocks_of(guide)
    shown = [n for n, block in enumerate(blocks) if block.language == "text" and n and blocks[n - 1].is_run]
    assert shown
    for number in shown:
        lines = iter(line.strip() for line in printed[number - 1].splitlines())
        missing = [line for line in blocks[number].text.splitlines() if line.strip() not in lines]
        assert missing == [], f"{guide.name} promises {missing}, but the commands print:\n{printed[number - 1]}"
