"""Accounts, integrations and findings for tests over a store."""

from hashlib import sha256

from riskrelay.actions.accounts import create_account
from riskrelay.actions.behaviors import set_behaviors
from riskrelay.actions.integrations import NewIntegration, create_integration
from riskrelay.actions.record_findings import Recorded, record_findings
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.integrations import AccountId, Integration, IntegrationType
from riskrelay.core.risk.behaviors import BEHAVIORS, BehaviorId, BehaviorSetting
from riskrelay.core.risk.findings import Finding, FindingId, UserRef
from riskrelay.ports import Services

ACCOUNT = AccountId("acme")
OTHER = AccountId("other")
ORIGIN = "https://risk.example.com"


def finding(
    email: str = "kai@example.com", behavior: str = "high_risk_domain", finding_id: str | None = None
) -> Finding:
    """A finding as the edge would make it."""
    digest = sha256(f"{email} {behavior}".encode()).digest()
    return Finding(
        finding_id=None if finding_id is None else FindingId(finding_id),
        behavior=BehaviorId(behavior),
        user=UserRef(email),
        occurred_at=None,
        details=None,
        digest=digest,
    )


async def account_with_integration(
    services: Services, account_id: AccountId = ACCOUNT, tenant_url: str = "https://acme.example.com"
) -> Integration:
    """An account whose behaviors are all enabled, with one integration."""
    await create_account(services, account_id, COMMAND_LINE)
    await set_behaviors(
        services,
        account_id,
        COMMAND_LINE,
        {behavior: BehaviorSetting(True, row.default_level) for behavior, row in BEHAVIORS.items()},
    )
    return await create_integration(
        services,
        account_id,
        COMMAND_LINE,
        NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=tenant_url),
        public_origin=ORIGIN,
    )


async def record(services: Services, *findings: Finding, account_id: AccountId = ACCOUNT) -> Recorded:
    """Record findings in one batch."""
    return await record_findings(services, account_id, findings)
