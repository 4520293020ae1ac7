"""The five-minute start of the README, as written: from the built wheel in a clean environment to a verified event."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from support.programs import needed
from support.readme import NETWORK_SETTINGS, README, ROOT, Terminal, blocks, ports_of_readme, type_first_use

_NO_COMPILING = {"PIP_NO_COMPILE": "no"}  # pip: a false value enables it. A fifth of what is installed is imported


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with an empty virtual environment and the wheel, alone with the README's ports on this machine."""
    needed("curl")
    with ports_of_readme():
        (tmp_path / "work").mkdir()
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
        pip = [str(tmp_path / "venv/bin/pip"), "--quiet", "--disable-pip-version-check"]
        build = [*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path / "dist"), str(ROOT)]
        subprocess.run(build, env={**os.environ, **NETWORK_SETTINGS, **_NO_COMPILING}, check=True)
        yield tmp_path


def test_every_target_of_make_that_the_readme_names_exists() -> None:
    """Also in the text. The commands of Docker name a service of the compose file."""
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test", "setup", "serve"} <= named <= targets
    included = yaml.safe_load((ROOT / "compose.yaml").read_text())["include"]
    services = {name for file in included for name in yaml.safe_load((ROOT / file).read_text())["services"]}
    assert set(re.findall(r"^docker compose exec (\w+)", README, re.MULTILINE)) <= services


def test_what_needs_publication_first_says_so() -> None:
    """No command installs or pulls what no registry has yet."""
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```$", README, re.M | re.S) for line in block.splitlines()]
    assert [line for line in lines if re.match(r"pip install|docker (pull|run)|helm ", line)] == []


@pytest.mark.timeout(600)
def test_the_five_minute_start(home: Path) -> None:
    """Every line of three terminals runs as it is written. Only copied values are filled in."""
    path = os.pathsep.join([str(home / "venv/bin"), "/usr/local/bin", "/usr/bin", "/bin"])
    own = {"HOME": str(home), "PATH": path, "PIP_FIND_LINKS": str(home / "dist"), "COLUMNS": "200", **_NO_COMPILING}
    with ExitStack() as windows:
        terminals = [
            Terminal(["bash", "-eu"], home / f"terminal-{number}.log", NETWORK_SETTINGS | own, home / "work")
            for number in (1, 2, 3)
        ]
        for terminal in terminals:
            windows.callback(terminal.close)
        type_first_use(terminals, blocks(published=True))
