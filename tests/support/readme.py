"""The README's section "Use it", typed into terminals as a new user would."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CHECKOUT = "make setup && source .venv/bin/activate    # when it is published: "
PORTS = (8700, 8701)  # the README's: those that a user gets without settings
_NETWORK = ("PIP_", "UV_", "SSL_", "HTTP", "http", "NO_PROXY", "no_proxy")
NETWORK_SETTINGS = {name: value for name, value in os.environ.items() if name.startswith(_NETWORK)}
"""How this machine reaches its registries, as it was before tests ran."""


def blocks(*, published: bool) -> list[str]:
    """Return the shell blocks up to the first verified event.

    Args:
        published: the first line installs the package, as its comment says; otherwise it uses the checkout.
    """
    section = README.partition("\n## Use it\n")[2].partition("The receiver shows")[0]
    assert section.count(CHECKOUT) == 1
    section = section.replace(CHECKOUT, "") if published else section
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def python_block() -> str:
    """Return the program that sends a finding."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return str(program)


@contextmanager
def ports_of_readme() -> Iterator[None]:
    """Hold the README's ports, alone among the tests of this machine.

    Raises: OSError: another program listens on one of them.
    """
    with (Path("/tmp") / f"riskrelay-readme-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for port in PORTS:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        yield


class Terminal:
    """A shell that reads typed lines.

    Args:
        command: starts the shell.
        log: what the shell prints.
        directory: None: the shell's command changes to its own.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str], directory: Path | None = None
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._shell = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env=environment,
                start_new_session=True,
                text=True,
            )

    def type(self, text: str) -> None:
        """Type lines."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(text)
        self._shell.stdin.flush()

    def shown(self, pattern: str, seconds: float = 240) -> str:
        """Return the output that matches, as soon as there is one."""
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern, said := self._log.read_text(errors="replace"))) is None:
            assert time.monotonic() < deadline, f"no {pattern} in:\n{said}"
            assert self._shell.poll() is None, f"it ended with {self._shell.returncode}:\n{said}"
            time.sleep(0.1)
        return found[0]

    def close(self) -> None:
        """Close the window."""
        assert self._shell.stdin is not None
        if self._shell.poll() is None:
            os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.wait(30)
        self._shell.stdin.close()


def type_first_use(
    terminals: Sequence[Terminal], commands: Sequence[str], done: Callable[[str], object] = lambda step: None
) -> None:
    """Type every line as it is written, filling in copied values only, up to the second verified event.

    Args:
        terminals: three.
        commands: of `blocks`.
        done: called with the name of each step after it.
    """
    first, second, third = terminals
    install, token, receive, create, send = commands
    first.type(install)
    printed = first.shown(r"rr_[\w-]+")
    done("Install and init")
    first.shown('"event":"serving"|Console')
    done("Serve")
    second.type(token.replace("rr_…", printed))
    well_known = second.shown(r"http://127\.0\.0\.1:8700/\.well-known/sse-configuration/[0-9a-f-]{36}")
    third.type(receive.replace("http://127.0.0.1:8700/.well-known/sse-configuration/…", well_known))
    third.shown("Waiting for SETs")
    done("Integration and receiver")
    second.type(create)
    address = second.shown(r"http://127\.0\.0\.1:8700/\S+/events")
    secret = second.shown(r"rrk_[\w-]+")
    second.type(send.replace("http://127.0.0.1:8700/…/events", address).replace("rrk_…", secret))
    assert "none → high" in third.shown(r"verified kai@example\.com: .*")
    done("Source to verified event")
    second.type(f"cat > send.py <<'END'\n{python_block().replace('rr_…', printed)}END\n")
    second.type("riskrelay behavior set high_dlp --on && python send.py && riskrelay user list --json\n")
    assert '"event_count": 2' in second.shown(r'"event_count": \d')
    done("Python client")
