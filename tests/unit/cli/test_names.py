"""Names and e-mail addresses in the place of ids, did-you-mean, waiting and completion, against a stand-in service."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
import typer
from typer.core import TyperGroup

from riskrelay.cli.completing import complete_behavior, complete_integration
from riskrelay.cli.names import NamedId
from riskrelay.cli.output import text
from support.command_line import COMMANDS, invoke

OKTA = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
OTHER = "1f2bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
KAI = "0d9b6c9e-6d3f-4b0c-9c58-52c2a80a8a11"
PREFIX = "/accounts/acme/zt_risk_scoring"

INTEGRATIONS = [{"id": OKTA, "reference_id": "okta-prod"}, {"id": OTHER, "reference_id": "Okta-Prod"}]
HEALTH = {"integration_id": OKTA, "streams": [], "warnings": [], "refused_requests": []}
USERS = [
    {"user_id": OTHER, "email": "kai@example.co", "name": "", "risk_level": None},
    {"user_id": KAI, "email": "kai@example.com", "name": "", "risk_level": "high"},
]
USER: dict[str, Any] = {
    "email": "kai@example.com",
    "name": "Kai",
    "risk_level": "high",
    "last_reset_time": None,
    "events": [],
}
SOURCES = [{"id": OKTA, "name": "Okta", "kind": "okta_system_log"}, {"id": OTHER, "name": "Okta", "kind": "custom"}]
BEHAVIORS = {"behaviors": {key: {"enabled": True, "risk_level": "low"} for key in ("high_dlp", "imp_travel")}}
EXCEPTIONS = [{"id": OKTA, "user": None, "pattern": "svc-*@example.com", "group": None}]
DELIVERY: dict[str, Any] = {"jti": KAI, "state": "delivered", "reason": None, "queued_at": "x", "attempts": []}
REPLAY = {"id": OKTA, "status": "running", "replayed": 0, "total": 2, "created_at": "x"}


class StandIn(ThreadingHTTPServer):
    """Answers from a table.

    Attributes:
        results: by method and path below the account's prefix; a list of `Later` is answered one after another.
        requests: what came.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.results: dict[str, Any] = {}
        self.requests: list[str] = []


class Later(list[Any]):
    """Results for one request after another; the last one stays."""


class Refusal(dict[str, Any]):
    """An error in the place of a result."""


