"""IOP 1.0 §2.1: what TLS the transmitter speaks, by the recommendations of RFC 9325."""

import socket
import ssl
from urllib.parse import urlsplit

import pytest

from support.certificates import Authority
from support.service import Service


def negotiated(service: Service, context: ssl.SSLContext) -> tuple[str, str]:
    """The version and the cipher suite that a client gets."""
    address = ("127.0.0.1", urlsplit(service.url).port)
    with socket.create_connection(address, 10) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
        cipher = tls.cipher()
        assert cipher is not None
        return tls.version() or "", cipher[0]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_offer_forward_secrecy_and_authenticated_encryption(
    service: Service, authority: Authority, version: ssl.TLSVersion
) -> None:
    """RFC 9325 §4.2."""
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    spoken, cipher = negotiated(service, context)
    assert spoken == version.name.replace("_", ".")
    assert cipher.startswith(("ECDHE-", "TLS_"))
    assert "GCM" in cipher or "CHACHA20" in cipher


@pytest.mark.parametrize("suite", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"])
def test_weak_cipher_suites_are_refused(service: Service, authority: Authority, suite: str) -> None:
    """RFC 9325 §4.1: no key exchange by RSA, no CBC."""
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        negotiated(service, context)
