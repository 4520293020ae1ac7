"""How long the service takes for each page of a big installation, on both engines.

    python -m bench.screens [--requests 20] [--scale 1] [--json]

Pages of the account API, and every GET route of the console with its placeholders filled; over HTTP on one kept-alive
connection, one request after another, while the service does its chores and has nothing to deliver. What is slower than
the target is marked.
"""

import argparse
import asyncio
import http.client
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench.big_installation import Population, Size, fill
from riskrelay.bench.installation import Installation
from riskrelay.bench.scenarios import percentiles_ms
from riskrelay.core.delivery.attempts import DeliveryState
from support.crossing import routes
from support.databases import PostgresServer

TARGET_MS = 300  # every screen, measured at the server
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_CONSOLE = "/console/accounts/{account_id}"
_USERS = "users=user-000017@big.example+user-000018@big.example"
_QUERIES = {
    "": ("window=6h", "window=24h"),
    "/users": ("level=high", "level=low", "q=user-05", "q=nobody"),
    "/users/resets": ("level=high", "behavior=imp_travel", "last_event_from=2026-01-01T00:00"),
    "/integrations": ("q=tenant-1",),
    "/integrations/{integration_id}/deliveries": tuple(f"state={state}" for state in DeliveryState),
    "/integrations/{integration_id}/replays": (
        "state=dead",
        "state=dead&reason=invalid_request",
        f"state=dead&{_USERS}",
        f"edit=1&find=user-05&{_USERS}",
    ),
    "/live": ("state=dead", "state=pending"),
}
"""What else a screen can be asked for, by its route; what it does not know changes nothing."""
_PLACE = re.compile(r"/deliveries/([0-9a-f-]+\.-?[0-9]+\.[0-9]+)")  # of a delivery, in the links to it


@dataclass(frozen=True)
class Page:
    """What was measured of one page."""

    engine: str
    path: str
    bytes: int
    p50_ms: float
    p99_ms: float

    @property
    def is_slow(self) -> bool:
        """Whether it misses the target."""
        return self.p99_ms > TARGET_MS


