"""What receivers write is shown with pii-read only: receivers repeat whom an event is about, in any spelling."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.reasons import WITHHELD
from support.service import Service
from support.visitor import Visitor
from support.waiting import until

EMAIL = "kai.mayer@example.com"
OPERATOR = (Scope.READ, Scope.WRITE, Scope.OPERATE)

SPELLED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "url": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "json": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "spaced": " ".join,
    "reversed": lambda text: text[::-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}


def answered(path: str, token: str) -> tuple[int, str]:
    """What the receiver answers: the status in the path, and the subject and pieces of the SET as the path spells."""
    status, spelled = path.split("/")[1:3]
    payload = token.split(".")[1]
    email = json.loads(base64.urlsafe_b64decode(payload + "=="))["sub_id"]["email"]
    pieces = " ".join(payload[start : start + 20] for start in range(0, len(payload), 20))
    said = f"ECHOED-HERE {SPELLED[spelled](email)} {pieces}"
    if status == "400":
        return 400, f'{{"err": "invalid_request", "description": "{said}"}}'
    return int(status), said


class _Echo(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        token = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, said = answered(self.path, token)
        body = said.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """The URL of a receiver that answers with what it was sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, echo: str) -> Iterator[Service]:
    """A service whose receivers have each answered once, in each spelling and with each kind of answer."""
    service = Service(tmp_path_factory.mktemp("texts"))
    service.start()
    service.enable_behaviors()
    urls = [f"{echo}/400/{spelled}" for spelled in SPELLED]
    urls += [f"{echo}/{status}/plain" for status in (401, 410, 429, 500)]
    integrations = [service.create_integration(url)["id"] for url in urls]
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": EMAIL}})
    until(lambda: all(_attempts(service, one) for one in integrations))
    yield service
    assert service.stop() == 0


def _attempts(service: Service, integration_id: str) -> list[dict[str, Any]]:
    (delivery,) = service.result("GET", f"/integrations/{integration_id}/deliveries")
    attempts: list[dict[str, Any]] = delivery["attempts"]
    return attempts


def _ids(service: Service) -> list[str]:
    return [one["id"] for one in service.result("GET", "/integrations")]


def _echoed(text: str) -> list[str]:
    """The forms of the subject, and the mark of an answer, that *text* has."""
    forms = ["ECHOED-HERE", EMAIL.split("@")[0], *(spell(EMAIL) for spell in SPELLED.values()), quote(EMAIL, safe="")]
    return [form for form in forms if form.lower() in text.lower()]


def test_the_api_shows_what_receivers_wrote_to_pii_readers_only(service: Service) -> None:
    """Deliveries, one delivery, a retry, a replay's sample, health and the audit log; the reason in words stays."""
    operator = service.new_token("acme", *OPERATOR)
    paths: list[tuple[str, str, Any]] = [("GET", "/health", None)]
    for own in (f"/integrations/{one}" for one in _ids(service)):
        (delivery,) = service.result("GET", f"{own}/deliveries")
        assert "ECHOED-HERE" in delivery["attempts"][0]["detail"]
        paths += [
            ("GET", f"{own}/deliveries", None),
            ("GET", f"{own}/deliveries/{delivery['jti']}", None),
            ("GET", f"{own}/health", None),
            ("POST", f"{own}/deliveries/{delivery['jti']}/retry", None),
            ("POST", f"{own}/deliveries/replay", {"filter": {"state": "dead"}, "dry_run": True}),
        ]
        shown = service.call("GET", f"{own}/deliveries/{delivery['jti']}", Authorization=f"Bearer {operator}")[1]
        attempt = shown["result"]["attempts"][0]
        assert (attempt["detail"], attempt["reason"]) == (WITHHELD, delivery["attempts"][0]["reason"])
    for method, path, body in [*paths, ("GET", "/audit", None)]:
        status, answer = service.call(method, path, body, Authorization=f"Bearer {operator}")
        assert (path, _echoed(json.dumps(answer))) == (path, [])
        assert status in (200, 400, 404), path


def test_the_console_shows_what_receivers_wrote_to_pii_readers_only(service: Service) -> None:
    """Lists, a delivery, health, overview, receivers; a sentence says which permission shows it."""
    operator, reader = Visitor(service), Visitor(service)
    operator.sign_in(service.new_token("acme", *OPERATOR))
    reader.sign_in()
    base = "/console/accounts/acme"
    screens = [base, f"{base}/integrations"]
    for integration_id in _ids(service):
        own = f"{base}/integrations/{integration_id}"
        listed = reader.ask("GET", f"{own}/deliveries").text
        assert "ECHOED-HERE" in listed
        one = listed.split(f'href="{own}/deliveries/')[1].split('"')[0]
        page = operator.ask("GET", f"{own}/deliveries/{one}").text
        assert WITHHELD in page
        assert "ECHOED-HERE" in reader.ask("GET", f"{own}/deliveries/{one}").text
        screens += [
            own,
            f"{own}/deliveries",
            f"{own}/deliveries/{one}",
            f"{own}/receivers",
            f"{own}/replays?state=dead",
        ]
    for screen in screens:
        shown = operator.ask("GET", screen)
        assert (screen, shown.status, _echoed(shown.text)) == (screen, 200, [])


def test_commands_show_what_the_token_allows(service: Service) -> None:
    """`delivery show` prints the sentence instead of the text."""
    own = _ids(service)[0]
    (delivery,) = service.result("GET", f"/integrations/{own}/deliveries")
    command = ("delivery", "show", own, delivery["jti"], "--account", "acme", "--json")
    assert "ECHOED-HERE" in service.command(*command).stdout
    everything, service.token = service.token, service.new_token("acme", *OPERATOR)
    try:
        shown = service.command(*command).stdout
    finally:
        service.token = everything
    assert json.loads(shown)["attempts"][0]["detail"] == WITHHELD
    assert not _echoed(shown)


def test_the_log_has_nothing_that_receivers_wrote(service: Service) -> None:
    """Whatever the level of a line."""
    log = Path(service.log).read_text()
    assert '"attempt"' in log
    assert _echoed(log) == []
