"""How many long polls one process holds, what each costs in memory, and what other requests feel of them.

    python -m bench.waiting_polls [--polls 8000]

It opens the polls from several loopback addresses, because the service limits the connections of one address. Each
answer is followed by the next poll. Prints JSON.
"""

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from riskrelay.bench.scenarios import percentiles_ms
from support.service import Service

POLLS_OF_ADDRESS = 3_000
OPENED_AT_ONCE = 50
FINDINGS = 300
_SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"


class Pollers:
    """Connections that poll one stream, which gets no event.

    Attributes:
        waiting: how many have sent a poll that is not answered.
        failed: the answers that were no 200.
    """

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self.waiting = 0
        self.failed = 0

    async def poll(self, number: int) -> None:
        """Poll until the task is cancelled."""
        address = f"127.0.0.{1 + number // POLLS_OF_ADDRESS}"
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0))
        while True:
            writer.write(self._request)
            self.waiting += 1
            head = await reader.readuntil(b"\r\n\r\n")
            self.waiting -= 1
            self.failed += not head.startswith(b"HTTP/1.1 200 ")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)


async def measure(service: Service, port: int, request: bytes, polls: int) -> dict[str, float]:
    """Return the figures for that number of polls."""
    assert service.process is not None
    process = psutil.Process(service.process.pid)
    alone = await asyncio.to_thread(_accept, service, "alone")
    before = process.memory_info().rss
    pollers = Pollers(port, request)
    tasks = []
    for number in range(polls):
        tasks.append(asyncio.create_task(pollers.poll(number)))
        if number % OPENED_AT_ONCE == 0:
            await asyncio.sleep(0.05)
    while pollers.waiting < polls:
        await asyncio.sleep(0.1)
    beside = await asyncio.to_thread(_accept, service, "beside")
    figures = {
        "polls": polls,
        "waiting": pollers.waiting,
        "failed": pollers.failed,
        "bytes_a_poll": (process.memory_info().rss - before) / polls,
        "alone_p50_ms": alone["p50_ms"],
        "alone_p99_ms": alone["p99_ms"],
        "beside_p50_ms": beside["p50_ms"],
        "beside_p99_ms": beside["p99_ms"],
    }
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return figures


def _accept(service: Service, name: str) -> dict[str, float]:
    """Send single findings one after the other; none may fail."""
    took: list[float] = []
    for number in range(FINDINGS):
        began = time.monotonic()
        service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": f"{name}-{number}@example.com"}})
        took.append((time.monotonic() - began) * 1_000)
    return percentiles_ms(sorted(took))


@contextmanager
def polled_service(directory: Path) -> Iterator[tuple[Service, bytes]]:
    """A service with a polled stream, and the request that polls it."""
    service = Service(directory, RISKRELAY_RATE_LIMIT="0", RISKRELAY_DRAIN_SECONDS="1")
    service.start()
    try:
        service.enable_behaviors()
        body = {"integration_type": "SSF", "tenant_url": "https://receiver.example.com"}
        integration = service.result("POST", "/integrations", body)
        token = service.result("POST", f"/integrations/{integration['id']}/credentials", {"kind": "static_token"})[
            "token"
        ]
        bearer = f"Bearer {token}"
        asked = {"events_requested": [_SESSION_REVOKED]}
        _, _, stream = service.exchange("POST", f"/ssf/{integration['id']}/streams", asked, Authorization=bearer)
        path = urlsplit(stream["delivery"]["endpoint_url"]).path
        _, _, hello = service.exchange("POST", path, {}, Authorization=bearer)
        acknowledged = {"ack": list(hello["sets"]), "returnImmediately": True}
        service.exchange("POST", path, acknowledged, Authorization=bearer)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        )
        yield service, head.encode()
    finally:
        service.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polls", type=int, default=8_000)
    polls = parser.parse_args().polls
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="riskrelay-polls-") as directory, polled_service(Path(directory)) as served:
        service, request = served
        port = int(service.settings["RISKRELAY_PORT"])
        print(json.dumps(asyncio.run(measure(service, port, request, polls))))


if __name__ == "__main__":
    main()
