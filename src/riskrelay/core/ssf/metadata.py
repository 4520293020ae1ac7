"""The transmitter's configuration metadata (SSF 1.0 §7)."""

from typing import Any

from riskrelay.core.integrations import Integration

SPEC_VERSION = "1_0"
OAUTH = "urn:ietf:rfc:6749"
DELIVERY_PUSH = "urn:ietf:rfc:8935"
DELIVERY_POLL = "urn:ietf:rfc:8936"

# Of RISC's older profile; accepted from receivers and not announced (docs/divergences.md, risc-delivery).
RISC_PUSH = "https://schemas.openid.net/secevent/risc/delivery-method/push"
RISC_POLL = "https://schemas.openid.net/secevent/risc/delivery-method/poll"


def transmitter_metadata(integration: Integration) -> dict[str, Any]:
    """Return the metadata document of *integration*'s issuer.

    Returns: a JSON object; members that this transmitter does not offer are absent, never empty.
    Rule: SSF 1.0 §7.1; `issuer` is identical to the `iss` of every SET.
    """
    return {
        "spec_version": SPEC_VERSION,
        "issuer": integration.issuer,
        "jwks_uri": f"{integration.public_origin}/jwks.json",
        "delivery_methods_supported": [DELIVERY_PUSH, DELIVERY_POLL],
        "configuration_endpoint": f"{integration.transmitter_url}/streams",
        "status_endpoint": f"{integration.transmitter_url}/status",
        "add_subject_endpoint": f"{integration.transmitter_url}/subjects:add",
        "remove_subject_endpoint": f"{integration.transmitter_url}/subjects:remove",
        "verification_endpoint": f"{integration.transmitter_url}/verify",
        "authorization_schemes": [{"spec_urn": OAUTH}],
        "default_subjects": "ALL",
    }
