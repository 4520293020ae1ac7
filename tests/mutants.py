"""Mutation testing of the pure decisions: change each expression of a room, and expect a test of that room to fail.

    python tests/mutants.py [ROOM ...]

Prints the mutants that survived, and each room's score. It works on a copy of the tree, because the tool writes there.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("risk", "ssf", "delivery")
COPIED = ("src", "tests", "specs", "docs", "deploy")
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
        ended = subprocess.run(_mutmut("run"), cwd=directory, stdout=output, stderr=output)
    if ended.returncode:
        sys.exit(log.read_text(errors="replace")[-2_000:])
    print(subprocess.run(_mutmut("results"), cwd=directory, check=True, capture_output=True, text=True).stdout, end="")
    subprocess.run(_mutmut("export-cicd-stats"), cwd=directory, check=True, capture_output=True)
    counts = json.loads((directory / "mutants" / "mutmut-cicd-stats.json").read_text())
    killed = counts["killed"] + counts["timeout"]
    print(f"core/{room}: {killed} of {counts['total']} mutants killed ({killed / counts['total']:.1%})", flush=True)


def _mutmut(command: str) -> list[str]:
    return [sys.executable, "-m", "mutmut", command]


if __name__ == "__main__":
    main(sys.argv[1:] or list(ROOMS))
