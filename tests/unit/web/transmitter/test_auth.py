"""How a receiver shows its token, and what it is told when it does not (RFC 6750, RFC 9728)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from riskrelay.actions.receiver_credentials import WantedCredential, create_receiver_credential
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.integrations import Integration
from riskrelay.core.rate_limits import RateLimit
from riskrelay.core.ssf.access import ALL_RECEIVER_SCOPES, CredentialKind, ReceiverScope
from riskrelay.local.rate_limits import MemoryRateLimits
from riskrelay.ports import Services, Store
from riskrelay.web.app import create_app
from riskrelay.web.transmitter.auth import receiver_of
from support.services import HandClock, services_of
from support.transmitting import transmitting_of
from support.world import ORIGIN, account_with_integration


@pytest.fixture
def services(sqlite_store: Store) -> Services:
    """The world, over a real store."""
    return services_of(sqlite_store)


@pytest.fixture
async def integration(services: Services) -> Integration:
    """An integration whose receiver calls."""
    return await account_with_integration(services)


@pytest.fixture
async def client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which has one more route that asks for ssf.manage."""
    app = create_app(services, transmitting_of(), ORIGIN, lambda _app: None)  # type: ignore[arg-type, return-value]

    async def guarded(request: Request) -> Response:
        receiver = await receiver_of(request, services, ReceiverScope.MANAGE)
        return JSONResponse([receiver.account_id, receiver.integration_id])

    app.router.routes.insert(0, Route("/ssf/{integration_id}/guarded:it", guarded))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        yield client


async def token_for(services: Services, integration: Integration, *scopes: ReceiverScope) -> str:
    wanted = WantedCredential(
        kind=CredentialKind.STATIC_TOKEN, name="", scopes=scopes or ALL_RECEIVER_SCOPES, expires_at=None
    )
    issued = await create_receiver_credential(
        services, integration.account_id, COMMAND_LINE, integration.integration_id, wanted
    )
    return issued.secret


async def test_the_header_lets_in(services: Services, integration: Integration, client: httpx.AsyncClient) -> None:
    """The scheme without regard to letter case (RFC 9110 §11.1)."""
    token = await token_for(services, integration)
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = await client.get(
            f"/ssf/{integration.integration_id}/guarded:it", headers={"Authorization": f"{scheme} {token}"}
        )
        assert (answer.status_code, answer.json()) == (200, [integration.account_id, integration.integration_id])


async def test_a_request_without_a_token_gets_the_url_of_the_metadata(
    integration: Integration, client: httpx.AsyncClient
) -> None:
    """401 with a challenge that has no error (RFC 6750 §3.1) but names the resource's metadata (RFC 9728 §5.1), and
    those name the very URL that was called (RFC 9728 §3.3)."""
    url = f"{ORIGIN}/ssf/{integration.integration_id}/guarded:it"
    for headers in ({}, {"Authorization": "Basic bmFtZTpwYXNz"}):
        answer = await client.get(url, headers=headers)
        place = f"{ORIGIN}/.well-known/oauth-protected-resource/ssf/{integration.integration_id}/guarded:it"
        assert answer.status_code == 401
        assert (
            answer.headers["www-authenticate"]
            == f'Bearer realm="riskrelay", scope="ssf.manage", resource_metadata="{place}"'
        )
        assert set(answer.json()) == {"error_description"}
    metadata = (await client.get(place)).json()
    assert metadata["resource"] == url
    assert metadata["authorization_servers"] == [integration.issuer]


@pytest.mark.parametrize(
    ("query", "headers", "status", "error"),
    [
        ("?access_token={token}", [], 400, "invalid_request"),
        ("?access_token={token}", [("Authorization", "Bearer {token}")], 400, "invalid_request"),
        ("", [("Authorization", "Bearer")], 400, "invalid_request"),
        ("", [("Authorization", "Bearer a b")], 400, "invalid_request"),
        ("", [("Authorization", "Bearer " + "x" * 513)], 400, "invalid_request"),
        ("", [("Authorization", "Bearer {token}"), ("Authorization", "Bearer {token}")], 400, "invalid_request"),
        ("", [("Authorization", "Bearer nobody")], 401, "invalid_token"),
        ("", [("Authorization", "Bearer {reader}")], 403, "insufficient_scope"),
    ],
)
async def test_each_way_to_be_wrong_has_its_code(
    services: Services,
    integration: Integration,
    client: httpx.AsyncClient,
    query: str,
    headers: list[tuple[str, str]],
    status: int,
    error: str,
) -> None:
    """RFC 6750 §3.1, in the challenge and in the body; the description never repeats the token."""
    known = {
        "token": await token_for(services, integration),
        "reader": await token_for(services, integration, ReceiverScope.READ),
    }
    answer = await client.get(
        f"/ssf/{integration.integration_id}/guarded:it{query.format(**known)}",
        headers=[(name, value.format(**known)) for name, value in headers],
    )
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert f'error="{error}"' in challenge
    assert 'scope="ssf.manage"' in challenge
    assert not any(token in challenge + answer.text for token in known.values())


@pytest.mark.parametrize("path", ["none", "%00", "a%22b", "ä%0d%0aX: y"])
async def test_an_unknown_integration_knows_no_token(
    services: Services, integration: Integration, client: httpx.AsyncClient, path: str
) -> None:
    """The same 401 as with a wrong token; whatever stands in the path, the challenge stays one header."""
    token = await token_for(services, integration)
    answer = await client.get(f"/ssf/{path}/guarded:it", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert "resource_metadata" not in answer.headers["www-authenticate"]
    assert "x" not in answer.headers


async def test_errors_below_ssf_have_no_envelope(integration: Integration, client: httpx.AsyncClient) -> None:
    """Below /ssf errors have the specifications' form: unknown endpoints and other methods too."""
    unknown = await client.get(f"/ssf/{integration.integration_id}/nothing")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "not_found")
    method = await client.get(f"/ssf/{integration.integration_id}/token")
    assert (method.status_code, method.headers["allow"]) == (405, "POST")
    assert method.json()["error"] == "invalid_request"


async def test_a_receiver_that_floods_must_wait(services: Services, integration: Integration) -> None:
    """429 with Retry-After, in the specifications' form; counted by credential, so that another one is served."""
    limits = MemoryRateLimits(HandClock(), RateLimit(2, 60))
    first, second = [await token_for(services, integration) for _ in range(2)]
    limited = replace(services, rate_limits=limits)
    app = create_app(limited, transmitting_of(), ORIGIN, lambda _app: None)  # type: ignore[arg-type, return-value]
    path = f"/ssf/{integration.integration_id}/streams"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        answers = [await client.get(path, headers={"Authorization": f"Bearer {first}"}) for _ in range(3)]
        other = await client.get(path, headers={"Authorization": f"Bearer {second}"})
    assert [answer.status_code for answer in [*answers, other]] == [200, 200, 429, 200]
    assert answers[2].json()["error"] == "too_many_requests"
    assert answers[2].headers["retry-after"] == "30"
    assert "ratelimit" in answers[0].headers
