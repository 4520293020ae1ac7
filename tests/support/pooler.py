"""A real PgBouncer in transaction mode, before the tests' PostgreSQL server."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from riskrelay.bench.processes import free_port
from support.programs import needed
from support.service import wait_for_port

_SERVERS = 3  # fewer than a node's own connections, so that transactions change theirs all the time


class Pooler:
    """Forwards to the server whose socket is in *socket_directory*.

    Args:
        directory: of its own; its files go there.
    """

    def __init__(self, directory: Path, socket_directory: str) -> None:
        self._port = free_port()
        configuration = directory / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n* = host={socket_directory} user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self._port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {_SERVERS}\nmax_client_conn = 200\n"
        )
        self._log = directory / "pgbouncer.log"
        owner = Path(socket_directory).owner()  # PgBouncer refuses to be root, and the directory is the server's alone
        as_whom = ["--user", owner] if os.geteuid() == 0 else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([needed("pgbouncer"), *as_whom, configuration], stdout=log, stderr=log)
        wait_for_port(self._port, self._process, self._log)

    def url(self, direct: str) -> str:
        """How the database of the URL *direct* is reached through the pooler."""
        name = direct.split("?")[0].rsplit("/", 1)[1]
        return f"postgresql://postgres@127.0.0.1:{self._port}/{name}"

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


@contextmanager
def pooler_before(socket_directory: str) -> Iterator[Pooler]:
    """A pooler for a while."""
    with tempfile.TemporaryDirectory(prefix="riskrelay-pgbouncer-") as directory:
        pooler = Pooler(Path(directory), socket_directory)
        try:
            yield pooler
        finally:
            pooler.stop()
