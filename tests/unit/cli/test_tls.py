"""A certificate that cannot be served is refused before anything starts, in words that say what to change."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from riskrelay.cli.tls import tls_pair
from riskrelay.core.errors import Misconfigured
from riskrelay.settings import read_settings
from support.certificates import ServerFiles, new_authority

HTTPS = "https://risk.example.com"


@pytest.fixture
def files(tmp_path: Path) -> ServerFiles:
    """A good pair."""
    return new_authority(tmp_path).files("127.0.0.1")


def check(certificate: Path, key: Path) -> str:
    """What is said about a pair; empty when it is good."""
    try:
        pair = tls_pair(read_settings(tls_cert=certificate, tls_key=key, public_url=HTTPS))
    except Misconfigured as error:
        return str(error)
    assert pair is not None
    assert (pair.certificate, pair.key) == (certificate, key)
    return ""


def test_a_good_pair_is_taken_and_none_means_plain_http(files: ServerFiles) -> None:
    """Certificate first, then key."""
    assert check(files.certificate, files.key) == ""
    assert tls_pair(read_settings()) is None


def test_what_cannot_be_read_is_named(files: ServerFiles, tmp_path: Path) -> None:
    """The setting and the file stand in the message."""
    missing = tmp_path / "missing.pem"
    assert check(missing, files.key) == (
        f"RISKRELAY_TLS_CERT: cannot read {missing} (No such file or directory); check the path and its owner"
    )
    assert check(files.certificate, tmp_path).startswith(f"RISKRELAY_TLS_KEY: cannot read {tmp_path} (Is a directory)")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "contains no PEM private key"),
        (b"\x30\x82\xff\xfe", "is not PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be used"),
    ],
)
def test_an_invalid_key_is_reported(files: ServerFiles, content: bytes, said: str) -> None:
    """An empty file, another encoding, a broken one."""
    files.key.write_bytes(content)
    assert said in check(files.certificate, files.key)


def test_a_key_in_the_place_of_a_certificate_is_said(files: ServerFiles) -> None:
    """The two settings swapped."""
    assert check(files.key, files.certificate).startswith(
        f"RISKRELAY_TLS_CERT: {files.key} contains no PEM certificate"
    )


def test_a_pair_that_does_not_belong_together_is_said(files: ServerFiles, tmp_path: Path) -> None:
    """The key of another certificate."""
    other = new_authority(tmp_path, "other").files("127.0.0.1")
    assert f"{other.key} does not match the first certificate" in check(files.certificate, other.key)


def test_an_encrypted_key_is_reported_without_a_prompt(files: ServerFiles) -> None:
    """A service cannot type a passphrase."""
    key = ec.generate_private_key(ec.SECP256R1())
    locked = serialization.BestAvailableEncryption(b"secret")
    files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    assert "is encrypted; use a key without a passphrase" in check(files.certificate, files.key)


def test_a_key_that_everybody_can_read_is_refused(files: ServerFiles) -> None:
    """A group may read it."""
    files.key.chmod(0o644)
    assert "chmod 600" in check(files.certificate, files.key)
    files.key.chmod(0o640)
    assert check(files.certificate, files.key) == ""


def test_half_a_pair_and_a_public_url_of_http_are_refused(files: ServerFiles) -> None:
    """What receivers are told must be what is served."""
    with pytest.raises(Misconfigured, match="or neither"):
        read_settings(tls_cert=files.certificate, public_url=HTTPS)
    with pytest.raises(Misconfigured, match="RISKRELAY_PUBLIC_URL must start with https://"):
        read_settings(tls_cert=files.certificate, tls_key=files.key)
