"""Who runs an account, for tests of the transmitter: makes integrations and credentials, sends events."""

import ssl
from dataclasses import dataclass
from typing import Any

from support.ssf_receiver import Answer, SsfReceiver, fetch
from support.waiting import created_and_expired

KAI = {"format": "email", "email": "kai@example.com"}
TENANT = "https://receiver.example.com"


@dataclass(frozen=True)
class Operator:
    """The operator of one account, over the account API.

    Attributes:
        origin: of the service.
    """

    origin: str
    tls: ssl.SSLContext
    account_id: str
    token: str

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Answer:
        """Call the account API; *path* is below the account's prefix."""
        url = f"{self.origin}/accounts/{self.account_id}/zt_risk_scoring{path}"
        return fetch(self.tls, method, url, body, {"Authorization": f"Bearer {token or self.token}"})

    def result(self, method: str, path: str, body: Any = None) -> Any:
        """The result of a call that must succeed."""
        answer = self.call(method, path, body)
        assert answer.status == 200, answer
        return answer.json["result"]

    def create_integration(self, integration_type: str = "SSF", tenant_url: str = TENANT) -> dict[str, Any]:
        """Create an integration."""
        body = {"integration_type": integration_type, "tenant_url": tenant_url}
        created: dict[str, Any] = self.result("POST", "/integrations", body)
        return created

    def issue(self, integration: dict[str, Any], kind: str = "static_token", *scopes: str) -> dict[str, Any]:
        """A new credential for the receiver of an integration; without *scopes* it may do everything."""
        body = {"kind": kind, **({"scopes": list(scopes)} if scopes else {})}
        issued: dict[str, Any] = self.result("POST", f"/integrations/{integration['id']}/credentials", body)
        return issued

    def issue_expired(self, integration_id: str) -> Any:
        """Return a static token that has expired meanwhile."""

        def create(expires_at: str) -> Any:
            body = {"kind": "static_token", "expires_at": expires_at}
            answer = self.call("POST", f"/integrations/{integration_id}/credentials", body)
            return answer.json["result"] if answer.status == 200 else None

        return created_and_expired(create)

    def new_receiver(self, *scopes: str) -> SsfReceiver:
        """The receiver of a new integration, with a static token."""
        integration = self.create_integration()
        return SsfReceiver(
            integration["well_known_url"], self.tls, self.issue(integration, "static_token", *scopes)["token"]
        )

    def send(self, event_type: str, event: dict[str, Any] | None = None, subject: Any = KAI, **more: Any) -> Any:
        """Queue an event on every stream of the account that takes it."""
        body = {"event_type": event_type, "subject": subject, "event": event or {}, **more}
        return self.result("POST", "/security_events", body)

    def enable_behaviors(self) -> None:
        """Switch every behavior on."""
        behaviors = self.result("GET", "/behaviors")["behaviors"]
        enabled = {name: {**row, "enabled": True} for name, row in behaviors.items()}
        self.result("PUT", "/behaviors", {"behaviors": enabled})
