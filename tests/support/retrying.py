"""The same calls by the official SDKs, with the retries that they make by themselves."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cloudflare

from support.node import NodeProject
from support.proxy import Proxy
from support.python_sdk import as_json, settled
from support.service import Service

RETRIES = 1


@dataclass(frozen=True, slots=True)
class Access:
    """Where and as whom a call is made, and the record or user that it is about."""

    base_url: str
    token: str
    account_id: str
    subject_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to: its result as JSON, or the name of the SDK's error class."""

    result: Any
    error: str | None


TARGET = {"integration_type": "Okta", "tenant_url": "https://example.com"}
FINDING = {"behavior": "imp_travel", "user": {"email": "retried@example.com"}}
LOW = {"imp_travel": {"enabled": True, "risk_level": "low"}}

_CALLS: dict[str, Callable[[Any, Any, Access], Any]] = {
    "list": lambda _, scoring, to: scoring.integrations.list(account_id=to.account_id),
    "create": lambda _, scoring, to: scoring.integrations.create(
        account_id=to.account_id, **TARGET, reference_id="once"
    ),
    "create_without_reference": lambda _, scoring, to: scoring.integrations.create(account_id=to.account_id, **TARGET),
    "update": lambda _, scoring, to: scoring.integrations.update(
        to.subject_id, account_id=to.account_id, active=False, tenant_url="https://new.example"
    ),
    "delete": lambda _, scoring, to: scoring.integrations.delete(to.subject_id, account_id=to.account_id),
    "reset": lambda _, scoring, to: scoring.reset(to.subject_id, account_id=to.account_id),
    "set_behaviors": lambda _, scoring, to: scoring.behaviours.update(account_id=to.account_id, behaviors=LOW),
    "record_finding": lambda client, _, to: _post_finding(client, to, {**FINDING, "id": "once"}),
    "record_finding_without_id": lambda client, _, to: _post_finding(client, to, FINDING),
}
"""The calls; the program `retries.ts` knows the same ones."""


def _post_finding(client: Any, to: Access, finding: dict[str, Any]) -> Any:
    return client.post(f"/accounts/{to.account_id}/zt_risk_scoring/findings", cast_to=object, body=finding)


Sdk = Callable[[Sequence[str], Access], list[Outcome]]
"""Makes calls one after the other."""


def python_sdk(calls: Sequence[str], access: Access) -> list[Outcome]:
    """By the synchronous Python client."""
    with cloudflare.Cloudflare(api_token=access.token, base_url=access.base_url, max_retries=RETRIES) as client:
        return asyncio.run(_outcomes(calls, client, access))


def python_sdk_async(calls: Sequence[str], access: Access) -> list[Outcome]:
    """By the asynchronous Python client."""

    async def made() -> list[Outcome]:
        client = cloudflare.AsyncCloudflare(api_token=access.token, base_url=access.base_url, max_retries=RETRIES)
        async with client:
            return await _outcomes(calls, client, access)

    return asyncio.run(made())


def typescript_sdk(project: NodeProject) -> Sdk:
    """By the TypeScript client, in a process of its own."""

    def made(calls: Sequence[str], access: Access) -> list[Outcome]:
        where = (access.base_url, access.token, access.account_id, access.subject_id)
        printed = project.run("retries", ",".join(calls), str(RETRIES), *where)
        return [Outcome(**json.loads(line)) for line in printed.splitlines()]

    return made


def calls(sdk: Sdk, names: list[str], proxy: Proxy, service: Service, subject_id: str = "unused") -> list[Outcome]:
    """Make calls through the proxy, one after the other, with the service's token."""
    return sdk(names, Access(f"{proxy.url}/client/v4", service.token, service.account_id, subject_id))


def call(sdk: Sdk, name: str, proxy: Proxy, service: Service, subject_id: str = "unused") -> Outcome:
    """Make one call through the proxy."""
    (outcome,) = calls(sdk, [name], proxy, service, subject_id)
    return outcome


async def _outcomes(calls: Sequence[str], client: Any, access: Access) -> list[Outcome]:
    return [await _outcome(call, client, access) for call in calls]


async def _outcome(call: str, client: Any, access: Access) -> Outcome:
    try:
        return Outcome(as_json(await settled(_CALLS[call](client, client.zero_trust.risk_scoring, access))), None)
    except cloudflare.APIError as error:
        return Outcome(None, type(error).__name__)
