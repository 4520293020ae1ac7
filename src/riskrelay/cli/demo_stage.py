"""The processes of the demo: a service on a temporary database, and a receiver, each in a process of its own."""

import asyncio
import json
import os
import re
import socket
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_START_SECONDS = 15


class DemoFailed(Exception):
    """The demo cannot go on; the message says what happened."""


class Stage:
    """A temporary installation in *directory*, served on a free port of this machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.receiver_log = directory / "received.ndjson"
        self.receiver_port = _free_port()
        self.tenant_url = f"http://127.0.0.1:{self.receiver_port}"
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RISKRELAY_")},
            "RISKRELAY_DATABASE_URL": f"sqlite:///{directory / 'demo.db'}",
            "RISKRELAY_PUBLIC_URL": self.url,
            "RISKRELAY_PORT": str(port),
            "RISKRELAY_ALLOW_TARGETS": "127.0.0.1",
            "RISKRELAY_ALLOW_HTTP_TARGETS": "true",
        }
        self.token = ""
        self._service: asyncio.subprocess.Process | None = None
        self._receiver: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        made = await self._run("init", "--account", "demo", "--json")
        self.token = json.loads(made)["token"]
        self._service = await self._start("serve", log="service.log")
        await self._listening(int(self.url.rpartition(":")[2]), self._service, "service.log")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_receiver()
        await _stop(self._service)

    async def start_receiver(self, well_known_url: str) -> None:
        """Start the receiver and wait until it listens."""
        self._receiver = await self._start(
            "receive",
            "--well-known",
            well_known_url,
            "--port",
            str(self.receiver_port),
            "--log",
            str(self.receiver_log),
            log="receiver.log",
        )
        await self._listening(self.receiver_port, self._receiver, "receiver.log")

    async def stop_receiver(self) -> None:
        """Take the receiver down, if it is up."""
        await _stop(self._receiver)
        self._receiver = None

    def received(self) -> list[dict[str, Any]]:
        """What the receiver has verified so far, in the order it came."""
        if not self.receiver_log.exists():
            return []
        lines = self.receiver_log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    async def ledger(self) -> dict[str, int]:
        """The counts of the service's own ledger, with its imbalance."""
        text = await asyncio.to_thread(_get, f"{self.url}/metrics")
        counts = {
            state: int(float(count))
            for state, count in re.findall(r'^riskrelay_ledger_events\{.*state="(\w+)".*\} (\S+)$', text, re.MULTILINE)
        }
        imbalance = re.search(r"^riskrelay_ledger_imbalance (\S+)$", text, re.MULTILINE)
        return {**counts, "imbalance": int(float(imbalance[1])) if imbalance else -1}

    async def _run(self, *arguments: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "riskrelay", *arguments, env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise DemoFailed(f"`riskrelay {arguments[0]}` failed with exit code {process.returncode}")
        return output

    async def _start(self, *arguments: str, log: str) -> asyncio.subprocess.Process:
        with (self._directory / log).open("ab") as file:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "riskrelay", *arguments, env=self._environment, stdout=file, stderr=file
            )

    async def _listening(self, port: int, process: asyncio.subprocess.Process, log: str) -> None:
        for _ in range(_START_SECONDS * 50):
            if process.returncode is not None:
                break
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return
        tail = (self._directory / log).read_text()[-1_000:]
        raise DemoFailed(f"nothing listens on port {port}; the process said:\n{tail}")


async def _stop(process: asyncio.subprocess.Process | None) -> None:
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  an address of this demo
        text: str = response.read().decode()
    return text
