"""An installation on PostgreSQL with many nodes: one process that serves, any number of workers."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from riskrelay.signing.sealing import new_master_key
from support.fork_server import shared_fork_server
from support.service import START_SECONDS, Service, environment


class WorkerNode:
    """`riskrelay worker` in a process of its own."""

    def __init__(self, settings: dict[str, str], log: Path) -> None:
        self.log = log
        self._process = shared_fork_server().start(["worker"], environment(**settings), log)

    def wait_until_ready(self) -> None:
        """Return when it delivers."""
        deadline = time.monotonic() + START_SECONDS
        while not self.log.exists() or '"delivering"' not in self.log.read_text():
            assert self.runs, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def ports_to(self, port: int) -> set[int]:
        """Its own ports of the connections that it has to *port*."""
        connections = psutil.Process(self._process.pid).net_connections("tcp")
        return {one.laddr.port for one in connections if one.raddr and one.raddr.port == port}

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM.

        Returns: the exit code.
        """
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def freeze(self) -> None:
        """As a machine that is suspended."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on as if nothing had happened."""
        self._process.send_signal(signal.SIGCONT)


class Nodes:
    """The installation, its serving process and its workers.

    Args:
        database_url: of an empty database, for the operator.
        through: how the nodes reach it, when not directly.
    """

    def __init__(self, directory: Path, database_url: str, through: str | None = None) -> None:
        self._directory = directory
        self.database_url = database_url
        self.service = Service(
            directory,
            RISKRELAY_DATABASE_URL=through or database_url,
            RISKRELAY_MASTER_KEY=new_master_key(),
            RISKRELAY_LEASE_SECONDS="30",
        )
        self.workers: list[WorkerNode] = []

    def start_worker(self, **settings: str) -> WorkerNode:
        """One worker more."""
        log = self._directory / f"worker-{len(self.workers)}.log"
        worker = WorkerNode({**self.service.settings, **settings}, log)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """Stop everything in an orderly way, what is frozen too."""
        for worker in self.workers:
            if worker.runs:
                worker.thaw()
                worker.stop()
        self.service.stop()

    def sql(self, statement: str) -> list[Any]:
        """Ask the database directly."""

        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.database_url)
            try:
                return [row[0] for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def end_leases(self) -> None:
        """As if the time of every lease had passed: the database's clock cannot be moved. Lane by lane, so that this
        waits in no circle with those who queue."""
        for stream_id in self.sql("SELECT DISTINCT stream_id FROM lanes"):
            self.sql(f"UPDATE lanes SET lease_until = 0 WHERE stream_id = '{stream_id}'")
