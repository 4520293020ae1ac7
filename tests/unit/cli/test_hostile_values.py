"""Every command that shows what a service answers, with hostile values in every member."""

import json
import re
import threading
from collections.abc import Iterator
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.command_line import COMMANDS, invoke

HOSTILE = "[/foo] [bold]\x1b[2J\x07\u202e\\[red] {0} {x} :smile:\r\n"
CONTROLS = ("\x1b", "\x07", "\u202e", "\r")
AT = "2026-03-17T12:00:00Z"

ATTEMPT = {"number": 1, "at": HOSTILE, "outcome": HOSTILE, "reason": HOSTILE, "phases": {HOSTILE: 1.5, "b": None}}
DELIVERY = {"jti": HOSTILE, "queued_at": HOSTILE, "state": HOSTILE, "reason": HOSTILE, "attempts": [ATTEMPT]}
REPLAY = {"id": HOSTILE, "status": HOSTILE, "replayed": 1, "total": 2, "created_at": HOSTILE}
INTEGRATION_NAMES = ("id", "integration_type", "reference_id", "tenant_url", "active", "well_known_url", HOSTILE)
INTEGRATION = dict.fromkeys(INTEGRATION_NAMES, HOSTILE) | {"warnings": [HOSTILE]}
STREAM = {"condition": HOSTILE, "why": HOSTILE, "next": HOSTILE, "ledger": {HOSTILE: 1}}
HEALTH = {
    "integration_id": HOSTILE,
    "streams": [STREAM],
    "warnings": [HOSTILE],
    "refused_requests": [{"message": HOSTILE}],
}
CREDENTIAL_NAMES = ("id", "kind", "name", "created_at", "expires_at", "client_id", "client_secret", HOSTILE)
CREDENTIAL = dict.fromkeys(CREDENTIAL_NAMES, HOSTILE) | {"scopes": [HOSTILE]}
CERTIFICATE = {"subject": HOSTILE, "not_after": HOSTILE, "fingerprint_sha256": HOSTILE}
BEHAVIOR = {"enabled": HOSTILE, "risk_level": HOSTILE, "name": HOSTILE}
FOUND = {"timestamp": HOSTILE, "name": HOSTILE, "risk_level": HOSTILE, "id": HOSTILE}
USER = {"email": HOSTILE, "name": HOSTILE, "risk_level": HOSTILE, "last_reset_time": HOSTILE, "events": [FOUND]}
CHANGE = {"email": HOSTILE, "previous_level": HOSTILE, "current_level": HOSTILE}
FINDINGS = {"accepted": 1, "ignored": 0, "duplicates": 0, "changes": [CHANGE]}
CHANNEL = {
    **dict.fromkeys(("id", "name", "target", "secret"), HOSTILE),
    "active": True,
    "conditions": [HOSTILE],
    "backlog_after_seconds": 60,
    "last_result": {"sent": False, "problem": HOSTILE},
}
BULK_RESET = {
    **dict.fromkeys(("id", "status", "created_at"), HOSTILE),
    "users_reset": 1,
    "users_skipped": 0,
    "total": 2,
}
LEVEL_CHANGE = {
    **dict.fromkeys(("changed_at", "previous_level", "current_level", "kind", "actor", "note", "reason"), HOSTILE),
    "findings": [FOUND],
    "notified": [dict.fromkeys(("state", "reference_id", "received_at", "status", "jti"), HOSTILE)],
    "more_notified": True,
}
ENTRY = {
    "note": HOSTILE,
    "at": AT,
    "verb": HOSTILE,
    "kind": HOSTILE,
    "thing_id": HOSTILE,
    "actor": {"name": HOSTILE, "address": HOSTILE},
}

