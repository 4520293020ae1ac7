"""What the SDKs' methods are called on: an account with an integration and a user at risk."""

from dataclasses import dataclass
from typing import Any

from support.service import Service

TENANT = "https://Example.com/Tenant%2F1/"
USER = {"email": "kai@example.com", "name": "Kai Berg"}
SEEN = "2026-03-17T08:00:00Z"


OWN_BEHAVIOR = {"id": "vpn_from_abroad", "name": "VPN from Abroad", "risk_level": "medium"}
"""A behavior whose id no published client knows."""


@dataclass(frozen=True, slots=True)
class World:
    """An account's data.

    Attributes:
        integration, behaviors: as the service answers them to a plain HTTP client.
    """

    account_id: str
    user_id: str
    integration: dict[str, Any]
    behaviors: dict[str, dict[str, Any]]

    @property
    def summary_row(self) -> dict[str, Any]:
        """The user, as a row of the summary (contract 19)."""
        return {**USER, "user_id": self.user_id, "event_count": 1, "last_event": SEEN, "max_risk_level": "high"}

    def behaviors_with(self, behavior: str, risk_level: str) -> dict[str, dict[str, Any]]:
        """The behaviors after a change of one."""
        return {**self.behaviors, behavior: {**self.behaviors[behavior], "enabled": True, "risk_level": risk_level}}


def make_world(service: Service) -> World:
    """Fill the account of *service*."""
    service.enable_behaviors()
    service.result("POST", "/behaviors", OWN_BEHAVIOR)
    finding = {"behavior": "high_dlp", "user": USER, "timestamp": SEEN}
    (change,) = service.result("POST", "/findings", finding)["changes"]
    integration = service.create_integration(TENANT)
    return World(service.account_id, change["user_id"], integration, service.result("GET", "/behaviors")["behaviors"])
