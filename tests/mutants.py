"""Mutation testing of the pure decisions: change each expression of a room, and expect a test of that room to fail.

    python tests/mutants.py [ROOM ...]

Prints the changes that survived, and each room's score; docs/mutants.md has a reason for each. It works on a copy of
the tree, because the tool writes there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("risk", "ssf", "delivery")
COPIED = ("src", "tests", "specs", "docs", "deploy")
_EXAMPLES = "100"  # of each property; `make test` takes 40
_CONFIGURATION = """
[tool.mutmut]
source_paths = ["src/riskrelay/core/{room}"]
pytest_add_cli_args_test_selection = ["tests/unit/core/{room}"]
also_copy = ["{copied}"]
use_git_change_detection = false
"""


def main(rooms: list[str]) -> None:
    """Test each room, one after the other."""
    for room in rooms:
        with tempfile.TemporaryDirectory(prefix="riskrelay-mutants-") as directory:
            _run(room, Path(directory))


def _run(room: str, directory: Path) -> None:
    for name in COPIED:
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    configuration = _CONFIGURATION.format(room=room, copied='", "'.join(COPIED))
    (directory / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + configuration)
    log = directory / "log"
    with log.open("wb") as output:  # it draws a spinner
        # Without a terminal: the tests that it runs must not wait for a person to type.
        ended = subprocess.run(
            _mutmut("run"),
            env={**os.environ, "RISKRELAY_EXAMPLES": _EXAMPLES},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    if ended.returncode:
        sys.exit(log.read_text(errors="replace")[-2_000:])
    for name in re.findall(r"^ *(\S+): (?:survived|no tests)$", _said(directory, "results"), re.MULTILINE):
        changed = [line for line in _said(directory, "show", name).splitlines() if re.match(r"[-+](?![-+]{2} )", line)]
        print(name, *changed, sep="\n")
    _said(directory, "export-cicd-stats")
    counts = json.loads((directory / "mutants" / "mutmut-cicd-stats.json").read_text())
    killed = counts["killed"] + counts["timeout"]
    print(f"core/{room}: {killed} of {counts['total']} mutants killed ({killed / counts['total']:.1%})", flush=True)


def _said(directory: Path, *arguments: str) -> str:
    run = subprocess.run(_mutmut(*arguments), cwd=directory, check=True, capture_output=True, text=True)
    return run.stdout


def _mutmut(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mutmut", *arguments]


if __name__ == "__main__":
    main(sys.argv[1:] or list(ROOMS))
