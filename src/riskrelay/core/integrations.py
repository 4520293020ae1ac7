"""An integration: an account's link to one receiver product, and its rules."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType
from urllib.parse import urlsplit

from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.keys import Algorithm, sealed_row

AccountId = NewType("AccountId", str)
IntegrationId = NewType("IntegrationId", str)

MAX_REFERENCE_ID_CHARACTERS = 255  # chosen: contract "reference_id" [C]
MAX_TENANT_URL_CHARACTERS = 2_048  # chosen: contract "tenant_url"


class IntegrationType(StrEnum):
    """The receiver products, described by the table `products`. The case matters: `okta` is refused.

    Rule: contract "integration_type" (another letter case makes Terraform replace the record on each apply).
    """

    OKTA = "Okta"
    SSF = "SSF"
    """Any other Shared Signals receiver: it makes its own streams, with credentials that the operator issued."""


@dataclass(frozen=True, slots=True)
class Pause:
    """An operator's pause of delivery to an integration.

    Queued and new events are kept until their retention ends. Only a resume ends the pause; an update of the
    integration does not.

    Attributes:
        since: aware UTC.
        reason: in the operator's words; None: no reason.
    """

    since: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """An integration's limits of delivery, besides the service's own limits.

    Attributes:
        pushes_per_second: the largest number of pushes per second on one stream; None: no limit.
        concurrency: the largest number of concurrent pushes on one stream; None: the service's own limit.
        coalesces_level_changes: whether a user's waiting level changes collapse into one (see delivery.coalescing).
    """

    pushes_per_second: int | None = None
    concurrency: int | None = None
    coalesces_level_changes: bool = False


NO_LIMITS = DeliveryLimits()


@dataclass(frozen=True, slots=True)
class ReceiverTls:
    """The stored TLS material for connections to one integration's receivers.

    Attributes:
        trusted_ca: the trusted certificate authorities, PEM; None: the system's.
        certificate: the client certificate, followed by its chain, PEM; None: there is no certificate and no key.
        sealed_key: its private key, sealed under the master key.
    """

    trusted_ca: str | None
    certificate: str | None
    sealed_key: bytes | None


@dataclass(frozen=True, slots=True)
class OpenedTls:
    """The same, ready for a connection.

    Attributes:
        key: of the certificate, PEM; None: no certificate is shown.
    """

    trusted_ca: str | None
    certificate: str | None
    key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """The public facts of a certificate.

    Attributes:
        subject: the distinguished name in the format of RFC 4514.
        fingerprint: SHA-256, in lower-case hexadecimal digits.
        begins, ends: the bounds of its validity, aware UTC.
    """

    subject: str
    fingerprint: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """An account's link to one receiver product.

    Attributes:
        tenant_url: the receiver's address, byte for byte as the account sent it.
        public_origin: the origin of this transmitter when the record was created, such as
            `https://risk.example.com`, without a final slash. The issuer and the well-known URL derive from it, so a
            later change of the setting does not change them.
        created_at: aware UTC, whole seconds.
        signing_algorithm: the algorithm that signs its SETs.
        pause: None: delivery is not paused.
        tls: None: the system's certificate authorities and no client certificate.
    """

    account_id: AccountId
    integration_id: IntegrationId
    integration_type: IntegrationType
    reference_id: str
    tenant_url: str
    active: bool
    public_origin: str
    created_at: datetime
    signing_algorithm: Algorithm = Algorithm.RS256
    pause: Pause | None = None
    limits: DeliveryLimits = NO_LIMITS
    tls: ReceiverTls | None = None

    @property
    def issuer(self) -> str:
        """The `iss` of every SET of this integration.

        Rule: SSF 1.0 §7.2 issuer; one issuer per integration.
        """
        return f"{self.public_origin}/{self.integration_id}"

    @property
    def transmitter_url(self) -> str:
        """The base URL of the endpoints for its receiver. Rule: SSF 1.0 §8.1 (a transmitter chooses these URLs)."""
        return f"{self.public_origin}/ssf/{self.integration_id}"

    @property
    def well_known_url(self) -> str:
        """Where a receiver finds the transmitter's metadata.

        Rule: contract "well_known_url"; SSF 1.0 §7.2.1 puts the well-known part before the issuer's path.
        """
        return f"{self.public_origin}/.well-known/sse-configuration/{self.integration_id}"


def tls_row(account_id: AccountId, integration_id: IntegrationId) -> str:
    """Return the name that the key of an integration's client certificate is sealed under."""
    return sealed_row("integrations", account_id, integration_id)


def reference_taken(holder: IntegrationId) -> Invalid:
    """Return the refusal of a reference id that another integration of the account has.

    Args:
        holder: the integration that has it.

    Rule: contract 8, 10.
    """
    message = f"integration {holder} has this reference_id; choose a new one, or update that integration"
    return Invalid([Fault(FaultKind.REFERENCE_TAKEN, "/reference_id", message)])


def tenant_url_problem(url: str) -> str | None:
    """Return the problem of a tenant URL's form; None if it is valid.

    Only the form is checked. Whether the address may be dialled is checked at each push (contract 12), which also
    refuses http unless a setting allows it.

    Rule: contract "tenant_url".

    >>> tenant_url_problem("https://dev-1.okta.com")
    >>> tenant_url_problem("dev-1.okta.com")
    'must be an absolute http or https URL, such as https://example.okta.com'
    """
    if any(c.isspace() or not c.isprintable() for c in url):
        return "must not contain white space or control characters"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "must be a URL with a valid host and port"
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        return "must be an absolute http or https URL, such as https://example.okta.com"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or password"
    if "?" in url or "#" in url:
        return "must not contain a query or a fragment, because the event path is appended"
    return None
