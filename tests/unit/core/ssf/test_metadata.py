"""What a receiver finds out about its transmitter (SSF 1.0 §7, RFC 8414, RFC 9728)."""

from riskrelay.core.ssf.metadata import transmitter_metadata
from riskrelay.core.ssf.oauth import authorization_server_metadata, protected_resource_metadata
from support.ssf_streams import INTEGRATION


def test_the_transmitters_metadata_name_every_endpoint() -> None:
    """Both delivery methods, OAuth, and all subjects by default."""
    assert transmitter_metadata(INTEGRATION) == {
        "spec_version": "1_0",
        "issuer": INTEGRATION.issuer,
        "jwks_uri": "https://risk.example.com/jwks.json",
        "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
        "configuration_endpoint": "https://risk.example.com/ssf/i1/streams",
        "status_endpoint": "https://risk.example.com/ssf/i1/status",
        "add_subject_endpoint": "https://risk.example.com/ssf/i1/subjects:add",
        "remove_subject_endpoint": "https://risk.example.com/ssf/i1/subjects:remove",
        "verification_endpoint": "https://risk.example.com/ssf/i1/verify",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
        "default_subjects": "ALL",
    }


def test_the_authorization_server_has_the_issuer_of_the_sets() -> None:
    """Client credentials only, by either of RFC 6749's two ways; no response type."""
    assert authorization_server_metadata(INTEGRATION) == {
        "issuer": INTEGRATION.issuer,
        "token_endpoint": "https://risk.example.com/ssf/i1/token",
        "scopes_supported": ["ssf.manage", "ssf.read"],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }


def test_a_protected_resource_names_its_authorization_server() -> None:
    """`resource` is the URL that the receiver asked about."""
    url = "https://risk.example.com/ssf/i1/streams"
    assert protected_resource_metadata(INTEGRATION, url) == {
        "resource": url,
        "authorization_servers": [INTEGRATION.issuer],
        "scopes_supported": ["ssf.manage", "ssf.read"],
        "bearer_methods_supported": ["header"],
    }