SAMPLE_FILE = next((Path(__file__).parents[1] / "mapping" / "samples" / "okta_system_log").glob("*.json"))
LAST_DAY = {"findings": 1, "activity": 2, "duplicates": 0, "ignored": {HOSTILE: 3}, "refused": {}}
SOURCE_NAMES = ("id", "kind", "name", "state", "last_event_at", "events_url", HOSTILE)
SOURCE = {**dict.fromkeys(SOURCE_NAMES, HOSTILE), "last_day": LAST_DAY}
CREATED = {**SOURCE, "credential": {"secret": HOSTILE, "events_url": HOSTILE}, "next_step": HOSTILE}
SAMPLE = dict.fromkeys(("at", "became", "reason", "pointer", "message"), HOSTILE)
COUNTS = {"events": 1, "findings": 0, "activity": 0, "duplicates": 0, "level_changes": 0}
OUTCOME = {**COUNTS, "exempt": [], "ignored": [{"reason": HOSTILE, "count": 1}], "refused": []}
DETECTION = {"imp_travel": {"min_km": 1, HOSTILE: True}, "lateness_hours": 1}
EXCEPTION_NAMES = ("id", "user", "group", "pattern", "behavior", "effect", "level", "reason", "ends_at")
RULE = {
    "id": HOSTILE,
    "name": HOSTILE,
    "description": HOSTILE,
    "enabled": True,
    "within_seconds": 60,
    "when": HOSTILE,
    "level": HOSTILE,
    "session_revoked": True,
    "stopped": HOSTILE,
    "failures": {"count": HOSTILE, "last": HOSTILE, "last_at": HOSTILE},
    HOSTILE: HOSTILE,
}
RULE_TRIAL = {
    "holds": False,
    "failure": HOSTILE,
    "findings": [{"behavior": HOSTILE, "risk_level": HOSTILE, "timestamp": HOSTILE, "is_used": True}],
}
EXCEPTION = {**dict.fromkeys(EXCEPTION_NAMES, HOSTILE), "has_ended": True}
LEVELS = {
    "durations": {HOSTILE: {"expires_after_seconds": 1, "medium_seconds": 0, "low_seconds": 60}},
    "seconds_between_events": 0,
}
COUNTS_OF_LEVELS = dict.fromkeys(("high", "medium", "low", "none"), 1)
TRIED = {"different_users": 1, "examples": [dict.fromkeys(("email", "before", "after", "user_id"), HOSTILE)]}
SIDE = {"users": COUNTS_OF_LEVELS, "events": COUNTS_OF_LEVELS, "sessions_revoked": 1}
TRIAL = {
    "past": {**TRIED, "days": 30, "findings": 2, "before": SIDE, "after": SIDE},
    "now": {**TRIED, "before": COUNTS_OF_LEVELS, "after": COUNTS_OF_LEVELS},
    "left_out_rules": [HOSTILE],
}
NETWORKS = {"networks": [{"cidr": HOSTILE, "asn": 1, "name": HOSTILE}]}

