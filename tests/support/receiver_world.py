"""A receiver with credentials, the application it calls, and the account whose users it hears of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from riskrelay.actions.integrations import NewIntegration, create_integration
from riskrelay.actions.receiver_credentials import WantedCredential, create_receiver_credential
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.integrations import AccountId, Integration, IntegrationType
from riskrelay.core.ssf.access import ALL_RECEIVER_SCOPES, CredentialKind, ReceiverScope
from riskrelay.ports import Services
from riskrelay.web.app import create_app
from riskrelay.web.transmitter.bell import StreamBell
from support.transmitting import claims_in, polling_of, transmitting_of
from support.world import ACCOUNT, ORIGIN, account_with_integration

PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"
RISK = "https://schemas.openid.net/secevent/caep/event-type/risk-level-change"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
UPDATED = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
ENDPOINT = "https://receiver.example.com/events"

Answer = httpx.Response


class ReceiverWorld:
    """One integration of type SSF, and its receiver as an HTTP client."""

    def __init__(
        self, services: Services, integration: Integration, client: httpx.AsyncClient, token: str, *, bell: StreamBell
    ) -> None:
        self.services, self.integration, self.client, self.token, self.bell = services, integration, client, token, bell

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None, **query: str) -> Answer:
        """Call an endpoint below /ssf/{integration_id}."""
        content = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        url = f"/ssf/{self.integration.integration_id}{path}"
        return await self.client.request(method, url, content=content, headers=headers, params=query or None)

    async def create(self, **body: Any) -> dict[str, Any]:
        """A new stream; without a delivery it is polled."""
        answer = await self.call("POST", "/streams", {"events_requested": [RISK], **body})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def push_stream(self, **delivery: str) -> dict[str, Any]:
        """A new stream that is pushed."""
        return await self.create(delivery={"method": PUSH, "endpoint_url": ENDPOINT, **delivery})

    async def poll(self, stream_id: str, **body: Any) -> dict[str, Any]:
        """The answer to a poll; each SET is its claims, since nothing is signed here."""
        answer = await self.call("POST", f"/poll/{stream_id}", {"returnImmediately": True, **body})
        assert answer.status_code == 200, answer.text
        polled = answer.json()
        return {**polled, "sets": {jti: claims_in(token) for jti, token in polled["sets"].items()}}

    async def drain(self, stream_id: str) -> list[dict[str, Any]]:
        """Poll and acknowledge until nothing is left; the claims, in order."""
        got: list[dict[str, Any]] = []
        taken: list[str] = []
        while True:
            polled = await self.poll(stream_id, ack=taken)
            got += polled["sets"].values()
            taken = list(polled["sets"])
            if not taken:
                return got

    async def status(self, stream_id: str) -> tuple[str, str | None]:
        """What the status endpoint says."""
        answer = await self.call("GET", "/status", stream_id=stream_id)
        assert answer.status_code == 200, answer.text
        return answer.json()["status"], answer.json().get("reason")

    async def set_status(self, stream_id: str, status: str, **more: str) -> None:
        """Ask for a status."""
        answer = await self.call("POST", "/status", {"stream_id": stream_id, "status": status, **more})
        assert answer.status_code == 200, answer.text

    async def ledger(self, stream_id: str) -> Ledger:
        """The stream's ledger, which balances."""
        ledgers = await self.services.store.read_installation(lambda tx: tx.ledgers())
        (ledger,) = [ledger for ledger in ledgers if ledger.stream_id == stream_id]
        assert ledger.imbalance == 0
        return ledger

    async def new_token(self, *scopes: ReceiverScope) -> str:
        """Another token of the same receiver."""
        return await static_token(self.services, self.integration, *scopes)


async def static_token(services: Services, integration: Integration, *scopes: ReceiverScope) -> str:
    """A static token for an integration's receiver."""
    wanted = WantedCredential(
        kind=CredentialKind.STATIC_TOKEN, name="", scopes=scopes or ALL_RECEIVER_SCOPES, expires_at=None
    )
    account_id, integration_id = integration.account_id, integration.integration_id
    return (await create_receiver_credential(services, account_id, COMMAND_LINE, integration_id, wanted)).secret


async def ssf_integration(services: Services, account_id: AccountId = ACCOUNT) -> Integration:
    """An integration of type SSF."""
    return await create_integration(
        services,
        account_id,
        COMMAND_LINE,
        NewIntegration(integration_type=IntegrationType.SSF, tenant_url="https://receiver.example.com"),
        public_origin=ORIGIN,
    )


@asynccontextmanager
async def receiver_world(
    services: Services, account_id: AccountId = ACCOUNT, longest_wait: timedelta = timedelta(0)
) -> AsyncIterator[ReceiverWorld]:
    """An account with an Okta integration and one of type SSF, and the latter's receiver."""
    bell = StreamBell()
    hearing = replace(services, wake=bell.ring)
    await account_with_integration(hearing, account_id)
    integration = await ssf_integration(hearing, account_id)
    transmitting = transmitting_of(polling_of(bell, longest_wait))
    app = create_app(hearing, transmitting, ORIGIN, lambda _app: None)  # type: ignore[arg-type, return-value]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        yield ReceiverWorld(hearing, integration, client, await static_token(hearing, integration), bell=bell)


def event_of(claims: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The one event of a SET: its type and its members."""
    ((event_type, members),) = claims["events"].items()
    return event_type, members
