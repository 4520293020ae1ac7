"""A certificate authority of the tests' own, and certificates that it signs."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class ServerFiles:
    """What a server needs to speak TLS: the file with its certificate, the file with its key."""

    certificate: Path
    key: Path


@dataclass
class Authority:
    """A certificate authority of this test run; its certificate is in *path*."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    path: Path

    def files(self, *names: str, begins: int = -1, ends: int = 1) -> ServerFiles:
        """A certificate for *names*, valid from so many days to so many days, and its key, beside the authority's."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        )
        certificate = certify(self.name, self.key, name("receiver"), key.public_key(), begins, ends, alternatives)
        files = ServerFiles(
            self.path.with_name(f"{certificate.serial_number}.pem"),
            self.path.with_name(f"{certificate.serial_number}.key"),
        )
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.key.touch(mode=0o600)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def server(self, *names: str, begins: int = -1, ends: int = 1) -> ssl.SSLContext:
        """A server's TLS with a certificate for *names*."""
        files = self.files(*names, begins=begins, ends=ends)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        return context

    def pem(self) -> str:
        """The authority's certificate."""
        return self.path.read_text()

    def client(self) -> ssl.SSLContext:
        """A client's TLS that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.path))


def name(text: str) -> x509.Name:
    """A distinguished name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certify(
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    begins: int,
    ends: int,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    """A signed certificate with the identifiers that strict verifiers ask for."""
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        .not_valid_before(now + begins * DAY)
        .not_valid_after(now + ends * DAY)
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


def new_authority(folder: Path, label: str = "authority") -> Authority:
    """A fresh authority, its certificate in *folder*."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca = x509.BasicConstraints(ca=True, path_length=None)
    certificate = certify(name(label), key, name(label), key.public_key(), -10, 10, ca)
    path = folder / f"{label}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(name(label), key, path)
