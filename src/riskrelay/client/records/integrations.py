"""Integrations, and the credentials of their receivers."""

from datetime import datetime

import msgspec


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """A connection from an account to a receiver.

    Attributes:
        reference_id: your id, unique in the account.
        well_known_url: what the receiver is configured with.
    """

    id: str
    account_tag: str
    integration_type: str
    reference_id: str
    tenant_url: str
    well_known_url: str
    active: bool
    created_at: datetime


class IntegrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How SETs for an integration are signed: RS256 or ES256."""

    signing_algorithm: str


class CertificateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate, without its content."""

    subject: str
    fingerprint_sha256: str
    not_before: datetime
    not_after: datetime


class IntegrationTls(msgspec.Struct, frozen=True, kw_only=True):
    """The certificates for pushes: trusted authorities, and the client certificate with its chain."""

    ca: list[CertificateFacts]
    certificate: list[CertificateFacts]


class ReceiverCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential of a receiver, without its secret.

    Attributes:
        kind: oauth_client or static_token.
        expires_at: None: never.
        client_id: of an OAuth client.
    """

    id: str
    kind: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    client_id: str | None = None


class IssuedReceiverCredential(ReceiverCredential, frozen=True, kw_only=True):
    """A new credential. Its secret is only in this response.

    Attributes:
        client_secret, token_endpoint: of an OAuth client.
        token: of a static token.
    """

    client_secret: str | None = None
    token_endpoint: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        """Leave the secrets out."""
        return f"IssuedReceiverCredential(id={self.id!r}, kind={self.kind!r}, name={self.name!r})"
