"""Retries of both clients: what is sent again, after how long, and what is reported instead."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from riskrelay.client import (
    AnswerLost,
    AsyncClient,
    Client,
    ClientError,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServiceFailed,
    UnexpectedAnswer,
    Unreachable,
)
from riskrelay.client.requests import Response
from riskrelay.client.retrying import wait_before_retry

EMPTY = Response(200, {}, b'{"success":true,"errors":[],"messages":[],"result":{}}')
RECORDED = Response(
    200, {}, b'{"success":true,"result":{"accepted":1,"duplicates":0,"ignored":0,"changes":[]},"new_member":1}'
)
LOST = AnswerLost("the connection was closed")


def refusal(status: int, code: int = 1000, retry_after: str | None = None) -> Response:
    """An envelope with one error."""
    error = {
        "code": code,
        "message": "is wrong",
        "documentation_url": f"https://risk.example.com/docs/errors/{code}",
        "source": {"pointer": "/user/email"},
    }
    envelope = {"success": False, "errors": [error], "messages": [], "result": {}}
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Response(status, headers, msgspec.json.encode(envelope))


class Script:
    """A transport that answers from a list, and keeps the requests.

    Attributes:
        waits: how long the client waited before each retry.
    """

    def __init__(self, *answers: Response | ClientError) -> None:
        self._answers = list(answers)
        self.sent: list[tuple[str, str, Mapping[str, str], Any]] = []
        self.waits: list[float] = []

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, _timeout: float) -> Response:
        self.sent.append((method, url, headers, None if body is None else msgspec.json.decode(body)))
        answer = self._answers.pop(0)
        if isinstance(answer, ClientError):
            raise answer
        return answer

    def close(self) -> None:
        """Do nothing."""


class AsyncScript(Script):
    """The same for the asynchronous client."""

    async def send(self, *given: Any) -> Response:  # type: ignore[override]
        return super().send(*given)

    async def close(self) -> None:  # type: ignore[override]
        """Do nothing."""


Run = Callable[..., tuple[Any, Script]]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Make a client, answer its requests from a script, and return the result of one call; no wait takes time."""

    def with_client(call: Callable[[Any], Any], *answers: Response | ClientError) -> tuple[Any, Script]:
        script = Script(*answers)
        monkeypatch.setattr("riskrelay.client.sync.session.sleep", script.waits.append)
        with Client("http://risk.example.com", "token", "acme", transport=script) as client:
            return call(client), script

    def with_async_client(call: Callable[[Any], Any], *answers: Response | ClientError) -> tuple[Any, Script]:
        script = AsyncScript(*answers)

        async def sleep(seconds: float) -> None:
            script.waits.append(seconds)

        async def calling() -> Any:
            async with AsyncClient("http://risk.example.com", "token", "acme", transport=script) as client:
                return await call(client)

        monkeypatch.setattr("riskrelay.client.aio.session.sleep", sleep)
        return asyncio.run(calling()), script

    return with_client if request.param == "sync" else with_async_client


def test_a_finding_without_id_keeps_one_id_in_every_attempt(run: Run) -> None:
    """It is made before the first attempt, so the service recognizes the second one."""
    result, script = run(lambda c: c.findings.send("high_dlp", "kai@example.com"), LOST, RECORDED)
    assert result.accepted == 1
    (_, url, first, one), (_, _, second, two) = script.sent
    assert one == two
    assert len(one["id"]) == 36
    assert url == "http://risk.example.com/accounts/acme/zt_risk_scoring/findings"
    assert (first["X-Stainless-Retry-Count"], second["X-Stainless-Retry-Count"]) == ("0", "1")
    assert first["Authorization"] == "Bearer token"


def test_a_new_integration_without_reference_id_gets_one(run: Run) -> None:
    """With it and the retry count, the service recognizes a repeated create."""
    integration = (
        b'{"id":"1","account_tag":"acme","integration_type":"Okta","reference_id":"r","tenant_url":"https://a.example",'
        b'"well_known_url":"https://risk.example.com/1","active":true,"created_at":"2026-03-17T08:00:00Z"}'
    )
    made = Response(200, {}, b'{"success":true,"result":%b}' % integration)
    result, script = run(lambda c: c.integrations.create("https://a.example"), LOST, refusal(500), made)
    assert result.created_at.tzinfo is not None
    assert len({body["reference_id"] for _, _, _, body in script.sent}) == 1
    assert [headers["X-Stainless-Retry-Count"] for _, _, headers, _ in script.sent] == ["0", "1", "2"]


