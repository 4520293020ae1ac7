"""The installation that the benchmark measures: a database, a service, workers."""

import asyncio
import json
import sys
from asyncio.subprocess import Process
from itertools import chain
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil

from riskrelay.actions.accounts import create_account
from riskrelay.actions.tokens import create_token
from riskrelay.bench.ledger import read_ledger
from riskrelay.bench.load import Load, Target
from riskrelay.bench.processes import Processes, ProcessFailed, free_port, stop
from riskrelay.bench.receiver import BenchReceiver
from riskrelay.core.credentials import ALL_SCOPES, COMMAND_LINE
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE
from riskrelay.settings import read_settings
from riskrelay.signing.sealing import new_master_key
from riskrelay.wiring.installation import build_services

_CALM_SECONDS, _CALM_SHARE, _CALM_TRIES = 0.5, 0.1, 60  # a process that uses less of a core than this is calm
_PUSH = "urn:ietf:rfc:8935"


class Installation:
    """A temporary installation in *directory* on a free port of this machine. Use it as a context manager.

    Args:
        database_url: an empty PostgreSQL database; None: a SQLite file in *directory*.
        workers: the number of separate delivery processes; 0: the service delivers itself; None: no delivery.
        accounts: the number of accounts. Each has its own integration, and so its own lane.
        python: the interpreter whose `riskrelay` is measured. Another than this one serves a single account.
    """

    def __init__(
        self,
        directory: Path,
        database_url: str | None,
        workers: int | None = 0,
        accounts: int = 1,
        *,
        python: str = sys.executable,
    ) -> None:
        directory.mkdir(parents=True)
        self._workers = workers
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.database_url = database_url or f"sqlite:///{directory / 'bench.db'}"
        self.settings = {
            "RISKRELAY_DATABASE_URL": self.database_url,
            "RISKRELAY_MASTER_KEY": new_master_key(),
            "RISKRELAY_PUBLIC_URL": self.url,
            "RISKRELAY_PORT": str(self._port),
            "RISKRELAY_ALLOW_TARGETS": "127.0.0.0/8",
            "RISKRELAY_ALLOW_HTTP_TARGETS": "true",
            "RISKRELAY_RATE_LIMIT": "0",
        }
        self.processes = Processes(directory, self.settings, python)
        self._running: list[Process] = []
        self.accounts = [AccountId(f"bench-{number}") for number in range(accounts)]
        self.token = ""

    @property
    def engine(self) -> str:
        """The name of the database engine."""
        return "sqlite" if self.database_url.startswith("sqlite") else "postgresql"

    def target(self, account_id: AccountId | None = None) -> Target:
        """Return the target of findings in an account; None: the first account."""
        return Target(self.url, account_id or self.accounts[0], self.token)

    async def __aenter__(self) -> Self:
        made = json.loads(await self.processes.run("init", "--account", self.accounts[0], "--json"))
        self.token = made["token"]
        if len(self.accounts) > 1:
            await self._make_accounts()
        return self

    async def _make_accounts(self) -> None:
        """Create all accounts, and a token for them. A process for each would take longer than the measurement."""
        services = build_services(read_settings(database_url=self.database_url))
        try:
            for account_id in self.accounts:
                await create_account(services, account_id, COMMAND_LINE)
            self.token, _ = await create_token(services, None, COMMAND_LINE, "bench", scopes=ALL_SCOPES)
        finally:
            await services.store.close()

    async def __aexit__(self, *_: object) -> None:
        await self.processes.kill()  # the receivers too, also when a scenario has failed

    async def start(self) -> None:
        """Serve, and deliver.

        Raises: ProcessFailed.
        """
        options = [] if self._workers == 0 else ["--no-delivery"]
        self._running.append(await self.processes.start_command("serve", *options, port=self._port))
        for _ in range(self._workers or 0):
            self._running.append(await self.processes.start_command("worker"))

    async def calm(self) -> None:
        """Wait until the processes are idle, because a process that still starts uses CPU and distorts the results."""
        for _ in range(_CALM_TRIES):
            used = self.cpu_seconds()
            await asyncio.sleep(_CALM_SECONDS)
            if self.cpu_seconds() - used < _CALM_SECONDS * _CALM_SHARE * len(self._running):
                return

    async def stop(self) -> None:
        """End all processes."""
        for process in reversed(self._running):
            await stop(process)
        self._running.clear()

    async def prepare(self, receiver: BenchReceiver, algorithm: str = "RS256") -> None:
        """Enable all behaviors in each account, and create an integration with that receiver.

        Args:
            algorithm: Okta accepts RS256 only. With another algorithm the receiver creates its own stream.
        """
        receiver_url = f"http://127.0.0.1:{receiver.port}"
        for account_id in self.accounts:
            base = f"/accounts/{account_id}/zt_risk_scoring"
            behaviors = (await self.call("GET", f"{base}/behaviors"))["behaviors"]
            enabled = {name: {**row, "enabled": True} for name, row in behaviors.items()}
            await self.call("PUT", f"{base}/behaviors", {"behaviors": enabled})
            product = "Okta" if algorithm == "RS256" else "SSF"
            body = {"integration_type": product, "tenant_url": receiver_url}
            integration = f"{base}/integrations/{(await self.call('POST', f'{base}/integrations', body))['id']}"
            if product == "SSF":
                await self.call("PUT", f"{integration}/settings", {"signing_algorithm": algorithm})
                await self._make_stream(integration, receiver_url)

    async def _make_stream(self, integration: str, receiver_url: str) -> None:
        """Create a stream as a Shared Signals receiver does, for level changes by push."""
        token = (await self.call("POST", f"{integration}/credentials", {"kind": "static_token"}))["token"]
        delivery = {"method": _PUSH, "endpoint_url": f"{receiver_url}/events"}
        metadata = f"{self.url}/.well-known/ssf-configuration/{integration.rpartition('/')[2]}"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            async with session.get(metadata) as got:
                found = await got.json()
            body = {"delivery": delivery, "events_requested": [CAEP_RISK_LEVEL_CHANGE]}
            async with session.post(found["configuration_endpoint"], json=body) as made:
                if made.status != 201:
                    raise ProcessFailed(f"no stream could be created: {await made.text()}")

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the result of a call of the account API.

        Raises: ProcessFailed: the service refused.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.url + path, json=body) as got,
        ):
            envelope = await got.json()
        if not envelope["success"]:
            raise ProcessFailed(f"{method} {path}: {envelope['errors']}")
        return envelope["result"]

    def load(self) -> Load:
        """Return a client for findings."""
        return Load(self.url)

    async def delivered(self) -> int:
        """Return the number of delivered events.

        Raises: ProcessFailed: the ledger does not balance.
        """
        ledger = await read_ledger(self.url)
        if ledger["imbalance"]:
            raise ProcessFailed(f"the ledger does not balance: {ledger}")
        return ledger["delivered"]

    def memory_mb(self) -> float:
        """Return the resident memory of all processes."""
        return sum(process.memory_info().rss for process in self._processes()) / 1e6

    def cpu_seconds(self) -> float:
        """Return the CPU time of all processes, without the database server."""
        times = [process.cpu_times() for process in self._processes()]
        return sum(time.user + time.system for time in times)

    def _processes(self) -> list[psutil.Process]:
        """Return the started processes and their signing processes."""
        started = [psutil.Process(process.pid) for process in self._running]
        return [*started, *chain.from_iterable(process.children(recursive=True) for process in started)]
