"""An integration whose receiver creates its own streams, as a plain value."""

from riskrelay.core.integrations import AccountId, Integration, IntegrationId, IntegrationType
from support.services import NOON

INTEGRATION = Integration(
    account_id=AccountId("acme"),
    integration_id=IntegrationId("i1"),
    integration_type=IntegrationType.SSF,
    reference_id="ref",
    tenant_url="https://receiver.example.com",
    active=True,
    public_origin="https://risk.example.com",
    created_at=NOON,
)
