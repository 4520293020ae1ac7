"""What every request meets before its handler: Host, header fields, cached documents, limits on refused credentials."""

from contextlib import nullcontext
from typing import Any

import httpx
import pytest

from riskrelay.actions.accounts import create_account
from riskrelay.actions.tokens import create_token
from riskrelay.core.credentials import ALL_SCOPES, COMMAND_LINE
from riskrelay.ports import Store
from riskrelay.web import failed_authentication
from riskrelay.web.app import create_app
from riskrelay.web.failed_authentication import FailedAuthentication
from support.services import HandClock, services_of
from support.transmitting import transmitting_of
from support.world import ACCOUNT

LIST = f"/accounts/{ACCOUNT}/zt_risk_scoring/integrations"


@pytest.fixture
async def app(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(failed_authentication, "_PAUSE_SECONDS", 0)
    services = services_of(sqlite_store)
    await create_account(services, ACCOUNT, COMMAND_LINE)
    app = create_app(services, transmitting_of(), "https://risk.example.com", lambda _app: nullcontext())
    app.state.token, _ = await create_token(services, ACCOUNT, COMMAND_LINE, "ci", ALL_SCOPES)
    app.state.failed_authentication = FailedAuthentication(HandClock(), 3)
    return app


def client(app: Any, address: str = "192.0.2.1", **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="https://risk.example.com", headers=headers)


async def test_an_address_whose_credentials_are_refused_too_often_gets_429_without_a_query(app: Any) -> None:
    """Other addresses, and a token that was valid before, are not concerned; the tries come back with time."""
    good = {"Authorization": f"Bearer {app.state.token}"}
    async with client(app) as one, client(app, "192.0.2.2") as other:
        assert (await one.get(LIST, headers=good)).status_code == 200
        tries = [await one.get(LIST, headers={"Authorization": f"Bearer made-up-{n}"}) for n in range(5)]
        assert [answer.status_code for answer in tries] == [401, 401, 401, 429, 429]
        assert 1 <= int(tries[-1].headers["Retry-After"]) <= 59
        assert tries[-1].json()["errors"][0]["code"] == 1007
        path = "/ssf/182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
        assert (await one.get(f"{path}/streams", headers={"Authorization": "Bearer x"})).status_code == 429
        form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}
        assert (await one.post(f"{path}/token", data=form)).status_code == 429
        assert (await one.get(LIST, headers=good)).status_code == 200
        assert (await other.get(LIST, headers={"Authorization": "Bearer made-up"})).status_code == 401
        limits: FailedAuthentication = app.state.failed_authentication
        limits._clock._seconds += 60  # type: ignore[attr-defined]
        assert (await one.get(LIST, headers={"Authorization": "Bearer made-up"})).status_code == 401


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/docs/errors", "/docs/errors/1001", "/docs/guides/okta"])
async def test_the_documentation_is_cached_and_validated_by_its_etag(app: Any, path: str) -> None:
    """200 with an ETag, then 304 without a body; a page allows files of this origin only, and nothing inline."""
    async with client(app) as one:
        first = await one.get(path)
        again = await one.get(path, headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert (await one.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
        assert "max-age" in first.headers["Cache-Control"]
        if path != "/openapi.json":
            policy = first.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; ")
            assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_the_documentation_is_compressed_for_clients_that_take_gzip(app: Any, path: str) -> None:
    """At most a quarter of its size, the same text, with a validator of its own."""
    async with client(app, accept_encoding="") as one:
        one.headers.pop("Accept-Encoding", None)
        plain = await one.get(path)
        for asked in ("gzip", "br, GZIP;q=0.5", "deflate,gzip;q=1.0,*;q=0"):
            small = await one.get(path, headers={"Accept-Encoding": asked})
            assert small.headers["Content-Encoding"] == "gzip"
            assert small.content == plain.content
            assert int(small.headers["Content-Length"]) * 4 < len(plain.content)
            tag = small.headers["ETag"]
            assert tag != plain.headers["ETag"]
            known = {"Accept-Encoding": asked, "If-None-Match": tag}
            assert (await one.get(path, headers=known)).status_code == 304
        for asked in ("", "identity", "br", "gzip;q=0", "gzip; q=0.000", "xgzip"):
            answer = await one.get(path, headers={"Accept-Encoding": asked})
            assert "Content-Encoding" not in answer.headers
            assert answer.content == plain.content
        assert plain.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("path", [LIST, "/healthz", "/nowhere", "/ssf/x/streams", "/jwks.json"])
async def test_every_answer_is_guarded(app: Any, path: str) -> None:
    """No sniffing; over https only; not stored by caches unless it says that it may be."""
    async with client(app) as one:
        headers = (await one.get(path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    assert headers["Cache-Control"] == "no-store" or path == "/jwks.json"


@pytest.mark.parametrize("hosts", [[], ["a", "a"], ["a", "b"], [""], ["a b"], ["a/b"], ["a:x"], ["user@a"], ["[::1"]])
@pytest.mark.parametrize("path", [LIST, "/ssf/x/streams", "/console"])
async def test_a_missing_repeated_or_impossible_host_is_a_400(app: Any, hosts: list[str], path: str) -> None:
    """In the form of the surface that is asked."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", host.encode()) for host in hosts],
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 400
    kind = dict(sent[0]["headers"])[b"content-type"]
    assert kind.startswith(b"text/html" if path == "/console" else b"application/json")
    if path == LIST:
        assert b'"code":1008' in sent[1]["body"]
