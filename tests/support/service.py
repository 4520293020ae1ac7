"""The product itself, as a user runs it: `riskrelay init` and `riskrelay serve` in processes of their own."""

import asyncio
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.message import Message
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from riskrelay.actions.accounts import create_account
from riskrelay.actions.tokens import create_token
from riskrelay.bench.processes import free_port
from riskrelay.core.credentials import ALL_SCOPES, COMMAND_LINE, Scope
from riskrelay.core.integrations import AccountId
from riskrelay.settings import read_settings
from riskrelay.wiring.installation import build_services
from support.certificates import Authority
from support.fork_server import Forked, ForkServer, shared_fork_server
from support.json_lines import json_lines
from support.unchecked import UNCHECKED
from support.waiting import until

START_SECONDS = 60
_TEMPLATE_LOCK = Lock()
_UNLIKE_TEMPLATE = {"RISKRELAY_MASTER_KEY", "RISKRELAY_MASTER_KEY_FILE", "LD_PRELOAD"}


def environment(**settings: str) -> dict[str, str]:
    """The environment of this process, without settings that a developer may have, and with *settings*."""
    dropped = ("RISKRELAY_", "PYTHONDONTWRITEBYTECODE")  # compiled once, a process starts twice as fast
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**inherited, "PYTHONPATH": str(Path(__file__).parents[1]), **settings}


def run_command(
    *arguments: str, directory: Path | None = None, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a `riskrelay` command without an installation of the test's own.

    Args:
        directory: the working directory; None: that of this process.
    """
    return shared_fork_server().run([*arguments], environment(**settings or {}), timeout=60, directory=directory)


def wait_for_port(port: int, process: subprocess.Popen[bytes] | Forked, log: Path) -> None:
    """Wait until *process* listens on *port* of this machine; kill it when it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.01)
            continue
        return
    process.kill()
    raise AssertionError(f"port {port}: the process does not listen; it said:\n{log.read_text()[-2000:]}")


def _started(
    arguments: list[str], environment: Mapping[str, str], log: Path, fork_server: ForkServer | None, module: str
) -> subprocess.Popen[bytes] | Forked:
    if fork_server is not None:
        return fork_server.start(arguments, environment, log, module=module)
    with log.open("ab") as output:
        return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=output, stderr=output)


class Process:
    """A process that listens on a port of this machine.

    Args:
        arguments: of the interpreter; or with *fork_server* of *module*.
    """

    def __init__(
        self,
        arguments: list[str],
        port: int,
        settings: Mapping[str, str],
        log: Path,
        fork_server: ForkServer | None = None,
        module: str = "riskrelay",
    ) -> None:
        self.port = port
        self._process = _started(arguments, environment(**settings), log, fork_server, module)
        wait_for_port(port, self._process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """As the machine's crash: SIGKILL."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Wait for an end that comes by itself.

        Returns: the exit code, negative for a signal.
        """
        return self._process.wait(60)

    def stop(self) -> int:
        """As an operator would: SIGTERM.

        Returns: the exit code.
        """
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)