def test_retry_after_is_honored(run: Run) -> None:
    """The client waits as long as the service asks, and at most a tenth longer."""
    _, script = run(lambda c: c.integrations.all(), refusal(429, retry_after="7"), _empty_list())
    assert 7 <= script.waits[0] <= 7.7


def test_a_wait_beyond_the_deadline_is_reported_instead(run: Run) -> None:
    """At once, with what the service said."""
    with pytest.raises(RateLimited) as raised:
        run(lambda c: c.integrations.all(), refusal(429, 10007, retry_after="61"))
    assert raised.value.retry_after_seconds == 61
    assert raised.value.code == 10007


def test_waits_grow_and_differ(run: Run) -> None:
    """A service that is down isn't asked by all of its clients at the same moments."""
    down = [Unreachable("cannot connect")] * 6
    _, script = run(lambda c: c.integrations.all(), *down, _empty_list())
    assert len(script.waits) == 6
    assert all(0.1 * 2**n <= wait <= 0.2 * 2**n for n, wait in enumerate(script.waits))


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.users.reset("1"),
        lambda c: c.sources.create("custom"),
        lambda c: c.credentials.create("1"),
        lambda c: c.integrations.verify("1"),
        lambda c: c.replays.start("1", "dead"),
    ],
)
def test_what_would_count_twice_is_not_repeated(run: Run, call: Callable[[Any], Any]) -> None:
    """A lost response is reported; a refusal with 503 stored nothing and is repeated."""
    with pytest.raises(AnswerLost):
        run(call, LOST)
    with pytest.raises(ServiceFailed):
        run(call, refusal(500))
    with pytest.raises(NotFound):
        run(call, refusal(503), Unreachable("cannot connect"), refusal(404))


def test_a_repeated_deletion_that_finds_nothing_has_succeeded(run: Run) -> None:
    """The first attempt deleted it. Without a lost response, a 404 is reported."""
    _, script = run(lambda c: c.integrations.delete("1"), LOST, refusal(404))
    assert len(script.sent) == 2
    with pytest.raises(NotFound):
        run(lambda c: c.integrations.delete("1"), refusal(404))
    with pytest.raises(NotFound):
        run(lambda c: c.integrations.delete("1"), Unreachable("cannot connect"), refusal(404))


def test_an_error_carries_what_the_service_said(run: Run) -> None:
    """Code, message, pointer and the page that explains it."""
    with pytest.raises(InvalidRequest) as raised:
        run(lambda c: c.findings.send("high_dlp", "kai"), refusal(400, 1104))
    error = raised.value
    assert (error.status, error.code, error.message) == (400, 1104, "is wrong")
    assert (error.pointer, error.documentation_url) == ("/user/email", "https://risk.example.com/docs/errors/1104")
    assert str(error) == "is wrong (at /user/email) [1104]"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"success":true}', b'{"success":true,"result":[{"id":1}]}', b"\xff"]
)
def test_an_answer_of_another_server_is_reported(run: Run, body: bytes) -> None:
    """As such, whatever it is."""
    with pytest.raises(UnexpectedAnswer):
        run(lambda c: c.integrations.all(), Response(200, {}, body))


def test_a_page_of_a_proxy_is_an_error_with_its_status(run: Run) -> None:
    """It has no code."""
    with pytest.raises(InvalidRequest) as raised:
        run(lambda c: c.integrations.all(), Response(302, {"location": "/login"}, b"<html>"))
    assert (raised.value.status, raised.value.code) == (302, None)


@pytest.mark.parametrize("url", ["127.0.0.1:8700", "ftp://127.0.0.1", "http://", "http:///x"])
def test_an_address_without_scheme_or_host_is_refused(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="must be like"):
        Client(url, "token")


@pytest.mark.parametrize("token", ["“secret”", "secret\n", ""])
def test_a_token_with_something_else_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without showing it."""
    monkeypatch.delenv("RISKRELAY_TOKEN", raising=False)
    with pytest.raises(ValueError, match="token is missing") as raised:
        Client("http://127.0.0.1", token)
    assert "secret" not in str(raised.value)


def test_the_number_of_attempts_is_bounded_by_the_deadline() -> None:
    """Whatever the service asks for, each wait is at least 0.1 s."""
    busy = RateLimited(429, (), 0.0)
    waits = [
        wait_before_retry(busy, attempt=n, is_repeatable=False, seconds_left=60, share=0.0) for n in range(1, 2_000)
    ]
    assert min(wait or 0 for wait in waits) == 0.1
    assert wait_before_retry(busy, attempt=1, is_repeatable=False, seconds_left=0.1, share=0.0) is None


def _empty_list() -> Response:
    return Response(200, {}, b'{"success":true,"errors":[],"messages":[],"result":[]}')
