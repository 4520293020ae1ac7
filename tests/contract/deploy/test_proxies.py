"""The examples of reverse proxies, each in front of a service: what passes, what doesn't, and whose address counts."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path

import pytest

from riskrelay.bench.processes import free_port
from support.at_length import deploy_check
from support.certificates import Authority, new_authority
from support.programs import needed
from support.service import Service

pytestmark = deploy_check

PROXY = Path(__file__).parents[3] / "deploy/proxy"
HOST = "risk.example.com"


@dataclass(frozen=True)
class Answer:
    """What came back through the proxy."""

    status: int
    headers: HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Front:
    """A proxy that runs.

    Attributes:
        port: of https; *plain*: of http, or None.
    """

    service: Service
    authority: Authority
    port: int
    plain: int | None

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send a request as a client would that has resolved the proxy's name."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection(HOST, timeout=30)
        raw = socket.create_connection(("127.0.0.1", self.port), 30)
        connection.sock = self.authority.client().wrap_socket(raw, server_hostname=HOST)
        with closing(connection):
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())


def nginx(directory: Path, service: Service, authority: Authority) -> tuple[list[str], int, int | None]:
    """The command that runs nginx with the example, and its ports."""
    program = needed("nginx")
    port, plain = free_port(), free_port()
    files = authority.files(HOST)
    example = (PROXY / "nginx.conf").read_text()
    for written, instead in {
        "127.0.0.1:8700": f"127.0.0.1:{service.settings['RISKRELAY_PORT']}",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl;\n": "",
        "/etc/ssl/risk.example.com/fullchain.pem": str(files.certificate),
        "/etc/ssl/risk.example.com/privkey.pem": str(files.key),
    }.items():
        assert written in example
        example = example.replace(written, instead)
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = f"""
        daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log;
        {"user root;" if os.geteuid() == 0 else ""}
        events {{}}
        http {{ access_log off; {temporary} {example} }}
    """
    (directory / "nginx.conf").write_text(whole)
    return [program, "-p", str(directory), "-e", f"{directory}/error.log", "-c", "nginx.conf"], port, plain


def caddy(directory: Path, service: Service, authority: Authority) -> tuple[list[str], int, int | None]:
    """The command that runs Caddy with the example and a certificate of the tests, and its port."""
    program = needed("caddy")
    port = free_port()
    files = authority.files(HOST)
    example = (PROXY / "Caddyfile").read_text()
    for written, instead in {
        "127.0.0.1:8700": f"127.0.0.1:{service.settings['RISKRELAY_PORT']}",
        f"\n{HOST} {{\n": f"\n{HOST}:{port} {{\n\ttls {files.certificate} {files.key}\n\tbind 127.0.0.1\n",
    }.items():
        assert written in example
        example = example.replace(written, instead)
    (directory / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + example)
    return [program, "run", "--adapter", "caddyfile", "--config", str(directory / "Caddyfile")], port, None


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A service behind a proxy, with the settings that the example names."""
    directory = tmp_path_factory.mktemp("proxy")
    authority = new_authority(directory)
    service = Service(directory, None, RISKRELAY_PUBLIC_URL=f"https://{HOST}", RISKRELAY_TRUSTED_PROXIES="127.0.0.1/32")
    command, port, plain = request.param(directory, service, authority)
    service.start()
    service.enable_behaviors()
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    with (directory / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (directory / "proxy.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield Front(service, authority, port, plain)
    finally:
        process.terminate()
        process.wait(30)
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)


def test_a_finding_passes_and_the_client_cannot_forge_its_address(front: Front) -> None:
    """It is accepted over TLS. The audit log has the address of the proxy's client, whatever the client claims."""
    path = "/accounts/acme/zt_risk_scoring/findings"
    body = json.dumps({"behavior": "high_dlp", "user": {"email": "kai@example.com"}}).encode()
    forged = {"X_Forwarded_For": "203.0.113.7", "Forwarded": "for=203.0.113.7"}
    headers = {"Authorization": f"Bearer {front.service.token}", "Content_Type": "application/json", **forged}
    answer = front.ask("POST", path, body, **headers)
    assert answer.status == 200, answer.body
    assert json.loads(answer.body)["result"]["changes"][0]["current_level"] == "high"
    user = front.service.result("GET", "/summary")["users"][0]["user_id"]
    assert front.ask("POST", path.replace("findings", f"{user}/reset"), b"", **headers).status == 200
    entry = front.service.result("GET", "/audit?per_page=1")[0]
    assert entry["actor"]["address"] == "127.0.0.1"


def test_the_console_signs_in_over_tls(front: Front) -> None:
    """Its cookie is for https only, and the page says that browsers must use https."""
    page = front.ask("GET", "/console/sign-in")
    assert page.status == 200
    assert page.headers.get_all("Strict-Transport-Security") == ["max-age=31536000"]
    form = f"token={front.service.token}&next=".encode()
    kind = "application/x-www-form-urlencoded"
    answer = front.ask("POST", "/console/sign-in", form, Content_Type=kind, Origin=f"https://{HOST}")
    assert answer.status == 303
    cookie = answer.headers["Set-Cookie"]
    assert "Secure" in cookie
    overview = front.ask("GET", answer.headers["Location"], Cookie=cookie.partition(";")[0])
    assert overview.status in (200, 303)


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_monitoring_stays_inside(front: Front, path: str) -> None:
    """The service answers, but not through the proxy."""
    assert front.service.get(path)
    assert front.ask("GET", path).status == 404


def test_a_large_batch_passes(front: Front) -> None:
    """The proxy's limit is above that of riskrelay, which refuses with a reason."""
    path = "/accounts/acme/zt_risk_scoring/findings"
    headers = {"Authorization": f"Bearer {front.service.token}", "Content_Type": "application/json"}
    answer = front.ask("POST", path, b" " * (33 * 2**20), **headers)
    assert answer.status == 413
    assert json.loads(answer.body)["success"] is False


def test_plain_http_leads_to_https(front: Front) -> None:
    """A permanent redirect that keeps method and path. (Caddy does so by itself.)"""
    if front.plain is None:
        pytest.skip("Caddy redirects by itself, on port 80 only")
    connection = HTTPConnection("127.0.0.1", front.plain, timeout=30)
    connection.request("GET", "/console?x=1", headers={"Host": HOST})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, f"https://{HOST}/console?x=1")
    connection.close()
