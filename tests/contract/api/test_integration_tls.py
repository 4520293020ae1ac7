"""TLS of an integration's own over HTTP and as a command, against a running service and a receiver that wants it."""

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from support.certificates import Authority, new_authority
from support.service import Service
from support.waiting import until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private one: the service's system does not know it."""
    return new_authority(tmp_path_factory.mktemp("private"), "private")


class Wanting(BaseHTTPRequestHandler):
    """Takes what comes over a connection whose client showed a certificate."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def receiver_url(authority: Authority) -> Iterator[str]:
    """A receiver with a certificate of the private authority, which wants one of the same."""
    tls = authority.server("127.0.0.1")
    tls.load_verify_locations(authority.path)
    tls.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Wanting)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def material(authority: Authority, **validity: int) -> dict[str, str]:
    files = authority.files("client.test", **validity)
    return {
        "ca": authority.pem(),
        "certificate": files.certificate.read_text(),
        "key": files.key.read_text(),
    }


def last_reason(service: Service, own: str) -> str | None:
    (delivery,) = service.result("GET", f"{own}/deliveries")
    reason: str | None = delivery["attempts"][-1]["reason"] if delivery["attempts"] else None
    return reason


def test_a_private_receiver_gets_its_backlog_once_its_tls_is_set(
    service: Service, authority: Authority, receiver_url: str
) -> None:
    """Unknown authority, then no certificate shown, then taken; each change holds for the next attempt. The key is
    neither answered nor in the log, and the audit log says who set it."""
    service.enable_behaviors()
    own = f"/integrations/{service.create_integration(receiver_url)['id']}"
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": "kai@example.com"}})
    until(lambda: last_reason(service, own) == "tls_unknown_ca")
    given = material(authority)
    service.result("PUT", f"{own}/tls", {"ca": given["ca"]})
    service.result("POST", f"{own}/resume")
    until(lambda: last_reason(service, own) in ("tls_client_refused", "connection_lost"))
    shown = service.result("PUT", f"{own}/tls", given)
    assert [facts["subject"] for facts in (*shown["ca"], *shown["certificate"])] == ["CN=private", "CN=receiver"]
    assert service.result("GET", f"{own}/tls") == shown
    service.result("POST", f"{own}/resume")
    until(lambda: last_reason(service, own) == "accepted")
    entries = service.result("GET", "/audit?kind=integration")
    assert [entry["verb"] for entry in entries].count("changed") == 2
    secret = given["key"].splitlines()[1]
    assert secret not in json.dumps(shown)
    assert secret not in service.log.read_text()
    assert service.result("DELETE", f"{own}/tls") == {"ca": [], "certificate": []}
    assert service.result("GET", f"{own}/tls") == {"ca": [], "certificate": []}


def test_the_command_shows_sets_and_removes(service: Service, authority: Authority) -> None:
    """Files in, subject, fingerprint and end out."""
    integration_id = service.create_integration("https://receiver.example.com")["id"]
    files = authority.files("client.test")
    arguments = ("integration", "tls", integration_id, "--account", service.account_id)
    options = ("--ca", str(authority.path), "--certificate", str(files.certificate), "--key", str(files.key))
    assert "Client certificate: none" in service.command(*arguments).stdout
    said = service.command(*arguments, *options).stdout
    assert "Trusted authorities: CN=private, valid until 20" in said
    assert "Client certificate: CN=receiver" in said
    (facts,) = json.loads(service.command(*arguments, "--json").stdout)["certificate"]
    assert facts["fingerprint_sha256"] in said
    service.command(*arguments, "--remove")
    assert json.loads(service.command(*arguments, "--json").stdout) == {"ca": [], "certificate": []}


def test_words_around_the_certificates_do_no_harm(service: Service, authority: Authority) -> None:
    """Comments in a bundle are ignored, in any language."""
    own = f"/integrations/{service.create_integration('https://receiver.example.com')['id']}/tls"
    given = {name: f"# für Café\n{pem}\n# fin" for name, pem in material(authority).items()}
    assert len(service.result("PUT", own, given)["ca"]) == 1


def with_encrypted_key(authority: Authority) -> dict[str, Any]:
    encrypted = serialization.load_pem_private_key(material(authority)["key"].encode(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    return {**material(authority), "key": encrypted.decode()}


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"ca": None, "certificate": None, "key": None}, "", "send ca"),
        ({"ca": "nothing"}, "/ca", "certificates in PEM"),
        ({"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "/ca", "certificates in PEM"),
        ({"ca": ""}, "/ca", "certificates in PEM"),
        ({"ca": "\0"}, "/ca", "certificates in PEM"),
        ({"ca": 1}, "/ca", "string"),
        ({"ca": "x" * 65_537}, "/ca", "more than 65,536 characters"),
        ({"certificate": "nothing"}, "/certificate", "certificates in PEM"),
        ({"certificate": None}, "/certificate", "is required with a key"),
        ({"key": None}, "/key", "is required with a certificate"),
        ({"key": "nothing"}, "/key", "private key in PEM"),
        ({"key": "é"}, "/key", "private key in PEM"),
    ],
)
def test_bad_material_is_refused_with_what_to_change(
    service: Service, authority: Authority, change: dict[str, Any], pointer: str, words: str
) -> None:
    """The response is a 400 that names the member, and the stored certificates are kept."""
    refuse(service, {**material(authority), **change}, pointer, words)


def test_material_that_does_not_fit_is_refused(service: Service, authority: Authority) -> None:
    """A key of another certificate, an encrypted key, a key among the authorities, a certificate that has ended."""
    good, other = material(authority), material(authority)
    refuse(service, {**good, "key": other["key"]}, "/key", "does not belong to certificate")
    refuse(service, with_encrypted_key(authority), "/key", "must not be encrypted")
    refuse(service, {**good, "ca": good["ca"] + good["key"]}, "/ca", "take the private key out")
    refuse(service, {**good, "certificate": good["certificate"] + good["key"]}, "/certificate", "as key")
    refuse(service, material(authority, begins=-3, ends=-2), "/certificate", "has ended on 20")


def refuse(service: Service, body: dict[str, Any], pointer: str, words: str) -> None:
    own = f"/integrations/{service.create_integration('https://receiver.example.com')['id']}/tls"
    status, envelope = service.call("PUT", own, body)
    assert status == 400
    (error,) = envelope["errors"]
    assert error["source"]["pointer"] == pointer
    assert words in error["message"]
    assert service.result("GET", own) == {"ca": [], "certificate": []}