class Service:
    """An installation in *directory*, and the process that serves it.

    Args:
        tls: None: plain http. Otherwise it speaks https with a certificate of this authority, which alone is trusted by
            the service, by its commands and by *tls_context*.
        settings: more settings, by their environment names.

    Attributes:
        fork_server: starts it in a sixth of the time; None: an interpreter of its own, as a user starts it.
    """

    def __init__(self, directory: Path, tls: Authority | None = None, **settings: str) -> None:
        # A library is loaded at the start of an interpreter, never into one that was forked.
        self.fork_server: ForkServer | None = None if "LD_PRELOAD" in settings else shared_fork_server()
        port = free_port()
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
        self.tls_context = None if tls is None else tls.client()
        self.settings = {
            "RISKRELAY_DATABASE_URL": f"sqlite:///{directory / 'riskrelay.db'}",
            "RISKRELAY_PUBLIC_URL": self.url,
            "RISKRELAY_PORT": str(port),
            "RISKRELAY_ALLOW_TARGETS": "127.0.0.1",
            "RISKRELAY_ALLOW_HTTP_TARGETS": "true",
            **({} if tls is None else _tls_settings(tls)),
            **settings,
        }
        self.log = directory / "service.log"
        self.base_path = ""
        self.account_id = "acme"
        self.token: str = self._installed()
        self.process: Process | None = None

    def _installed(self) -> str:
        """Make the installation.

        Returns: the token of the account. On SQLite all services of a run begin as a copy of one installation.
        """
        url = self.settings["RISKRELAY_DATABASE_URL"]
        path = Path(url.removeprefix("sqlite:///"))
        if not url.startswith("sqlite:///") or path.exists() or not _UNLIKE_TEMPLATE.isdisjoint(self.settings):
            token: str = self.init()["token"]
            return token
        with _TEMPLATE_LOCK:  # several threads of a test start services at once
            directory, token = installation_template()
        shutil.copy(directory / "riskrelay.db", path)
        shutil.copy(directory / "riskrelay.db.key", path.with_name(path.name + ".key"))
        return token

    def init(self, account_id: str = "acme") -> dict[str, Any]:
        """Run `riskrelay init`."""
        output = self.command("init", "--account", account_id, "--json").stdout
        made: dict[str, Any] = json.loads(output)
        return made

    def new_token(self, account_id: str | None, *scopes: Scope) -> str:
        """A token for an account, which is created when it is not there; or with None for the installation.

        Args:
            scopes: none: all.
        """
        owner = None if account_id is None else AccountId(account_id)
        with ThreadPoolExecutor(1) as pool:  # the thread of a browser's tests runs a loop already
            return pool.submit(asyncio.run, self._new_token(owner, scopes)).result()

    async def _new_token(self, account_id: AccountId | None, scopes: tuple[Scope, ...]) -> str:
        services = build_services(read_settings(database_url=self.settings["RISKRELAY_DATABASE_URL"]))
        try:
            if account_id is not None:
                await create_account(services, account_id, COMMAND_LINE)
            token, _ = await create_token(services, account_id, COMMAND_LINE, "test", scopes or ALL_SCOPES)
        finally:
            await services.store.close()
        return token

    def command(
        self, *arguments: str, check: bool = True, token: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a `riskrelay` command against this installation.

        Args:
            token: default: the account's, which may do everything.
        """
        reach = {"RISKRELAY_URL": self.url, "RISKRELAY_ACCOUNT": "acme"}
        if token is not None or hasattr(self, "token"):
            reach["RISKRELAY_TOKEN"] = token or self.token
        given = environment(**self.settings, **reach)
        if self.fork_server is not None:
            run = self.fork_server.run([*arguments], given, timeout=120)
        else:
            command = [sys.executable, "-m", "riskrelay", *arguments]
            run = subprocess.run(command, env=given, capture_output=True, text=True, timeout=120)
        if check:
            run.check_returncode()
        return run

    def start(self, *options: str, **settings: str) -> None:
        """Serve, until `stop` or `kill`.

        Args:
            settings: more settings, for this start only.
        """
        launcher = ["-m", "riskrelay"] if self.fork_server is None else []
        self.process = Process(
            [*launcher, "serve", *options],
            int(self.settings["RISKRELAY_PORT"]),
            {**self.settings, **settings},
            self.log,
            self.fork_server,
        )

    def stop(self) -> int:
        """Stop in an orderly way, if it runs.

        Returns: the exit code.
        """
        process, self.process = self.process, None
        return 0 if process is None else process.stop()

    def kill(self) -> None:
        """Kill -9."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()

    def get(self, path: str) -> bytes:
        """The body of a public page."""
        with urllib.request.urlopen(self.url + path, timeout=60, context=self.tls_context) as response:
            body: bytes = response.read()
        return body

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        """Call the account API with the account's token.

        Args:
            path: below the account's prefix.
            body: bytes as they are, anything else as JSON.

        Returns: the status and the envelope.
        """
        whole = f"{self.base_path}/accounts/{self.account_id}/zt_risk_scoring{path}"
        given = {"Authorization": f"Bearer {self.token}", **headers}
        status, _, envelope = self.exchange(method, whole, body, **given)
        return status, envelope

    def exchange(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Message, dict[str, Any]]:
        """Call any route that answers JSON, with the headers given only.

        Args:
            path: the whole of it.
            body: bytes as they are, anything else as JSON.

        Returns: the status, the headers and the body.
        """
        if method != "GET":
            UNCHECKED.add(self.settings["RISKRELAY_DATABASE_URL"])
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json", **headers}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.tls_context) as response:
                return response.status, response.headers, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, json.loads(error.read())

    def result(self, method: str, path: str, body: Any = None) -> Any:
        """The result of a call that must succeed."""
        status, envelope = self.call(method, path, body)
        assert status == 200, envelope
        return envelope["result"]

    def enable_behaviors(self) -> None:
        """Switch every behavior on."""
        behaviors = self.result("GET", "/behaviors")["behaviors"]
        enabled = {name: {**row, "enabled": True} for name, row in behaviors.items()}
        self.result("PUT", "/behaviors", {"behaviors": enabled})

    def create_integration(self, tenant_url: str) -> dict[str, Any]:
        """Create an integration."""
        created: dict[str, Any] = self.result(
            "POST", "/integrations", {"integration_type": "Okta", "tenant_url": tenant_url}
        )
        return created


@contextmanager
def running(directory: Path, **settings: str) -> Iterator[Service]:
    """A service over plain http that runs, and that ends in an orderly way."""
    service = Service(directory, None, **settings)
    service.start()
    yield service
    assert service.stop() == 0


@cache
def installation_template() -> tuple[Path, str]:
    """Run `riskrelay init` once in this run.

    Returns: the directory with the installation, removed when the run ends, and the token of the account "acme".
    """
    directory = Path(tempfile.mkdtemp(prefix="riskrelay-installation-"))
    atexit.register(shutil.rmtree, directory)
    run = run_command(
        *("init", "--account", "acme", "--json"),
        settings={"RISKRELAY_DATABASE_URL": f"sqlite:///{directory}/riskrelay.db"},
    )
    run.check_returncode()
    token: str = json.loads(run.stdout)["token"]
    return directory, token


def _tls_settings(authority: Authority) -> dict[str, str]:
    files = authority.files("127.0.0.1", "localhost")
    return {
        "RISKRELAY_TLS_CERT": str(files.certificate),
        "RISKRELAY_TLS_KEY": str(files.key),
        "SSL_CERT_FILE": str(authority.path),  # OpenSSL's own: whom the processes trust
    }


class Oracle:
    """The oracle receiver's process and what it wrote down.

    Args:
        tls: None: plain http. Otherwise it speaks https with a certificate of this authority.
    """

    def __init__(self, directory: Path, tls: Authority | None = None) -> None:
        self._directory = directory
        self._log = directory / "oracle.ndjson"
        self.port = free_port()
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        files = None if tls is None else tls.files("127.0.0.1")
        self._tls = [] if files is None else [str(files.certificate), str(files.key)]
        self._process: Forked | None = None

    def start(self) -> None:
        """Listen."""
        arguments, log = [str(self.port), str(self._log), *self._tls], self._directory / "oracle.log"
        forked = shared_fork_server().start(arguments, environment(), log, module="support.oracle")
        wait_for_port(self.port, forked, log)
        self._process = forked

    def stop(self) -> None:
        """Listen no more."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def requests(self) -> list[dict[str, Any]]:
        """Return everything that it was sent, in order."""
        return [{**entry, "url": self.url + entry["path"]} for entry in json_lines(self._log)]

    def wait_for(self, path: str, count: int) -> list[dict[str, Any]]:
        """The first *count* requests to *path*, once they are there."""

        def found() -> list[dict[str, Any]]:
            return [request for request in self.requests() if request["path"] == path]

        until(lambda: len(found()) >= count, START_SECONDS, lambda: f"{len(found())} of {count} requests to {path}")
        return found()[:count]