CASES: dict[str, tuple[list[str], Any]] = {
    "audit list": ([], [ENTRY]),
    "integration create": (["https://a.example"], INTEGRATION),
    "integration list": ([], [INTEGRATION]),
    "integration get": ([HOSTILE], INTEGRATION),
    "integration update": ([HOSTILE, "https://a.example"], INTEGRATION),
    "integration settings": ([HOSTILE], {HOSTILE: HOSTILE}),
    "integration tls": ([HOSTILE], {"ca": [CERTIFICATE], "certificate": [CERTIFICATE]}),
    "integration delete": ([HOSTILE], {}),
    "integration health": ([], [HEALTH]),
    "integration pause": ([HOSTILE], HEALTH),
    "integration resume": ([HOSTILE], HEALTH),
    "integration limit": ([HOSTILE], HEALTH),
    "integration verify": ([HOSTILE], {"deliveries": [{"jti": HOSTILE}]}),
    "key list": ([], [{HOSTILE: HOSTILE, "kid": HOSTILE}]),
    "key rotate": ([], [{HOSTILE: HOSTILE, "kid": HOSTILE}]),
    "credential create": ([HOSTILE], CREDENTIAL),
    "credential list": ([HOSTILE], [CREDENTIAL]),
    "credential revoke": ([HOSTILE, HOSTILE], {}),
    "finding send": ([HOSTILE, HOSTILE], FINDINGS),
    "user list": ([], {"users": [{"user_id": HOSTILE, "name": HOSTILE, HOSTILE: HOSTILE}]}),
    "user show": ([HOSTILE], USER),
    "user reset": ([HOSTILE, "--reason", HOSTILE], {}),
    "reset list": ([], [BULK_RESET]),
    "reset pause": ([HOSTILE], BULK_RESET),
    "reset resume": ([HOSTILE], BULK_RESET),
    "reset cancel": ([HOSTILE], BULK_RESET),
    "user history": ([HOSTILE], [LEVEL_CHANGE]),
    "user erase": ([HOSTILE, "--yes"], {"status": HOSTILE}),
    "behavior list": ([], {"behaviors": {HOSTILE: BEHAVIOR}}),
    "behavior set": (["high_dlp"], {"behaviors": {"high_dlp": BEHAVIOR}}),
    "behavior add": (["vpn", "--name", "VPN"], {"id": HOSTILE, **BEHAVIOR}),
    "behavior retire": ([HOSTILE], {}),
    "source create": (["okta_system_log"], CREATED),
    "source list": ([], [SOURCE]),
    "source kinds": ([], [{"kind": HOSTILE, "gives": [HOSTILE], "description": HOSTILE}]),
    "source show": ([HOSTILE], SOURCE),
    "source update": ([HOSTILE], SOURCE),
    "source delete": ([HOSTILE], {}),
    "source rotate": ([HOSTILE], {"secret": HOSTILE}),
    "source send": ([HOSTILE, str(SAMPLE_FILE)], OUTCOME),
    "source samples": ([HOSTILE], [SAMPLE]),
    "source replay": ([HOSTILE], OUTCOME),
    "level try": ([], TRIAL),
    "rule list": ([], [RULE]),
    "rule show": ([HOSTILE], [RULE]),
    "rule add": ([HOSTILE, "--when", "true", "--level", "low"], RULE),
    "rule try": (["--when", "true", "--user", HOSTILE], RULE_TRIAL),
    "exception list": ([], [EXCEPTION]),
    "exception add": (["--service-account", "svc-*@example.com"], EXCEPTION),
    "exception set": ([HOSTILE, "--reason", HOSTILE], EXCEPTION),
    "exception end": ([HOSTILE], EXCEPTION),
    "exception delete": ([HOSTILE], {}),
    "directory list": ([], [{"name": HOSTILE, HOSTILE: HOSTILE}]),
    "directory lookup": ([HOSTILE], [{"email": HOSTILE}]),
    "directory missed": ([], [{"name": HOSTILE}]),
    "detection show": ([], DETECTION),
    "detection set": (["min_km=2"], DETECTION),
    "level show": ([], LEVELS),
    "level expire": ([HOSTILE, "--after", "7d"], LEVELS),
    "level keep": ([HOSTILE], LEVELS),
    "level between": (["10min"], LEVELS),
    "network list": ([], NETWORKS),
    "network add": (["203.0.113.0/24", "--name", "Office"], NETWORKS),
    "delivery list": ([HOSTILE], [DELIVERY]),
    "delivery show": ([HOSTILE, HOSTILE], DELIVERY),
    "delivery retry": ([HOSTILE, HOSTILE], DELIVERY),
    "delivery replay": ([HOSTILE, "--state", "dead"], {"sample": [DELIVERY], "count": 1, "replay": REPLAY}),
    "notification list": ([], [CHANNEL]),
    "notification add": ([HOSTILE, "--slack", HOSTILE], CHANNEL),
    "notification test": ([HOSTILE], {"sent": True, "problem": None}),
    "replay list": ([HOSTILE], [REPLAY]),
    "replay pause": ([HOSTILE, HOSTILE], REPLAY),
    "replay resume": ([HOSTILE, HOSTILE], REPLAY),
    "replay cancel": ([HOSTILE, HOSTILE], REPLAY),
}
NAMES = ("reference_id", "name", "kind", "user", "pattern", "group")
NAMED = {**dict.fromkeys(NAMES, HOSTILE), "id": HOSTILE, "user_id": HOSTILE, "email": HOSTILE}
"""What a name stands for."""

LISTS = {"integration list", "source list", "exception list", "reset list", "credential list", "replay list"} | {
    "notification list"
}
"""Commands that show the list in which names are looked up."""

ELSEWHERE = {
    "finding import",  # its output holds numbers only, and tests/contract/commands/test_importing.py runs it
    "directory import",
    "directory delete",
    "user export",  # its output is JSON
    "rule set",  # its output is that of rule add; the service answers a list first, then a rule
    "rule remove",  # its output repeats its argument only
    "notification set",  # its output is that of notification add; the service answers the stored channel first
    "notification remove",  # its output repeats its argument only
    "network remove",  # its output repeats its argument only
    "source mapping",  # its output is YAML, which escapes control characters in its own way
}
"""Commands that show nothing which a service or a user wrote, or another form of it."""


