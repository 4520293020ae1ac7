"""Every risk-scoring method of the official Python SDK, unchanged but for its base URL, in every way to call it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from cloudflare import AsyncCloudflare, Cloudflare
from cloudflare.resources.zero_trust.risk_scoring import RiskScoringResource
from cloudflare.types.zero_trust.risk_scoring import IntegrationGetResponse
from pydantic import ValidationError

from support.python_sdk import (
    METHODS,
    SCORING,
    STYLES,
    Method,
    Style,
    as_json,
    check_type,
    methods_of,
    parameters_of,
    plain,
    promised,
    settled,
)
from support.sdk_world import World
from support.service import Service

AnyClient = Cloudflare | AsyncCloudflare
every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path.removeprefix(f"{SCORING}."))
every_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)


def connect(kind: type[AnyClient], service: Service, **credentials: str) -> AnyClient:
    """A client that checks what it reads and repeats nothing."""
    options: dict[str, Any] = {"max_retries": 0, "_strict_response_validation": True, **credentials}
    return kind(base_url=f"{service.url}/client/v4", **options)


@pytest.fixture(params=[Cloudflare, AsyncCloudflare], ids=["sync", "async"])
async def client(request: pytest.FixtureRequest, service: Service) -> AsyncIterator[AnyClient]:
    """The SDK's client, sync and async, with an API token."""
    client = connect(request.param, service, api_token=service.token)
    yield client
    await settled(client.close())


def test_the_table_holds_every_method_of_the_sdk() -> None:
    """A method that a later version of the SDK adds makes this fail."""
    in_table = [method.path for method in METHODS if method.path.startswith(SCORING)]
    assert sorted(in_table) == sorted(methods_of(RiskScoringResource, SCORING))


@every_method
async def test_the_table_holds_every_parameter(world: World, client: AnyClient, method: Method) -> None:
    """A parameter that a later version of the SDK adds makes this fail."""
    given = {*method.arguments(world), *method.optional}
    assert given == parameters_of(getattr(method.owner(client), method.verb))


@every_style
@every_method
async def test_a_method_answers_what_it_promises(world: World, client: AnyClient, method: Method, style: Style) -> None:
    """With the required arguments: the promised type, and the values that the account holds."""
    owner = method.owner(client)
    answered = await style(owner, method.verb, method.arguments(world))
    check_type(promised(getattr(owner, method.verb)), answered)
    assert as_json(answered) == {**as_json(answered), **method.expected(world)}


@every_style
@pytest.mark.parametrize("method", [method for method in METHODS if method.optional], ids=lambda method: method.verb)
async def test_a_method_takes_all_its_parameters(world: World, client: AnyClient, method: Method, style: Style) -> None:
    """What is optional is sent too, and comes back."""
    owner = method.owner(client)
    answered = await style(owner, method.verb, {**method.arguments(world), **method.optional})
    check_type(promised(getattr(owner, method.verb)), answered)
    assert as_json(answered) == {**as_json(answered), **method.optional}


@pytest.mark.parametrize("email", ["user@example.com", "anybody@example.org"])
@every_method
async def test_an_email_with_a_key_works_like_a_token(
    service: Service, world: World, method: Method, email: str
) -> None:
    """`X-Auth-Email` with `X-Auth-Key` (contract 14); the SDKs' own suites send user@example.com."""
    client = connect(Cloudflare, service, api_email=email, api_key=service.token)
    answered = await plain(method.owner(client), method.verb, method.arguments(world))
    assert as_json(answered) == {**as_json(answered), **method.expected(world)}
    await settled(client.close())


@every_method
async def test_an_empty_id_is_refused_by_the_sdk_itself(world: World, client: AnyClient, method: Method) -> None:
    """An empty part of a path would be another route."""
    arguments = method.arguments(world)
    for name in (name for name in arguments if name.endswith("_id")):
        with pytest.raises(ValueError, match=f"Expected a non-empty value for `{name}`"):
            await plain(method.owner(client), method.verb, {**arguments, name: ""})


async def test_a_streamed_body_can_be_read_in_every_way(world: World, client: AnyClient) -> None:
    """Bytes, lines, text and JSON are one and the same envelope."""
    integrations = client.zero_trust.risk_scoring.integrations
    read = {}
    for way in ("iter_bytes", "iter_lines", "iter_text"):
        read[way] = await _streamed_parts(integrations, world, way)
    envelope = {"errors": [], "messages": [], "result": world.integration, "success": True}
    raw: Any = integrations.with_raw_response
    response = await settled(raw.get(world.integration["id"], account_id=world.account_id))
    assert await settled(response.json()) == envelope
    text = await settled(response.text())
    assert read == {"iter_bytes": text, "iter_lines": text, "iter_text": text}


async def _streamed_parts(integrations: Any, world: World, way: str) -> str:
    call = integrations.with_streaming_response.get(world.integration["id"], account_id=world.account_id)
    if hasattr(call, "__aenter__"):
        async with call as response:
            parts = [part async for part in getattr(response, way)()]
    else:
        with call as response:
            parts = list(getattr(response, way)())
    return "".join(part.decode() if isinstance(part, bytes) else part for part in parts)


GOOD: dict[str, Any] = {
    "id": "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e",
    "account_tag": "acme",
    "active": True,
    "created_at": "2026-03-17T08:00:00Z",
    "integration_type": "Okta",
    "reference_id": "reference_id",
    "tenant_url": "https://example.com",
    "well_known_url": "https://risk.example.com/.well-known/sse-configuration/1",
}


def test_the_type_check_accepts_correct_code() -> None:
    """So that the next test shows something."""
    check_type(IntegrationGetResponse, IntegrationGetResponse.construct(**GOOD))


@pytest.mark.parametrize("member", GOOD)
def test_the_check_of_types_refuses_what_the_sdk_lets_pass(member: str) -> None:
    """A member that is absent, null or of another type."""
    wrong = ({k: v for k, v in GOOD.items() if k != member}, {**GOOD, member: None}, {**GOOD, member: ["a list"]})
    for document in wrong:
        with pytest.raises(ValidationError, match=member):
            check_type(IntegrationGetResponse, IntegrationGetResponse.construct(**document))
