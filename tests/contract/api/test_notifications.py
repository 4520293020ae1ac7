"""Notifications of a running service: over the API, on the command line, and on the console."""

import base64
import hmac
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from riskrelay.core.credentials import Scope
from support.inboxes import Hook, Mailbox, hook, mailbox
from support.service import Service, running
from support.visitor import Page, Visitor
from support.waiting import until

CHANNELS = "/notification_channels"
SCREEN = "/console/accounts/acme/settings/notifications"


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    with mailbox() as box:
        yield box


@pytest.fixture(scope="module")
def inbox() -> Iterator[Hook]:
    with hook() as inbox:
        yield inbox


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, box: Mailbox) -> Iterator[Service]:
    settings = {
        "RISKRELAY_SMTP_URL": f"smtp://127.0.0.1:{box.port}?starttls=no",
        "RISKRELAY_SMTP_FROM": "riskrelay@example.com",
    }
    with running(tmp_path_factory.mktemp("notifications"), **settings) as service:
        yield service


def bodies(inbox: Hook, path: str) -> list[dict[str, object]]:
    return [json.loads(body) for at, _, body in list(inbox.requests) if at == path]


def test_a_channel_is_notified_once_also_across_a_restart(tmp_path: Path) -> None:
    """At the start of the service, and not again at its next start."""
    with hook() as inbox:
        service = Service(tmp_path)
        service.start()
        integration = service.create_integration("https://acme.example.com")
        service.result("POST", f"/integrations/{integration['id']}/pause", {"reason": "Maintenance"})
        wanted = {
            "kind": "webhook",
            "name": "Ops",
            "target": f"{inbox.url}/notified",
            "conditions": ["integration_paused"],
        }
        secret = service.result("POST", CHANNELS, wanted)["secret"]
        assert service.stop() == 0
        service.start()
        until(lambda: inbox.requests)
        assert service.stop() == 0
        service.start()
        service.result("POST", f"/integrations/{integration['id']}/resume")
        assert service.stop() == 0
        service.start()
        until(lambda: len(inbox.requests) > 1)
        assert service.stop() == 0
    first, second = (json.loads(body)["data"]["changes"] for _, _, body in inbox.requests)
    assert [(one["news"], one["name"]) for one in first] == [("opened", integration["reference_id"])]
    assert [one["news"] for one in second] == ["cleared"]
    for _, headers, body in inbox.requests:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"


def test_a_channel_is_added_tested_changed_and_deleted(service: Service, inbox: Hook) -> None:
    """The target of a Slack URL is never shown again; a failed test says what the receiver answered."""
    target = f"{inbox.url}/services/T0/B0/very-secret"
    made = service.result("POST", CHANNELS, {"kind": "slack", "name": "Chat", "target": target, "conditions": ["disk"]})
    assert (made["target"], made["secret"], made["backlog_after_seconds"]) == (f"{inbox.url}/…", None, 3600)
    own = f"{CHANNELS}/{made['id']}"
    result = service.result("POST", f"{own}/test")
    assert (result["sent"], result["problem"]) == (True, None)
    (body,) = bodies(inbox, "/services/T0/B0/very-secret")
    assert "Test of the channel Chat" in str(body["text"])
    inbox.statuses.append(404)
    assert service.result("POST", f"{own}/test")["problem"] == "the receiver answered HTTP 404"
    shown = json.dumps(service.result("GET", CHANNELS)) + json.dumps(service.result("GET", own))
    assert "very-secret" not in shown
    changed = service.result("PUT", own, {"name": "Chat 2", "conditions": ["backlog", "disk"], "active": False})
    assert (changed["name"], changed["conditions"], changed["active"]) == ("Chat 2", ["backlog", "disk"], False)
    assert service.result("POST", f"{own}/test")["sent"] is True
    service.result("DELETE", own)
    assert service.call("GET", own)[0] == 404