class Answering(ThreadingHTTPServer):
    """Answers every request with one envelope."""

    envelope: dict[str, Any]
    shown_list: str


class Handler(BaseHTTPRequestHandler):
    """Answers with the server's envelope."""

    server: Answering

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        nouns = "integrations|sources|exceptions|resets|credentials|replays|users|notification_channels"
        lists = re.search(rf"/({nouns})(\?.*)?$", self.path)
        is_lookup = self.command == "GET" and lists is not None and lists[1] != self.server.shown_list
        envelope = {**self.server.envelope, "result": [NAMED]} if is_lookup else self.server.envelope
        content = json.dumps(envelope).encode()
        self.send_response(200 if self.server.envelope["success"] else 400)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  these are the names that the library calls

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def service() -> Iterator[Answering]:
    """A service that answers whatever a test says."""
    server = Answering(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def run(service: Answering, command: str, arguments: list[str], envelope: dict[str, Any]) -> tuple[int, str]:
    service.envelope = envelope
    noun = command.split()[0].replace("notification", "notification_channel")
    service.shown_list = f"{noun}s" if command in LISTS else ""
    environment = {"RISKRELAY_URL": f"http://127.0.0.1:{service.server_port}", "RISKRELAY_TOKEN": "t", "COLUMNS": "400"}
    ended = invoke(*command.split(), "--account", "a", *arguments, env=environment)
    if "No such option: --account" in ended.output:
        ended = invoke(*command.split(), *arguments, env=environment)
    assert ended.exception is None or isinstance(ended.exception, SystemExit)
    return ended.exit_code, ended.output


@pytest.mark.parametrize("command", CASES)
def test_a_command_shows_hostile_values(service: Answering, command: str) -> None:
    """Exit code 0; each value is shown, as markup it was not read, and no control character reaches the terminal."""
    arguments, result = CASES[command]
    info = {"cursor": None}
    envelope = {"success": True, "errors": [], "messages": [HOSTILE], "result": result, "result_info": info}
    code, output = run(service, command, arguments, envelope)
    assert code == 0, output
    assert "[/foo] [bold]\\x1b[2J\\x07\\u202e\\[red] {0} {x} :smile:" in output
    assert [control for control in CONTROLS if control in output] == []
    assert "note: [/foo]" in output


def members(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each member of each object in *value*."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(value, dict):
            yield (*way, key)
        yield from members(inner, (*way, key))


@pytest.mark.parametrize("command", CASES)
def test_an_answer_that_lacks_a_member_is_explained(service: Answering, command: str) -> None:
    """A service of another version: the command does without the member, or ends with one sentence that names it."""
    arguments, result = CASES[command]
    info = {"cursor": None}
    explained = 0
    for way in members({"result": result, "result_info": info}):
        lacking = deepcopy({"result": result, "result_info": info})
        holder: Any = lacking
        for step in way[:-1]:
            holder = holder[step]
        del holder[way[-1]]
        code, output = run(service, command, arguments, {"success": True, "errors": [], "messages": [], **lacking})
        if code:
            explained += 1
            assert way == ("result",) or str(way[-1]) in output, output
    assert explained


@pytest.mark.parametrize("command", CASES)
def test_a_command_shows_a_hostile_refusal(service: Answering, command: str) -> None:
    """Exit code 1; every error is shown."""
    error = {"code": 1_001, "message": HOSTILE, "source": {"pointer": HOSTILE}}
    code, output = run(service, command, CASES[command][0], {"success": False, "errors": [error, error]})
    assert code == 1
    assert output.count("[/foo] [bold]\\x1b[2J") == 4
    assert [control for control in CONTROLS if control in output] == []


def test_every_command_that_calls_the_service_is_shown() -> None:
    """A new one needs a case above. Those that call the service have the option --timeout."""
    found = {
        f"{name} {child}"
        for name, group in COMMANDS.commands.items()
        for child, command in getattr(group, "commands", {}).items()
        if any("--timeout" in option.opts for option in command.params)
    }
    assert found == CASES.keys() | ELSEWHERE
