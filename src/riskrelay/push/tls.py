"""TLS with receivers: the trusted certificate authorities, and the client certificate."""

import ssl
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificates

from riskrelay.core.errors import Misconfigured
from riskrelay.core.integrations import OpenedTls
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import Clock
from riskrelay.push.failures import refused

_CONTEXTS_KEPT = 1_024  # guessed: about 100 KB each; integrations with TLS settings that are pushed to at once


class _Prepared(NamedTuple):
    """A context, and the expiry of its client certificate; None: it has none."""

    context: ssl.SSLContext
    ends: datetime | None


class TlsContexts:
    """The contexts of one push client.

    Args:
        trust_ca: a PEM file of certificate authorities to trust besides the system's.

    Attributes:
        default: the context for receivers without TLS settings.
    Raises: Misconfigured: *trust_ca* cannot be read.
    """

    def __init__(self, clock: Clock, trust_ca: Path | None) -> None:
        self._clock = clock
        self.default = _trusting(trust_ca)
        self._prepared: Callable[[OpenedTls], _Prepared] = lru_cache(_CONTEXTS_KEPT)(
            lambda tls: _Prepared(context_of(tls, trust_ca), certificate_end(tls.certificate))
        )

    def of(self, tls: OpenedTls | None) -> ssl.SSLContext | Outcome:
        """Return the context for a connection, or the outcome if the push must not be attempted.

        Rule: faults 31: it fails closed, with the reason.
        """
        if tls is None:
            return self.default
        try:
            context, ends = self._prepared(tls)
        except (ssl.SSLError, ValueError):
            detail = "the integration's certificates or their key cannot be read any more; set them again"
            return Outcome(kind=OutcomeKind.LOCAL, reason="tls_key_unreadable", detail=detail)
        if ends is not None and ends <= self._clock.now():
            return refused("tls_client_expired", f"the integration's client certificate has ended on {ends:%Y-%m-%d}")
        return context


def context_of(tls: OpenedTls, trust_ca: Path | None = None) -> ssl.SSLContext:
    """Return a context with the certificate authorities and the client certificate of *tls*.

    Raises: ssl.SSLError, ValueError: something of it cannot be used.
    """
    context = _trusting(trust_ca) if tls.trusted_ca is None else _only(tls.trusted_ca)
    if tls.certificate is not None and tls.key is not None:
        _show(context, tls.certificate, tls.key)
    return context


def certificate_end(certificate: str | None) -> datetime | None:
    """Return the expiry of the first certificate in a PEM text.

    Raises: ValueError: it cannot be read.
    """
    return None if certificate is None else load_pem_x509_certificates(certificate.encode())[0].not_valid_after_utc


def _show(context: ssl.SSLContext, certificate: str, key: bytes) -> None:
    """Load a client certificate. OpenSSL reads only files, so the encrypted key is briefly in one."""
    password = token_hex(32)
    encrypted = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
    with TemporaryDirectory(prefix="riskrelay-") as folder:
        path = Path(folder) / "client.pem"
        path.write_bytes(certificate.encode() + b"\n" + encrypted)
        context.load_cert_chain(path, password=password)


def _only(trusted_ca: str) -> ssl.SSLContext:
    authorities = load_pem_x509_certificates(trusted_ca.encode())
    encoded = b"".join(one.public_bytes(serialization.Encoding.DER) for one in authorities)
    return _hardened(ssl.create_default_context(cadata=encoded))


def _trusting(trust_ca: Path | None) -> ssl.SSLContext:
    context = _hardened(ssl.create_default_context())
    if trust_ca is not None:
        try:
            context.load_verify_locations(trust_ca)
        except OSError as error:
            raise Misconfigured(
                f"the certificate authorities in {trust_ca} cannot be read ({error}); name a PEM file that this "
                "process may read"
            ) from error
    return context


def _hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
