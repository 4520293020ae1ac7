"""`serve` speaks TLS itself: what it offers, and what it refuses to start with."""

import json
import os
import socket
import ssl
import urllib.request
from collections.abc import Iterator

import pytest

from support.certificates import Authority, new_authority
from support.service import Service


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that everybody here trusts."""
    return new_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Service]:
    """A service that speaks https."""
    service = Service(tmp_path_factory.mktemp("https"), tls=authority)
    service.start()
    yield service
    assert service.stop() == 0


def test_everything_works_over_https(service: Service) -> None:
    """The API, a command, and metadata that name https addresses only."""
    integration = service.create_integration("https://acme.example.com")
    for name in ("ssf-configuration", "oauth-authorization-server", "oauth-protected-resource"):
        document = service.get(f"/.well-known/{name}/{integration['id']}").decode()
        assert "http://" not in document
    assert json.loads(service.get("/jwks.json"))["keys"]
    (row,) = json.loads(service.command("integration", "list", "--json").stdout)
    assert row["well_known_url"].startswith("https://")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_of_today_is_spoken(service: Service, authority: Authority, version: ssl.TLSVersion) -> None:
    """IOP 1.0 §2.1: 1.2 and 1.3."""
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    with urllib.request.urlopen(f"{service.url}/healthz", context=context) as answer:
        assert answer.status == 200


def hello(version: int) -> bytes:
    """A ClientHello of an old version, RFC 4346 §7.4.1.2, with cipher suites of its time."""
    suites = bytes.fromhex("c013c014002f0035000a")
    body = bytes([3, version]) + os.urandom(32) + b"\0" + len(suites).to_bytes(2) + suites + b"\1\0"
    handshake = b"\x01" + len(body).to_bytes(3) + body
    return bytes([22, 3, version]) + len(handshake).to_bytes(2) + handshake


@pytest.mark.parametrize("version", [1, 2])
def test_older_versions_are_refused(service: Service, version: int) -> None:
    """TLS 1.0 and 1.1 get an alert (record type 21), no ServerHello (22)."""
    with socket.create_connection(("127.0.0.1", int(service.settings["RISKRELAY_PORT"])), 5) as connection:
        connection.sendall(hello(version))
        assert connection.recv(5)[:1] in (b"\x15", b"")


def test_plain_http_is_not_answered(service: Service) -> None:
    """Nothing is sent in the clear."""
    with socket.create_connection(("127.0.0.1", int(service.settings["RISKRELAY_PORT"])), 5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP" not in connection.recv(100)
