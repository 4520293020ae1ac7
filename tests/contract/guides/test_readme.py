"""The five-minute start of the README, as written: from the built wheel in a clean environment to a verified event."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from support.programs import needed

ROOT = Path(__file__).parents[3]
PORTS = (8700, 8701)  # the README's: those that a user gets without settings


README = (ROOT / "README.md").read_text()
CHECKOUT = "make setup && source .venv/bin/activate    # when it is published: "


def blocks() -> list[str]:
    """The shell blocks of the section "Use it", up to the first verified event.

    The first line installs from the published package, as its comment says, which is the wheel of this checkout here.
    """
    section = README.partition("\n## Use it\n")[2].partition("The receiver shows")[0]
    assert section.count(CHECKOUT) == 1
    return re.findall(r"^```sh\n(.*?)^```$", section.replace(CHECKOUT, ""), re.MULTILINE | re.DOTALL)


def python_block() -> str:
    """The program that sends a finding."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return str(program)


class Terminal:
    """A shell that somebody types into, in an environment that knows nothing of the repository."""

    def __init__(self, home: Path, number: int) -> None:
        self._log = home / f"terminal-{number}.log"
        path = f"{home / 'venv/bin'}{os.pathsep}/usr/local/bin{os.pathsep}/usr/bin{os.pathsep}/bin"
        network = ("PIP_", "SSL_", "HTTP", "http", "NO_PROXY", "no_proxy")  # how this machine reaches its registry
        kept = {name: value for name, value in os.environ.items() if name.startswith(network)}
        with self._log.open("wb") as output:
            self._shell = subprocess.Popen(
                ["bash", "-eu"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=home / "work",
                env={**kept, "HOME": str(home), "PATH": path, "PIP_FIND_LINKS": str(home / "dist"), "COLUMNS": "200"},
                start_new_session=True,
                text=True,
            )

    def type(self, text: str) -> None:
        """Type lines."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(text)
        self._shell.stdin.flush()

    def shown(self, pattern: str, seconds: float = 240) -> str:
        """What it shows that fits, once it does."""
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern, said := self._log.read_text(errors="replace"))) is None:
            assert time.monotonic() < deadline, f"no {pattern} in:\n{said}"
            assert self._shell.poll() is None, f"it ended with {self._shell.returncode}:\n{said}"
            time.sleep(0.1)
        return found[0]

    def close(self) -> None:
        """Close the window."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.wait(30)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with an empty virtual environment and the wheel, alone with the README's ports on this machine."""
    needed("curl")
    with (Path("/tmp") / f"riskrelay-readme-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for port in PORTS:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))  # fails when something else of this machine is there
        (tmp_path / "work").mkdir()
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
        pip = [str(tmp_path / "venv/bin/pip"), "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path / "dist"), str(ROOT)], check=True)
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
    install, token, receive, create, send = blocks()
    with ExitStack() as windows:
        terminals = [Terminal(home, number) for number in (1, 2, 3)]
        for terminal in terminals:
            windows.callback(terminal.close)
        first, second, third = terminals
        first.type(install)
        printed = first.shown(r"rr_[\w-]+")
        first.shown('"event":"serving"')
        second.type(token.replace("rr_…", printed))
        well_known = second.shown(r"http://127\.0\.0\.1:8700/\.well-known/sse-configuration/[0-9a-f-]{36}")
        third.type(receive.replace("http://127.0.0.1:8700/.well-known/sse-configuration/…", well_known))
        third.shown("Waiting for SETs")
        second.type(create)
        address = second.shown(r"http://127\.0\.0\.1:8700/\S+/events")
        secret = second.shown(r"rrk_[\w-]+")
        second.type(send.replace("http://127.0.0.1:8700/…/events", address).replace("rrk_…", secret))
        assert "none → high" in third.shown(r"verified kai@example\.com: .*")
        second.type(f"cat > send.py <<'END'\n{python_block().replace('rr_…', printed)}END\n")
        second.type("riskrelay behavior set high_dlp --on && python send.py && riskrelay user list --json\n")
        assert '"event_count": 2' in second.shown(r'"event_count": \d')
