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
    """The receiver products; the table `products` says what each of them is. Spelled exactly: `okta` is refused.

    Rule: contract "integration_type" (another letter case makes Terraform replace the record on each apply).
    """

    OKTA = "Okta"
    SSF = "SSF"
    """Any other Shared Signals receiver: it makes its own streams, with credentials that the operator issued."""


@dataclass(frozen=True, slots=True)
class Pause:
    """An operator has stopped delivery to an integration; what is queued is kept, until its retention, and so is what
    comes. Only a resume ends it: an update of the record does not.

    Attributes:
        since: aware UTC.
        reason: in the operator's words; None: they gave none.
    """

    since: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """How much its receiver is asked to bear, beyond what holds for every receiver.

    Attributes:
        pushes_per_second: at most so many pushes start in a second on one stream; None: as fast as it answers.
        concurrency: at most so many pushes at once on one stream; None: the service's own limit.
    """

    pushes_per_second: int | None = None
    concurrency: int | None = None


NO_LIMITS = DeliveryLimits()


@dataclass(frozen=True, slots=True)
class ReceiverTls:
    """What connections to one integration's receivers use instead of what holds for all, as it is kept.

    Attributes:
        trusted_ca: the certificate authorities that are trusted, PEM; None: the system's.
        certificate: the certificate that is shown, PEM, our own first; None: none is, and there is no key.
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
    """What may be shown of a certificate.

    Attributes:
        subject: its distinguished name, as RFC 4514 writes it.
        fingerprint: SHA-256, in lower-case hexadecimal digits.
        begins, ends: of its validity, aware UTC.
    """

    subject: str
    fingerprint: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """An account's link to one receiver product.

    Attributes:
        tenant_url: the receiver's address exactly as the account wrote it, byte for byte.
        public_origin: where this transmitter was reachable when the record was made, such as
            `https://risk.example.com`, without a final slash. Issuer and well-known URL derive from it and
            so never change in the record's life, whatever happens to the setting.
        created_at: aware UTC, whole seconds.
        signing_algorithm: with which its SETs are signed.
        pause: None: an operator lets it be delivered to.
        tls: None: its receivers' certificates are judged by the system's authorities, and none is shown to them.
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
        """Below it are the endpoints that its receiver calls. Rule: SSF 1.0 §8.1 (the URLs are ours to choose)."""
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
    """Say what is wrong with the form of a tenant URL; None when nothing is.

    The form only: whether the address may be dialled is judged when something is sent (contract 12), and
    http is refused there too unless a setting allows it.

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
