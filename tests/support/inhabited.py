"""A service with something in it, for tests that go through all of its routes."""

from support.service import Service


def what_is_there(service: Service) -> dict[str, str]:
    """Fill the account: a user at risk, an integration of each type, a token for each kind of caller.

    Returns: what can stand in a path (account_id, user_id, integration_id, reference_id), and the tokens: `token` is
        good for every account, `receiver_token` for the receiver of the integration.
    """
    service.enable_behaviors()
    service.create_integration("https://example.com")
    finding = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}
    (change,) = service.result("POST", "/findings", finding)["changes"]
    body = {"integration_type": "SSF", "tenant_url": "https://receiver.example.com"}
    receiver = service.result("POST", "/integrations", body)
    issued = service.result("POST", f"/integrations/{receiver['id']}/credentials", {"kind": "static_token"})
    return {
        "account_id": service.account_id,
        "user_id": change["user_id"],
        "integration_id": receiver["id"],
        "reference_id": receiver["reference_id"],
        "token": service.new_token(None),
        "receiver_token": issued["token"],
    }