class Browser:
    """One kept-alive connection with a token for the account API and a session of the console."""

    def __init__(self, installation: Installation) -> None:
        address = urlsplit(installation.url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
        self._headers = {"Authorization": f"Bearer {installation.token}"}
        self._sign_in(installation)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str) -> bytes:
        """The body of a page, which must be there."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {body[:300]!r}"
        return body

    def create(self, path: str, body: Mapping[str, object]) -> str:
        """Create something by the account API.

        Returns: its id.
        """
        headers = {**self._headers, "Content-Type": "application/json"}
        self._connection.request("POST", path, json.dumps(body), headers)
        answer = self._connection.getresponse()
        made = json.loads(answer.read())
        assert answer.status == 200, f"{path}: {answer.status} {made}"
        created: str = made["result"]["id"]
        return created

    def measure(self, engine: str, path: str, requests: int) -> Page:
        """The time from sending a request to the last byte of the answer."""
        body = self.get(path)
        taken = []
        for _ in range(requests):
            began = time.perf_counter()
            self.get(path)
            taken.append((time.perf_counter() - began) * 1000)
        found = percentiles_ms(sorted(taken))
        return Page(engine, path, len(body), round(found["p50_ms"], 1), round(found["p99_ms"], 1))

    def _sign_in(self, installation: Installation) -> None:
        body = urlencode({"token": installation.token})
        headers = {**_FORM, "Origin": installation.url}
        self._connection.request("POST", "/console/sign-in", body, headers)
        answer = self._connection.getresponse()
        answer.read()
        cookie = answer.headers["Set-Cookie"]
        assert cookie, f"no session of the console: {answer.status}"
        self._headers["Cookie"] = cookie.partition(";")[0]


def account_pages(browser: Browser, population: Population) -> Iterator[str]:
    """The pages of the account API that read: the first ones, and ones far back."""
    base = f"/accounts/{population.account_id}/zt_risk_scoring"
    users = population.size.users
    yield from (f"{base}/summary", f"{base}/summary?per_page=1000", f"{base}/summary?page={users * 7 // 1000}")
    yield f"{base}/{population.id_of('user', 1)}"
    yield from _all_pages(browser, f"{base}/{population.id_of('user', 1)}/history")
    yield f"{base}/resets"
    yield from (f"{base}/behaviors", f"{base}/health", f"{base}/tokens", f"{base}/integrations")
    yield from _all_pages(browser, f"{base}/audit")
    yield f"{base}/audit?kind=token"
    for number in (0, population.size.integrations // 2, 17):
        integration = f"{base}/integrations/{population.id_of('integration', number)}"
        yield from (integration, f"{integration}/health")
        yield from _all_pages(browser, f"{integration}/deliveries")
        for state in ("pending", "delivered", "dead", "expired", "cancelled"):
            yield f"{integration}/deliveries?state={state}"
    integration = f"{base}/integrations/{population.id_of('integration', 0)}"
    yield f"{integration}/deliveries/{_oldest_jti(browser, integration)}"
    yield "/metrics"


def _all_pages(browser: Browser, path: str, pages: int = 5) -> Iterator[str]:
    """The first page of a list with cursors, and the last of the *pages* that follow."""
    yield path
    following = path
    for _ in range(pages):
        cursor = json.loads(browser.get(following))["result_info"]["cursor"]
        if cursor is None:
            return
        following = f"{path}{'&' if '?' in path else '?'}cursor={cursor}"
    yield following


def _oldest_jti(browser: Browser, integration: str) -> str:
    """A delivery far down the log: cursors are followed to their end, at most 100 pages."""
    following = f"{integration}/deliveries?per_page=1000"
    for _ in range(100):
        envelope = json.loads(browser.get(following))
        if envelope["result_info"]["cursor"] is None:
            break
        following = f"{integration}/deliveries?per_page=1000&cursor={envelope['result_info']['cursor']}"
    jti: str = envelope["result"][-1]["jti"]
    return jti


def console_pages(browser: Browser, population: Population) -> Iterator[str]:
    """Every GET route of the console for this account, its placeholders filled; and what its lists can be asked for."""
    integration = population.id_of("integration", 0)
    base = f"/accounts/{population.account_id}/zt_risk_scoring"
    behavior = {"id": "vpn_from_abroad", "name": "VPN", "description": "A VPN from abroad.", "risk_level": "low"}
    rule = {"name": "3", "within_seconds": 3_600, "when": "$count(findings) >= 3", "level": "high", "enabled": False}
    exception = {"pattern": "svc-*@big.example", "effect": "ignore", "reason": "Service accounts."}
    channel = {"kind": "slack", "name": "Ops", "target": "https://hooks.example.com/1", "conditions": ["disk"]}
    values = {
        "rule_id": browser.create(f"{base}/rules", rule),
        "exception_id": browser.create(f"{base}/exceptions", exception),
        "channel_id": browser.create(f"{base}/notification_channels", channel),
        "account_id": population.account_id,
        "integration_id": integration,
        "user_id": population.id_of("user", 1),
        "behavior": "imp_travel",
        "behavior_id": browser.create(f"{base}/behaviors", behavior),
        "source_id": browser.create(f"{base}/sources", {"kind": "okta_system_log", "name": "Okta"}),
        "place": _latest_place(browser, f"/console/accounts/{population.account_id}/integrations/{integration}"),
    }
    for method, path in routes():
        if method != "GET" or not path.startswith(_CONSOLE):
            continue
        if not set(re.findall(r"{(\w+)}", path)) <= set(values):
            print(f"not measured, for nobody knows what to put into it: {path}", file=sys.stderr)
            continue
        yield path.format_map(values)
        yield from (f"{path.format_map(values)}?{query}" for query in _QUERIES.get(path.removeprefix(_CONSOLE), ()))


def _latest_place(browser: Browser, integration: str) -> str:
    """Where the latest delivery of an integration is."""
    found = _PLACE.search(browser.get(f"{integration}/deliveries").decode())
    assert found is not None, "the integration has no delivery"
    return found[1]


async def measure(installation: Installation, size: Size, requests: int) -> list[Page]:
    """Fill an installation that is there and empty, serve it, and measure every page."""
    account_id = installation.accounts[0]
    await fill(installation.database_url, account_id, size)
    await installation.start()
    population = Population(account_id, size, 0)
    return await asyncio.to_thread(_measure, installation, population, requests)


def _measure(installation: Installation, population: Population, requests: int) -> list[Page]:
    with closing(Browser(installation)) as browser:
        paths = [*account_pages(browser, population), *console_pages(browser, population)]
        return [browser.measure(installation.engine, path, requests) for path in paths]


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the run."""
    server = PostgresServer()
    try:
        yield server
    finally:
        server.stop()


async def measure_engines(size: Size, requests: int) -> list[Page]:
    """Both engines, one after the other."""
    pages: list[Page] = []
    with postgres_server() as server, tempfile.TemporaryDirectory(prefix="riskrelay-screens-") as directory:
        for name, database_url in (("sqlite", None), ("postgresql", await server.new_database())):
            async with Installation(Path(directory) / name, database_url) as installation:
                pages += await measure(installation, size, requests)
    return pages


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure every page of a big installation.")
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    size = Size(*(max(1, round(count * given.scale)) for count in (Size.users, Size.integrations, Size.deliveries)))
    pages = asyncio.run(measure_engines(size, given.requests))
    if given.json:
        print(json.dumps([vars(page) for page in pages]))
        return
    for page in pages:
        times = f"{page.p50_ms:>9,.1f} ms {page.p99_ms:>9,.1f} ms"
        print(f"{page.engine:<10} {times} {page.bytes:>9,} B {'SLOW' if page.is_slow else '':<4} {page.path}")


if __name__ == "__main__":
    main()
