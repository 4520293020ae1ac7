"""The OAuth metadata with which a receiver finds the token endpoint and the scopes (RFC 8414, RFC 9728)."""

from typing import Any

from riskrelay.core.integrations import Integration
from riskrelay.core.ssf.access import ReceiverScope

_SCOPES = sorted(ReceiverScope)


def authorization_server_metadata(integration: Integration) -> dict[str, Any]:
    """Return the metadata of the authorization server for *integration*'s receiver. It has the issuer of the SETs.

    Rule: RFC 8414 §2. `response_types_supported` is required there, and §3.2 says that an empty one is left out:
    client credentials know no response type.
    """
    return {
        "issuer": integration.issuer,
        "token_endpoint": token_endpoint(integration),
        "scopes_supported": _SCOPES,
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }


def protected_resource_metadata(integration: Integration, resource: str) -> dict[str, Any]:
    """Return the metadata of one protected resource of *integration*.

    Args:
        resource: its URL, identical to the one that the well-known part was inserted into (RFC 9728 §3.3).

    Rule: RFC 9728 §2.
    """
    return {
        "resource": resource,
        "authorization_servers": [integration.issuer],
        "scopes_supported": _SCOPES,
        "bearer_methods_supported": ["header"],
    }


def token_endpoint(integration: Integration) -> str:
    """Return the URL at which the receiver of *integration* gets access tokens. Rule: RFC 6749 §3.2."""
    return f"{integration.public_origin}/ssf/{integration.integration_id}/token"
