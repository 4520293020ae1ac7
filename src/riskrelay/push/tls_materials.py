"""Validates the certificates and keys of accounts before they are stored."""

import ssl
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509 import Certificate, load_pem_x509_certificates

from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import CertificateFacts, OpenedTls, ReceiverTls
from riskrelay.ports import Clock, Vault
from riskrelay.push.tls import context_of

_NO_CERTIFICATES = "must be certificates in PEM, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"


class PemMaterials:
    """Implements ports.TlsMaterials."""

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    def read(self, given: OpenedTls, row: str) -> ReceiverTls:
        trusted_ca, certificate = given.trusted_ca, given.certificate
        faults = [*self._ca_faults(trusted_ca), *self._certificate_faults(certificate), *_key_faults(given)]
        if trusted_ca is None and certificate is None and not faults:
            faults = [Fault(FaultKind.REQUIRED, "", "send ca, or certificate and key; to remove them, use DELETE")]
        faults = faults or _faults_of_use(given)
        if faults:
            raise Invalid(faults)
        return ReceiverTls(trusted_ca, certificate, None if given.key is None else self._vault.seal(given.key, row))

    def facts(self, pem: str | None) -> list[CertificateFacts]:
        return [] if pem is None else [_facts(one) for one in load_pem_x509_certificates(pem.encode())]

    def _ca_faults(self, pem: str | None) -> list[Fault]:
        if pem is None:
            return []
        if "PRIVATE KEY" in pem:
            return [_wrong("/ca", "must hold certificates only; take the private key out")]
        return [] if _certificates(pem) else [_wrong("/ca", _NO_CERTIFICATES)]

    def _certificate_faults(self, pem: str | None) -> list[Fault]:
        if pem is None:
            return []
        if "PRIVATE KEY" in pem:
            return [_wrong("/certificate", "must hold certificates only; send the private key as key")]
        chain = _certificates(pem)
        if not chain:
            return [_wrong("/certificate", _NO_CERTIFICATES)]
        ends = chain[0].not_valid_after_utc
        if ends <= self._clock.now():
            return [_wrong("/certificate", f"has ended on {ends:%Y-%m-%d}; send one that is valid")]
        return []


def _key_faults(opened: OpenedTls) -> list[Fault]:
    if opened.certificate is None:
        return [] if opened.key is None else [Fault(FaultKind.REQUIRED, "/certificate", "is required with a key")]
    if opened.key is None:
        return [Fault(FaultKind.REQUIRED, "/key", "is required with a certificate")]
    try:
        key = serialization.load_pem_private_key(opened.key, None)
    except TypeError:
        return [_wrong("/key", "must not be encrypted; `openssl pkey -in FILE` decrypts it")]
    except (ValueError, NotImplementedError):
        return [_wrong("/key", "must be a private key in PEM, such as -----BEGIN PRIVATE KEY-----")]
    chain = _certificates(opened.certificate)
    if chain and _encoded(chain[0].public_key()) != _encoded(key.public_key()):
        return [_wrong("/key", "does not belong to certificate, whose first one must be the key's own")]
    return []


# Messages for the reasons of OpenSSL.
_REASONS = {
    "EE_KEY_TOO_SMALL": "key: is too short",
    "CA_KEY_TOO_SMALL": "ca: a key of these certificates is too short",
    "CA_MD_TOO_WEAK": "certificate: is signed with a hash function that is too weak",
    "KEY_VALUES_MISMATCH": "key: does not belong to certificate",
}


def _faults_of_use(opened: OpenedTls) -> list[Fault]:
    """Return the faults that only OpenSSL detects, such as a key that is too short."""
    try:
        context_of(opened)
    except (ssl.SSLError, ValueError) as error:
        reason = _REASONS.get(getattr(error, "reason", None) or "", "these certificates or this key cannot be used")
        return [_wrong("", f"{reason}; use RSA of 2,048 bits or more, or P-256")]
    return []


def _certificates(pem: str) -> Sequence[Certificate]:
    """Return the certificates in a PEM text; empty if none can be parsed."""
    try:
        return load_pem_x509_certificates(pem.encode())
    except ValueError:
        return ()


def _encoded(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _facts(certificate: Certificate) -> CertificateFacts:
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        begins=certificate.not_valid_before_utc,
        ends=certificate.not_valid_after_utc,
    )


def _wrong(pointer: str, message: str) -> Fault:
    return Fault(FaultKind.WRONG_VALUE, pointer, message)
