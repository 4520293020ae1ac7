"""The first hour of a new user, on a machine that has Python, make, Git and curl only.

A `chroot` of a minimal Debian stands for the machine, an ordinary user for the reader of the README.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.at_length import deploy_check
from support.minimal_root import make_root, registry_settings
from support.programs import needed
from support.readme import ROOT, Terminal, blocks, ports_of_readme, type_first_use

PACKAGES = "python3,python3-venv,make,git,curl,ca-certificates"
CHECKOUT = "/home/reader/riskrelay"

pytestmark = [
    deploy_check,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the root directory"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def machine() -> Iterator[Path]:
    """The root directory of the machine, with a checkout in the reader's home."""
    needed("mmdebstrap", "chroot", "unshare")
    root = Path(f"/var/tmp/riskrelay-machine-{os.getpid()}")
    try:
        make_root(root, PACKAGES)
        subprocess.run(["chroot", root, "useradd", "--create-home", "reader"], check=True)
        subprocess.run(["git", "clone", "--quiet", ROOT, root / CHECKOUT.lstrip("/")], check=True)
        subprocess.run(["chroot", root, "chown", "--recursive", "reader", CHECKOUT], check=True)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def terminals(machine: Path, tmp_path: Path) -> Iterator[list[Terminal]]:
    """Three terminals of the reader, in the checkout."""
    within = f"""
        mount --rbind /proc {machine}/proc
        mount --rbind /dev {machine}/dev
        exec {needed("chroot")} --userspec=reader {machine} env --chdir={CHECKOUT} bash
    """
    command = ["unshare", "--mount", "--propagation=private", "sh", "-ec", within]
    own = {"HOME": "/home/reader", "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "COLUMNS": "200"}
    environment = registry_settings() | own
    with ports_of_readme(), ExitStack() as windows:
        opened = [Terminal(command, tmp_path / f"terminal-{number}.log", environment) for number in (1, 2, 3)]
        for terminal in opened:
            windows.callback(terminal.close)
        yield opened


def test_the_readme_from_top_to_bottom(terminals: list[Terminal], capsys: pytest.CaptureFixture[str]) -> None:
    """The demo, twice, and the first use: every command runs as it is written. The times are printed."""
    times: list[tuple[str, float]] = []
    started = time.monotonic()

    def done(step: str) -> None:
        times.append((step, time.monotonic()))

    demo, *_ = terminals
    for number, name in enumerate(["Demo, the first time", "Demo"], 1):
        demo.type(f"make demo; echo demo {number}: exit code $?\n")
        assert demo.shown(rf"demo {number}: exit code \d+\n", seconds=900).endswith(" 0\n")
        done(name)
    second, third = terminals[1:]
    for terminal in (second, third):
        terminal.type("source .venv/bin/activate\n")
    type_first_use(terminals, blocks(published=False), done)
    with capsys.disabled():
        for step, ended in times:
            print(f"\n{ended - started:8.1f} s  {step}", end="")
            started = ended