def test_channels_need_the_scope_operate(service: Service) -> None:
    """Also to read them."""
    token = service.new_token("acme", Scope.READ, Scope.WRITE)
    assert (
        service.exchange("GET", f"/accounts/acme/zt_risk_scoring{CHANNELS}", Authorization=f"Bearer {token}")[0] == 403
    )


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"target": "ops@example.com\r\nBcc: evil@example.com"}, "/target"),
        ({"target": "https://10.0.0.1/hook", "kind": "slack"}, "/target"),
        ({"target": "ftp://hooks.example.com", "kind": "webhook"}, "/target"),
        ({"name": "a\r\nb"}, "/name"),
        ({"name": " "}, "/name"),
        ({"conditions": []}, "/conditions"),
        ({"conditions": ["everything"]}, "/conditions/0"),
        ({"kind": "pigeon"}, "/kind"),
        ({"backlog_after_seconds": 59}, "/backlog_after_seconds"),
    ],
)
def test_a_mistake_is_named(service: Service, change: dict[str, object], pointer: str) -> None:
    """With its member."""
    body = {"kind": "email", "name": "Ops", "target": "ops@example.com", "conditions": ["disk"], **change}
    status, envelope = service.call("POST", CHANNELS, body)
    assert status == 400
    assert [error["source"]["pointer"] for error in envelope["errors"]] == [pointer]


def test_the_command_line_adds_tests_and_removes(service: Service, box: Mailbox) -> None:
    """By name; a test's exit code says whether it was accepted."""
    added = service.command("notification", "add", "Night shift", "--email", "night@example.com", "--on", "disk")
    assert "night@example.com" in added.stdout
    assert "Test message sent" in service.command("notification", "test", "night shift").stdout
    (mail,) = [mail for mail in box.mails if mail["To"] == "night@example.com"]
    assert mail["Subject"] == "[riskrelay] Test of the channel Night shift"
    assert "works" in service.command("notification", "list").stdout
    service.command("notification", "set", "Night shift", "--name", "Day shift", "--on", "backlog")
    service.command("notification", "remove", "Day shift")
    assert "Night shift" not in service.command("notification", "list").stdout


def test_doctor_signs_in_to_the_mail_server(service: Service) -> None:
    """And says so."""
    checks = json.loads(service.command("doctor", "--json", check=False).stdout)
    assert [one["said"] for one in checks if one["topic"] == "notifications"] == [
        "The SMTP server accepts the sign-in."
    ]


def test_the_console_adds_tests_and_deletes(service: Service, inbox: Hook) -> None:
    """The secret is shown once; the result of a test is shown; names are text."""
    visitor = Visitor(service)
    visitor.sign_in(service.new_token("acme"))
    csrf = visitor.ask("GET", SCREEN).csrf

    def post(path: str, *conditions: str, **fields: str) -> Page:
        pairs = [("csrf", csrf), *fields.items(), *(("conditions", one) for one in conditions)]
        return visitor.ask("POST", path, pairs)

    wanted = {"kind": "webhook", "name": "<b>Pager</b>", "target": f"{inbox.url}/pager", "backlog_minutes": "5"}
    assert "whsec_" not in (refused := post(SCREEN, **wanted)).text
    assert (refused.status, "Choose at least one." in refused.text) == (400, True)
    refused = post(SCREEN, "disk", **{**wanted, "target": "https://127.0.0.2/x"})
    assert (refused.status, "must not be a private" in refused.text) == (400, True)
    made = post(SCREEN, "backlog", "disk", **wanted)
    assert (made.status, "whsec_" in made.text, "&lt;b&gt;Pager" in made.text) == (200, True, True)
    (channel,) = [one for one in service.result("GET", CHANNELS) if one["name"] == "<b>Pager</b>"]
    assert (channel["backlog_after_seconds"], channel["conditions"]) == (300, ["backlog", "disk"])
    own = f"{SCREEN}/{channel['id']}"
    assert "Test message sent" in post(f"{own}/test").text
    inbox.statuses.append(500)
    assert "the receiver answered HTTP 500" in post(f"{own}/test").text
    page = visitor.ask("GET", SCREEN).text
    assert "failed" in page
    assert "<b>Pager" not in page
    assert "whsec_" not in visitor.ask("GET", own).text
    assert post(own, "disk", name="Pager", backlog_minutes="5").status == 303
    assert service.result("GET", f"{CHANNELS}/{channel['id']}")["active"] is False
    assert post(own, name="Pager", backlog_minutes="5").status == 400
    assert post(f"{own}/delete").status == 303
    assert visitor.ask("GET", own).status == 404
