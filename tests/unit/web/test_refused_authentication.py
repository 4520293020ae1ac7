"""What refused credentials leave behind: a count, and few lines in the log."""

import re
import threading
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from riskrelay.actions.accounts import create_account
from riskrelay.actions.tokens import create_token
from riskrelay.core.credentials import COMMAND_LINE, Scope
from riskrelay.ports import Services, Store
from riskrelay.web.app import create_app
from support.services import HandClock, services_of
from support.transmitting import transmitting_of
from support.world import ACCOUNT

INTEGRATIONS = f"/accounts/{ACCOUNT}/zt_risk_scoring/integrations"
POLL = "/ssf/6f0c1c9e-0000-4000-8000-000000000000/streams"
ORIGIN = "https://risk.example.com"
FORM = {"content-type": "application/x-www-form-urlencoded"}


class World:
    """The application, asked without a server."""

    def __init__(self, store: Store) -> None:
        self.clock = HandClock()
        self.services: Services = services_of(store, self.clock)
        self._app = create_app(self.services, transmitting_of(), ORIGIN, lambda _app: nullcontext())

    async def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> int:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        given = {"host": "risk.example.com", "content-length": str(len(body)), **headers}
        scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "client": ("198.51.100.7", 40_000),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
        }
        await self._app(scope, receive, send)
        status: int = sent[0]["status"]
        return status

    async def counts(self) -> dict[str, float]:
        text = await self.services.metrics.exposition(None, self.services.store.load(), writable=True)
        found = re.findall(rb'riskrelay_authentication_refused_total\{reason="(\w+)"\} (\S+)', text)
        return {name.decode(): float(value) for name, value in found}


@pytest.fixture
async def world(sqlite_store: Store) -> World:
    """An account whose token may only read."""
    world = World(sqlite_store)
    await create_account(world.services, ACCOUNT, COMMAND_LINE)
    return world


@pytest.mark.parametrize("path", [INTEGRATIONS, POLL])
async def test_a_refusal_is_noted_on_the_event_loop(world: World, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread of a pool changes the bucket of log lines, which has no lock."""
    threads: list[threading.Thread] = []
    monotonic = world.clock.monotonic

    def noting() -> float:
        threads.append(threading.current_thread())
        return monotonic()

    monkeypatch.setattr(world.clock, "monotonic", noting)
    await world.ask(path, authorization="Bearer canary")
    assert set(threads) == {threading.current_thread()}


NOTHING = {"no_credentials": 0.0, "malformed": 0.0, "unknown": 0.0, "forbidden": 0.0}


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason"),
    [
        (INTEGRATIONS, {}, 400, "no_credentials"),
        (INTEGRATIONS, {"authorization": "Basic x"}, 400, "malformed"),
        (INTEGRATIONS, {"authorization": "Bearer canary"}, 401, "unknown"),
        (INTEGRATIONS, {"x_auth_email": "a@b.example", "x_auth_key": "canary"}, 401, "unknown"),
        (POLL, {}, 401, "no_credentials"),
        (POLL, {"authorization": "Bearer a b"}, 400, "malformed"),
        (POLL, {"authorization": "Bearer canary"}, 401, "unknown"),
    ],
)
async def test_a_refusal_is_counted_and_logged(
    world: World, path: str, headers: dict[str, str], status: int, reason: str
) -> None:
    """With the reason, the address and the pattern of the route; never with what was shown."""
    with capture_logs() as lines:
        assert await world.ask(path, "GET", b"", **headers) == status
    assert await world.counts() == {**NOTHING, reason: 1.0}
    (line,) = [line for line in lines if line["event"] == "authentication_refused"]
    assert (line["reason"], line["address"], line["log_level"]) == (reason, "198.51.100.7", "warning")
    assert "{" in line["route"]
    assert "canary" not in str(line)
    assert ACCOUNT not in str(line)


async def test_a_token_that_may_not_do_it_is_counted(world: World) -> None:
    """403; a token that may is not."""
    token, _ = await create_token(world.services, ACCOUNT, COMMAND_LINE, "ci", [Scope.READ])
    assert await world.ask(INTEGRATIONS, authorization=f"Bearer {token}") == 200
    assert await world.counts() == NOTHING
    assert await world.ask(f"/accounts/{ACCOUNT}/tokens", authorization=f"Bearer {token}") == 404
    assert await world.counts() == NOTHING
    assert await world.ask("/accounts/another/zt_risk_scoring/integrations", authorization=f"Bearer {token}") == 403
    assert await world.counts() == {**NOTHING, "forbidden": 1.0}


async def test_the_console_and_the_token_endpoint_count_too(world: World) -> None:
    """A sign-in with an unknown token; an OAuth client that nobody has made."""
    assert await world.ask("/console/sign-in", "POST", b"token=rr_wrong", origin=ORIGIN, **FORM) == 401
    body = b"grant_type=client_credentials&client_id=a&client_secret=canary"
    assert await world.ask("/ssf/6f0c1c9e-0000-4000-8000-000000000000/token", "POST", body, **FORM) == 401
    assert await world.counts() == {**NOTHING, "unknown": 2.0}


async def test_a_flood_leaves_few_lines_and_every_count(world: World) -> None:
    """Sixty lines a minute; the first one after says how many were left out."""
    with capture_logs() as lines:
        for _ in range(200):
            await world.ask(INTEGRATIONS)
        world.clock.pass_time(timedelta(minutes=1))
        await world.ask(INTEGRATIONS)
    assert [line["left_out"] for line in lines] == [0] * 60 + [140]
    assert (await world.counts())["no_credentials"] == 201
