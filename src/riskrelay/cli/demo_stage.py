"""The processes of the demo: a service on a temporary database, and a receiver, each in a process of its own."""

import json
from asyncio.subprocess import Process
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from riskrelay.bench.ledger import read_ledger
from riskrelay.bench.processes import Processes, free_port, stop


class Stage:
    """A temporary installation in *directory*, served on a free port of this machine."""

    def __init__(self, directory: Path) -> None:
        self.receiver_log = directory / "received.ndjson"
        self.receiver_port = free_port()
        self.tenant_url = f"http://127.0.0.1:{self.receiver_port}"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        settings = {
            "RISKRELAY_DATABASE_URL": f"sqlite:///{directory / 'demo.db'}",
            "RISKRELAY_PUBLIC_URL": self.url,
            "RISKRELAY_PORT": str(port),
            "RISKRELAY_ALLOW_TARGETS": "127.0.0.1",
            "RISKRELAY_ALLOW_HTTP_TARGETS": "true",
        }
        self._processes = Processes(directory, settings)
        self.token = ""
        self._service: Process | None = None
        self._receiver: Process | None = None

    async def __aenter__(self) -> Self:
        try:
            made = await self._processes.run("init", "--account", "demo", "--json")
            self.token = json.loads(made)["token"]
            self._service = await self._processes.start_command("serve", port=int(self.url.rpartition(":")[2]))
        except BaseException:  # a signal, too: nothing that was started stays behind
            await self._processes.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop_receiver()
            await stop(self._service)
        finally:
            await self._processes.kill()  # what was about to start when a signal arrived

    @property
    def has_receiver(self) -> bool:
        """Whether the receiver runs."""
        return self._receiver is not None

    async def start_receiver(self, well_known_url: str) -> None:
        """Start the receiver and wait until it listens."""
        port, log = str(self.receiver_port), str(self.receiver_log)
        self._receiver = await self._processes.start_command(
            "receive", "--well-known", well_known_url, "--port", port, "--log", log, port=self.receiver_port
        )

    async def stop_receiver(self) -> None:
        """Take the receiver down, if it is up."""
        await stop(self._receiver)
        self._receiver = None

    def received(self) -> list[dict[str, Any]]:
        """What the receiver has verified so far, in the order it came."""
        if not self.receiver_log.exists():
            return []
        lines = self.receiver_log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    async def ledger(self) -> dict[str, int]:
        """The counts of the service's own ledger, with its imbalance."""
        return await read_ledger(self.url)