class Handler(BaseHTTPRequestHandler):
    """Answers from the table of the server."""

    server: StandIn

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = f"{self.command} {self.path.removeprefix(PREFIX)}"
        self.server.requests.append(asked)
        result = self.server.results.get(asked, Refusal(code=1001, message="not found"))
        if isinstance(result, Later):
            result = result.pop(0) if len(result) > 1 else result[0]
        failed = isinstance(result, Refusal)
        envelope = {"success": not failed, "errors": [result] if failed else [], "messages": [], "result": result}
        content = json.dumps({**envelope, "result_info": {"cursor": None}}).encode()
        self.send_response(400 if failed else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  these are the names that the library calls

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    """The service of the module."""
    made = StandIn()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def service(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The service, where nothing was asked for yet; no wait takes time."""
    server.requests.clear()
    server.results = {
        "GET /integrations": INTEGRATIONS,
        f"GET /integrations/{OKTA}/health": HEALTH,
        "GET /sources": SOURCES,
        "GET /users?email=kai%40example.com": USERS,
        "GET /users?email=kai": USERS,
        "GET /users?email=ana": [],
        f"GET /{KAI}": USER,
        "GET /behaviors": BEHAVIORS,
        "GET /exceptions?": EXCEPTIONS,
    }
    monkeypatch.setattr("riskrelay.cli.waiting._POLL_SECONDS", 0.0)
    monkeypatch.setenv("RISKRELAY_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("RISKRELAY_TOKEN", "token")
    monkeypatch.setenv("RISKRELAY_ACCOUNT", "acme")
    return server


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    ended = invoke(*arguments)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended.exit_code, ended.output


@pytest.mark.parametrize("given", ["okta-prod", OKTA, "182b", "182BD5E5"])
def test_an_integration_is_named_by_reference_id_or_id(service: StandIn, given: str) -> None:
    """Or by the beginning of its id. An id takes no other request."""
    code, output = run("integration", "health", given)
    assert (code, OKTA in output) == (0, True)
    assert service.requests[-1] == f"GET /integrations/{OKTA}/health"
    assert len(service.requests) == (1 if given == OKTA else 2)


def test_a_message_shows_the_name_that_was_typed(service: StandIn) -> None:
    """The request has the id."""
    service.results[f"DELETE /integrations/{OKTA}"] = {}
    assert run("integration", "delete", "okta-prod") == (0, "Integration okta-prod was deleted.\n")
    named = NamedId.of(OKTA, "okta-prod")
    assert text("{} {:>10}", named, named).plain == "okta-prod  okta-prod"
    assert named == OKTA


def test_an_ambiguous_name_lists_the_candidates(service: StandIn) -> None:
    """With their ids, one of which can be used instead."""
    code, output = run("source", "delete", "okta")
    assert code == 1
    assert "okta is the name of 2 sources; use an id" in output
    assert f"{OKTA}  Okta, okta_system_log" in output
    assert f"{OTHER}  Okta, custom" in output
    code, output = run("integration", "delete", "OKTA-PROD")
    assert (code, output.count("kta-")) == (1, 2)
    assert not [asked for asked in service.requests if asked.startswith("DELETE")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["integration", "health", "okta-prd"], ["integration okta-prd not found", "Did you mean", "okta-prod"]),
        (["integration", "health", "zzz"], ["integration zzz not found", "riskrelay integration list"]),
        (["source", "show", "Oktar"], ["Did you mean Okta?"]),
        (["exception", "delete", "svc@example.com"], ["Did you mean svc-*@example.com?"]),
        (["behavior", "set", "high_dpl", "--on"], ["unknown behavior high_dpl", "Did you mean high_dlp?"]),
        (["user", "show", "ana"], ["user ana not found", "riskrelay user list"]),
        (["user", "show", "kai"], ["no user has the e-mail address kai", "kai@example.com", "kai@example.co"]),
    ],
)
def test_an_unknown_name_is_explained(service: StandIn, arguments: list[str], said: list[str]) -> None:
    """With names that are spelled nearly like it, and the command that lists all. A part of an address picks nobody."""
    code, output = run(*arguments)
    assert code == 1
    assert [part for part in said if part not in output] == []


def test_a_user_is_named_by_e_mail(service: StandIn) -> None:
    """Whatever the letter case; another address that is longer or shorter is another user."""
    service.results["GET /users?email=Kai%40Example.com"] = USERS
    for given in ("kai@example.com", "Kai@Example.com"):
        code, output = run("user", "show", given)
        assert (code, "high" in output) == (0, True)
        assert service.requests[-1] == f"GET /{KAI}"


def test_a_misspelled_behavior_of_a_finding_is_explained(service: StandIn) -> None:
    """In words of the command line."""
    message = "behavior: send the id of a behavior from GET …/behaviors"
    service.results["POST /findings"] = Refusal(code=1106, message=message, source={"pointer": "/behavior"})
    code, output = run("finding", "send", "imp_travl", "kai@example.com")
    assert code == 1
    assert "that `riskrelay behavior list` shows" in output
    assert "Did you mean imp_travel?" in output
    assert "GET" not in output


def test_a_misspelled_kind_of_a_source_is_explained(service: StandIn) -> None:
    """With the kinds that are spelled nearly like it."""
    service.results["POST /sources"] = Refusal(code=1103, message="x", source={"pointer": "/kind"})
    service.results["GET /sources/kinds"] = [{"kind": "okta_system_log"}, {"kind": "custom"}]
    code, output = run("source", "create", "okta_systemlog")
    assert (code, "Did you mean okta_system_log?" in output) == (1, True)


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("paused", 1), ("cancelled", 1)])
def test_a_replay_is_waited_for(service: StandIn, status: str, code: int) -> None:
    """The exit code says whether it completed; the answer has the last state."""
    service.results[f"POST /integrations/{OKTA}/deliveries/replay"] = {"count": 2, "sample": [], "replay": REPLAY}
    ended = {**REPLAY, "status": status, "replayed": 2}
    service.results[f"GET /integrations/{OKTA}/replays"] = Later([[REPLAY], [REPLAY], [ended]])
    found, output = run("delivery", "replay", "okta-prod", "--state", "dead", "--wait")
    assert (found, f"Replay {OKTA} is {status}." in output) == (code, True)


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("cancelled", 1)])
def test_a_bulk_reset_is_waited_for(service: StandIn, status: str, code: int) -> None:
    """The exit code says whether it completed."""
    row = {"id": OKTA, "status": "running", "users_reset": 1, "users_skipped": 0, "total": 2}
    service.results["POST /resets"] = {"count": 2, "sample": [], "reset": row}
    service.results[f"GET /resets/{OKTA}"] = Later([row, {**row, "status": status}])
    found, output = run("user", "reset", "--level", "high", "--yes", "--wait")
    assert (found, f"is {status}. Users reset: 1, skipped: 0." in output) == (code, True)


def test_an_erasure_is_waited_for(service: StandIn) -> None:
    """Until a repeat of the request finds no user."""
    service.results[f"DELETE /{KAI}"] = Later([{"status": "running"}, {"status": "running"}, {"status": "completed"}])
    assert run("user", "erase", "kai@example.com", "--yes", "--wait")[1].endswith("User kai@example.com was erased.\n")


@pytest.mark.parametrize(("state", "code"), [("delivered", 0), ("dead", 1), ("expired", 1)])
def test_a_test_event_is_waited_for(service: StandIn, state: str, code: int) -> None:
    """The exit code says whether the receiver accepted it."""
    service.results[f"POST /integrations/{OKTA}/verify"] = {"deliveries": [{"jti": KAI, "stream_id": OKTA}]}
    service.results[f"GET /integrations/{OKTA}/deliveries/{KAI}"] = Later(
        [{**DELIVERY, "state": "pending"}, {**DELIVERY, "state": state}]
    )
    found, output = run("integration", "verify", "okta-prod", "--wait")
    assert (found, f"{state}. Details: riskrelay delivery show okta-prod {KAI}" in output) == (code, True)


def test_a_test_event_without_a_stream_is_no_success(service: StandIn) -> None:
    """Nothing was sent."""
    service.results[f"POST /integrations/{OKTA}/verify"] = {"deliveries": []}
    assert run("integration", "verify", "okta-prod", "--wait")[0] == 1


def test_shells_complete_names_of_the_account(service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that begin as typed."""
    monkeypatch.setattr("riskrelay.cli.completing._SECONDS", 30.0)  # a machine that is busy with other tests
    row = {"integration_type": "Okta", "tenant_url": "x", "well_known_url": "x", "active": True}
    times = {"created_at": "2026-03-17T08:00:00Z", "account_tag": "acme"}
    service.results["GET /integrations"] = [{**one, **row, **times} for one in INTEGRATIONS]
    service.results["GET /behaviors"] = {
        "behaviors": {name: {"name": "x", "description": "", **one} for name, one in BEHAVIORS["behaviors"].items()}
    }
    ctx = typer.Context(COMMANDS)
    ctx.params["account"] = "acme"
    assert complete_integration(ctx, "okta") == ["okta-prod"]
    assert complete_behavior(ctx, "") == ["high_dlp", "imp_travel"]
    for path, typed, expected in (
        ("integration health", "okta", ["okta-prod"]),
        ("behavior set", "imp", ["imp_travel"]),
        ("delivery list", "", ["okta-prod", "Okta-Prod"]),
    ):
        group, name = path.split()
        argument = cast(TyperGroup, COMMANDS.commands[group]).commands[name].params[0]
        assert [one.value for one in argument.shell_complete(ctx, typed)] == expected


def test_completion_is_silent_without_a_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a token, too."""
    ctx = typer.Context(COMMANDS)
    monkeypatch.setenv("RISKRELAY_URL", "http://127.0.0.1:1")
    for token in ("", "token"):
        monkeypatch.setenv("RISKRELAY_TOKEN", token)
        assert complete_integration(ctx, "") == []
    assert capsys.readouterr() == ("", "")


def test_the_help_of_an_import_shows_the_format_of_a_line() -> None:
    """As it stands in a file."""
    shown = invoke("finding", "import", "--help", env={"COLUMNS": "80"}).output
    assert '  {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}\n' in shown
