"""Reading credentials, and what a flood of bad ones leaves behind."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from riskrelay.actions.accounts import create_account
from riskrelay.actions.tokens import create_token
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import MalformedCredentials, NoCredentials
from riskrelay.core.rate_limits import RateLimit
from riskrelay.local.rate_limits import MemoryRateLimits
from riskrelay.local.token_uses import PendingTokenUses
from riskrelay.ports import Store
from riskrelay.web.app import create_app
from riskrelay.web.auth import presented_token
from support.services import HandClock, services_of
from support.transmitting import transmitting_of
from support.world import ACCOUNT

tokens = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=512)
anything = st.none() | st.text(max_size=600)


@given(tokens, anything, anything)
def test_a_bearer_token_wins(token: str, email: str | None, key: str | None) -> None:
    """Contract 14: whatever else is there, and in any letter case of the scheme."""
    assert presented_token(f"Bearer {token}", email, key) == token
    assert presented_token(f"bEARER  {token} ", email, key) == token


@given(tokens, st.text(min_size=1))
def test_a_key_with_any_e_mail_is_a_token(key: str, email: str) -> None:
    """Contract 14: no e-mail is refused for its form."""
    assert presented_token(None, email, key) == key


@given(anything, anything, anything)
def test_every_header_is_a_token_or_one_of_two_refusals(authorization: str | None, email: str, key: str) -> None:
    """Contract 15: nothing usable is 9106, what could never be valid 6003; never anything else."""
    try:
        token = presented_token(authorization, email, key)
    except NoCredentials:
        assert authorization is None
        assert not (email and key)
    except MalformedCredentials:
        assert authorization is not None or key
    else:
        assert 1 <= len(token) <= 512
        assert token.isascii()
        assert token.isprintable()
        assert " " not in token


class Caller:
    """Asks the application without a server."""

    def __init__(self, store: Store, limits: MemoryRateLimits, uses: PendingTokenUses) -> None:
        services = replace(services_of(store), rate_limits=limits, token_uses=uses)
        self._app = create_app(services, transmitting_of(), "https://risk.example.com", lambda _app: nullcontext())

    async def status(self, token: str) -> int:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": f"/accounts/{ACCOUNT}/zt_risk_scoring/integrations",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {token}".encode())],
        }
        await self._app(scope, receive, send)
        status: int = sent[0]["status"]
        return status


async def test_a_flood_of_made_up_tokens_leaves_nothing_in_memory(sqlite_store: Store) -> None:
    """Only a valid token is counted and remembered, once, however often it comes."""
    services = services_of(sqlite_store)
    await create_account(services, ACCOUNT, COMMAND_LINE)
    token, _ = await create_token(services, ACCOUNT, COMMAND_LINE, "ci")
    limits, uses = MemoryRateLimits(HandClock(), RateLimit(10, 60)), PendingTokenUses()
    caller = Caller(sqlite_store, limits, uses)
    assert [await caller.status(f"made-up-{number}") for number in range(200)] == [401] * 200
    assert (len(limits), len(uses)) == (0, 0)
    assert [await caller.status(token) for _ in range(15)] == [200] * 10 + [429] * 5
    assert (len(limits), len(uses)) == (1, 1)


async def test_a_token_over_its_limit_costs_no_query(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that goes on asking gets 429 from memory alone."""
    services = services_of(sqlite_store)
    await create_account(services, ACCOUNT, COMMAND_LINE)
    token, _ = await create_token(services, ACCOUNT, COMMAND_LINE, "ci")
    caller = Caller(sqlite_store, MemoryRateLimits(HandClock(), RateLimit(2, 60)), PendingTokenUses())
    assert [await caller.status(token) for _ in range(2)] == [200, 200]
    for name in ("read", "write", "read_installation", "write_installation"):
        monkeypatch.delattr(type(sqlite_store), name)
    assert [await caller.status(token) for _ in range(5)] == [429] * 5


@pytest.mark.parametrize("authorization", ["", " ", "Bearer", "Bearer ", "Bearer a b", "Basic a", "\tBearer a"])
def test_what_could_never_be_valid_is_malformed(authorization: str) -> None:
    """Contract 15: 6003, although a good key stands beside it."""
    with pytest.raises(MalformedCredentials):
        presented_token(authorization, "user@example.com", "key")
