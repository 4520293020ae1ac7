"""Starting `riskrelay` and the oracle receiver many times without paying for their imports many times.

    python -m support.fork_server

It has imported the product, and forks a process for each start, which saves the imports.
What it forks is killed, stopped and waited for like any other process. Each line of its input is a request in JSON,
each line of its output the answer: {"module", "arguments", "environment", "directory", "input", "output", "errors"} →
the pid; {"poll": pid} → exit code or null.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, cast


class ForkServer:
    """The process that forks."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._asking = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.fork_server"],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        errors: Path | None = None,
        module: str = "riskrelay",
        directory: Path | None = None,
        given: Path | None = None,
    ) -> "Forked":
        """Run a *module* with these arguments in a new process.

        Args:
            log: what it prints is appended to this file.
            errors: what it prints to its standard error; None: to *log* as well.
            directory: the working directory; None: that of this process.
            given: its standard input; None: empty.
        """
        request = {
            "input": str(given or os.devnull),
            "module": module,
            "arguments": arguments,
            "environment": dict(environment),
            "directory": str(directory or Path.cwd()),
            "output": str(log),
            "errors": str(errors or log),
        }
        return Forked(self, int(self.ask(request)))

    def run(
        self, arguments: list[str], environment: Mapping[str, str], timeout: float, directory: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `riskrelay` with these arguments to its end, as `subprocess.run` would."""
        with tempfile.TemporaryDirectory(prefix="riskrelay-command-") as files:
            output, errors = Path(files, "output"), Path(files, "errors")
            process = self.start(arguments, environment, output, errors=errors, directory=directory)
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
            command = ["riskrelay", *arguments]
            return subprocess.CompletedProcess(command, code, output.read_text(), errors.read_text())

    def ask(self, request: dict[str, Any]) -> Any:
        """Ask one thing."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:  # several threads of a test start services at once
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        """End it; what it started goes on."""
        self._process.communicate()


@cache
def shared_fork_server() -> ForkServer:
    """The fork server of this test run."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RISKRELAY_")}
    server = ForkServer({**environment, "PYTHONPATH": str(Path(__file__).parents[1])})
    atexit.register(server.stop)
    return server


class Forked:
    """A process that was forked, with as much of `subprocess.Popen` as is needed."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self._server = server
        self.pid = pid
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self._exit_code is None:
            self._exit_code = self._server.ask({"poll": self.pid})
        return self._exit_code

    def wait(self, timeout: float = 30) -> int:
        """Wait for its end."""
        deadline, pause = time.monotonic() + timeout, 0.002
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _become(request)
    return pid


def _become(request: dict[str, Any]) -> None:
    """Be what `python -m MODULE ARGUMENTS` would be; never returns."""
    with (
        open(request["input"]) as given,
        open(request["output"], "ab") as output,
        open(request["errors"], "ab") as errors,
    ):
        os.dup2(given.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
    # The inherited streams remember whether the old files could be seeked; a pipe cannot.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # it was read from TMPDIR of the parent
    sys.argv = [request["module"], *request["arguments"]]
    if "SSL_CERT_FILE" in request["environment"]:  # aiohttp reads it when it is imported
        from aiohttp import connector

        connector._SSL_CONTEXT_VERIFIED = connector._make_ssl_context(True)
    if "COLUMNS" in request["environment"]:  # Rich reads it when the consoles are made
        from riskrelay.cli.output import console
        from riskrelay.cli.output import errors as error_console

        console.width = error_console.width = int(request["environment"]["COLUMNS"])
    from support.failpoint_launcher import arm

    arm(request["environment"])
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    sys.exit(0)


def _poll(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


if __name__ == "__main__":
    gc.disable()  # what is imported stays
    import aiohttp.web  # noqa: F401  for the oracle

    import riskrelay.cli.serving  # noqa: F401  with all that a server needs
    import support.command_line  # noqa: F401  with all commands
    from riskrelay.ports import Store
    from riskrelay.web.app import create_app
    from support.failpoint_launcher import VARIABLE  # noqa: F401
    from support.services import services_of
    from support.transmitting import transmitting_of

    # Building an application compiles the expressions of 250 paths, which all that are forked then have.
    create_app(
        services_of(cast(Store, None)), transmitting_of(), "https://risk.example.com", lambda _app: nullcontext()
    )
    # A forked process neither copies nor frees what it inherits, which takes 0.1 s and not 0.6 s of processor time.
    gc.collect()
    gc.freeze()
    gc.enable()
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_poll(asked["poll"]) if "poll" in asked else _fork(asked)), flush=True)
