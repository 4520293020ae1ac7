"""Check the certificate of `serve` before anything starts, so that an error has a clear message."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from riskrelay.core.errors import Misconfigured
from riskrelay.settings import Settings

_READABLE_BY_ANYBODY = 0o004


@dataclass(frozen=True, slots=True)
class TlsPair:
    """A certificate chain and its private key, both PEM, that were found to belong together."""

    certificate: Path
    key: Path


def tls_pair(settings: Settings) -> TlsPair | None:
    """The pair that the settings name; None: no TLS here.

    Raises: Misconfigured: a file cannot be read, is no PEM, or the two do not belong together.
    """
    if settings.tls_cert is None or settings.tls_key is None:  # settings take both or none
        return None
    return checked_pair(settings.tls_cert, settings.tls_key, ("RISKRELAY_TLS_CERT", "RISKRELAY_TLS_KEY"))


def checked_pair(certificate: Path, key: Path, names: tuple[str, str]) -> TlsPair:
    """Return a pair of files, once they were found to belong together.

    Args:
        names: of the settings or options that name the files, for messages.

    Raises: Misconfigured: as `tls_pair`.
    """
    if "-----BEGIN CERTIFICATE-----" not in _text(certificate, names[0]):
        raise Misconfigured(f"{names[0]}: {certificate} contains no PEM certificate")
    if "PRIVATE KEY-----" not in _text(key, names[1]):
        raise Misconfigured(f"{names[1]}: {key} contains no PEM private key")
    if key.stat().st_mode & _READABLE_BY_ANYBODY:
        raise Misconfigured(f"{names[1]}: every user of this machine can read {key}; run chmod 600 on it")
    _check_together(certificate, key)
    return TlsPair(certificate, key)


def server_context(pair: TlsPair | None) -> ssl.SSLContext | None:
    """Return the TLS settings of the server; None: plain http. Rule: IOP 1.0 §2.1, RFC 9325 §4.2."""
    if pair is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # RFC 9325 §4.2, for TLS 1.2: no RSA key exchange, no CBC
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def _text(path: Path, setting: str) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise Misconfigured(
            f"{setting}: cannot read {path} ({error.strerror}); check the path and its owner"
        ) from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{setting}: {path} is not PEM; convert it with openssl") from error


def _check_together(certificate: Path, key: Path) -> None:
    def refuse_password() -> str:
        raise Misconfigured(f"RISKRELAY_TLS_KEY: {key} is encrypted; use a key without a passphrase")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Misconfigured(
                f"RISKRELAY_TLS_KEY: {key} does not match the first certificate in {certificate}; "
                "that file must contain the server's certificate first, followed by the intermediate certificates"
            ) from error
        raise Misconfigured(
            f"RISKRELAY_TLS_CERT, RISKRELAY_TLS_KEY: {certificate} or {key} cannot be used ({error.reason})"
        ) from error
