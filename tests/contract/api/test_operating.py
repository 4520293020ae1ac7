"""Operating delivery over HTTP and as commands, against a running service and a real receiver."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from riskrelay.core.integrations import AccountId
from support.service import Oracle, Service, running
from support.waiting import until

NOWHERE = "http://127.0.0.1:9"  # nobody listens there


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module's own: its counters are read."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


def stream_of(service: Service, own: str) -> dict[str, Any]:
    """The health of an integration's only stream; its ledger balances."""
    (stream,) = service.result("GET", f"{own}/health")["streams"]
    counts = dict(stream["ledger"])
    assert counts.pop("queued") == sum(counts.values())
    found: dict[str, Any] = stream
    return found


def made(service: Service, tenant_url: str, *users: str) -> str:
    """An integration with one level change of each user.

    Returns: its path.
    """
    service.enable_behaviors()
    own = f"/integrations/{service.create_integration(tenant_url)['id']}"
    findings = [{"behavior": "high_dlp", "user": {"email": f"{user}@example.com"}} for user in users]
    if findings:
        service.result("POST", "/findings", findings)
    return own


def jtis(oracle: Oracle) -> list[str]:
    """What it was sent, in order."""
    payloads = [request["token"].split(".")[1] for request in oracle.requests()]
    return [json.loads(base64.urlsafe_b64decode(payload + "=="))["jti"] for payload in payloads]


def test_dead_letters_go_out_again_with_their_jti(service: Service, oracle: Oracle) -> None:
    """Refused ones are counted and shown first, then replayed to the mended address; one of them by hand."""
    own = made(service, f"{oracle.url}/reject", "ana", "ben", "kai")
    until(lambda: stream_of(service, own)["ledger"]["dead"] == 3)
    refused = jtis(oracle)
    service.result("PUT", own, {"active": None, "tenant_url": oracle.url})
    wanted = {"filter": {"state": "dead", "reason": "invalid_request"}}
    looked = service.result("POST", f"{own}/deliveries/replay", {**wanted, "dry_run": True})
    assert (looked["count"], looked["replay"]) == (3, None)
    assert {delivery["jti"] for delivery in looked["sample"]} == set(refused)
    service.result("POST", f"{own}/deliveries/{refused[0]}/retry")
    until(lambda: stream_of(service, own)["ledger"]["delivered"] == 1)
    replay = service.result("POST", f"{own}/deliveries/replay", wanted)["replay"]
    assert replay["total"] == 2
    until(lambda: service.result("GET", f"{own}/replays")[0]["status"] == "completed")
    until(lambda: stream_of(service, own)["ledger"]["delivered"] == 3)
    assert sorted(jtis(oracle)) == sorted(refused * 2)
    shown = service.result("GET", f"{own}/deliveries/{refused[0]}")
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["rejected", "accepted"]


def test_a_pause_keeps_the_backlog_and_an_update_does_not_end_it(service: Service, oracle: Oracle) -> None:
    """Queued while paused, sent after the resume; health says who, since when and what to do."""
    own = made(service, oracle.url)
    paused = service.result("POST", f"{own}/pause", {"reason": "maintenance"})
    assert paused["paused"]["reason"] == "maintenance"
    service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": "kai@example.com"}})
    service.result("PUT", own, {"active": True, "tenant_url": oracle.url})
    stream = stream_of(service, own)
    assert (stream["condition"], stream["ledger"]["pending"]) == ("paused", 1)
    assert stream["why"].startswith("Paused by an operator since ")
    assert "resume the integration" in stream["next"]
    assert oracle.requests() == []
    assert service.result("POST", f"{own}/resume")["paused"] is None
    until(lambda: stream_of(service, own)["ledger"]["delivered"] == 1)
    assert stream_of(service, own)["condition"] == "healthy"


def test_health_tells_of_a_dead_receiver_and_a_resume_tries_at_once(service: Service) -> None:
    """Failing, with the reason, the count and the time of the next attempt."""
    own = made(service, NOWHERE, "kai")
    until(lambda: stream_of(service, own)["failures_in_a_row"] >= 2)
    stream = stream_of(service, own)
    assert stream["condition"] == "failing"
    assert stream["last_attempt"]["outcome"] == "transient"
    assert stream["oldest_pending_seconds"] > 0
    before = len(service.result("GET", f"{own}/deliveries")[0]["attempts"])
    service.result("POST", f"{own}/resume")
    until(lambda: len(service.result("GET", f"{own}/deliveries")[0]["attempts"]) > before)
    (listed,) = service.result("GET", "/health")
    assert [one["stream_id"] for one in listed["streams"]] == [stream["stream_id"]]


def test_a_verification_shows_whether_an_okta_org_answers(service: Service, oracle: Oracle) -> None:
    """Its delivery can be watched by its jti; nobody's level is in it."""
    own = made(service, oracle.url)
    (sent,) = service.result("POST", f"{own}/verify")["deliveries"]
    until(lambda: service.result("GET", f"{own}/deliveries/{sent['jti']}")["state"] == "delivered")
    assert jtis(oracle) == [sent["jti"]]
    assert service.result("GET", "/summary")["users"] == []


def test_limits_are_kept_until_they_are_lifted(service: Service) -> None:
    """Health shows them; null lifts; nonsense is refused at its place."""
    own = made(service, NOWHERE)
    limits = {"pushes_per_second": 20, "concurrency": 4, "coalesce_level_changes": True}
    assert service.result("PUT", f"{own}/limits", limits)["limits"] == limits
    none = {"pushes_per_second": None, "concurrency": None}
    assert service.result("PUT", f"{own}/limits", none)["limits"] == {**none, "coalesce_level_changes": False}
    status, envelope = service.call("PUT", f"{own}/limits", {"pushes_per_second": 0})
    assert status == 400
    assert {error["source"]["pointer"] for error in envelope["errors"]} == {"/pushes_per_second", "/concurrency"}


def test_a_replay_of_listed_users_sends_only_their_deliveries(service: Service, oracle: Oracle) -> None:
    """By the API and by the command. A token without pii-read must not learn which users have deliveries."""
    own = made(service, f"{oracle.url}/reject", "ana", "ben", "kai")
    until(lambda: stream_of(service, own)["ledger"]["dead"] == 3)
    service.result("PUT", own, {"active": None, "tenant_url": oracle.url})
    wanted = {"filter": {"state": "dead", "users": ["Ana@example.com"]}}
    writer = {"Authorization": f"Bearer {service.new_token(AccountId(service.account_id), Scope.WRITE)}"}
    assert service.call("POST", f"{own}/deliveries/replay", wanted, **writer)[0] == 403
    replay = service.result("POST", f"{own}/deliveries/replay", wanted)["replay"]
    assert (replay["total"], replay["filter"]["listed_users"]) == (1, 1)
    until(lambda: stream_of(service, own)["ledger"]["delivered"] == 1)
    command = ("delivery", "replay", own.removeprefix("/integrations/"), "--state", "dead", "--wait", "--json")
    users = ("--user", "ben@example.com", "--user", "nobody@example.com")
    answer = json.loads(service.command(*command, *users, "--account", service.account_id).stdout)
    assert (answer["count"], answer["replay"]["status"]) == (1, "completed")
    until(lambda: stream_of(service, own)["ledger"]["delivered"] == 2)
    assert stream_of(service, own)["ledger"]["dead"] == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"filter": {"state": "pending"}}, "/filter/state"),
        ({"filter": {"state": "delivered"}}, "/filter/queued_from"),
        ({"filter": {}}, "/filter/state"),
        ({}, "/filter"),
        ({"filter": {"state": "dead", "queued_to": "yesterday"}}, "/filter/queued_to"),
        ({"filter": {"state": "dead", "users": []}}, "/filter/users"),
        ({"filter": {"state": "dead", "users": ["kai@example.com", "kai"]}}, "/filter/users/1"),
    ],
)
def test_a_replay_that_makes_no_sense_is_refused(service: Service, body: dict[str, Any], place: str) -> None:
    """With the place of the mistake; nothing is started."""
    own = made(service, NOWHERE)
    status, envelope = service.call("POST", f"{own}/deliveries/replay", body)
    assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, place)
    assert service.result("GET", f"{own}/replays") == []


def test_commands_do_the_same(service: Service, oracle: Oracle) -> None:
    """Each with --json, as programs read it."""

    def command(*words: str) -> Any:
        return json.loads(service.command(*words, "--account", service.account_id, "--json").stdout)

    own = made(service, oracle.url, "kai")
    integration_id = own.removeprefix("/integrations/")
    until(lambda: stream_of(service, own)["ledger"]["delivered"] == 1)
    (delivery,) = command("delivery", "list", integration_id, "--state", "delivered")
    assert command("delivery", "show", integration_id, delivery["jti"]) == delivery
    assert command("integration", "pause", integration_id, "--reason", "a look")["paused"]["reason"] == "a look"
    assert command("delivery", "retry", integration_id, delivery["jti"])["state"] == "pending"
    answer = command("delivery", "replay", integration_id, "--state", "delivered", "--from", "2026-01-01", "--dry-run")
    assert (answer["count"], answer["replay"]) == (0, None)
    started = command("delivery", "replay", integration_id, "--state", "dead")["replay"]
    for verb, status in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert command("replay", verb, integration_id, started["id"])["status"] == status
    assert command("integration", "resume", integration_id)["paused"] is None
    limited = command("integration", "limit", integration_id, "--concurrency", "2", "--coalesce")["limits"]
    assert (limited["concurrency"], limited["coalesce_level_changes"]) == (2, True)
    assert len(command("integration", "verify", integration_id)["deliveries"]) == 1
    assert [row["integration_id"] for row in command("integration", "health")] == [integration_id]
    (user,) = command("user", "list")
    assert command("user", "show", user["user_id"])["risk_level"] == "high"
    assert command("user", "reset", user["user_id"]) == {}
    assert command("behavior", "set", "high_dlp", "--off")["enabled"] is False
    assert command("behavior", "list")["high_dlp"]["enabled"] is False
    shown = service.command("integration", "health", "--account", service.account_id).stdout
    assert "healthy" in shown


def test_a_receiver_that_refuses_everything_is_rejecting_until_it_accepts(service: Service, oracle: Oracle) -> None:
    """Health, the command, the overview and the metrics say so; after the fix and the replay nothing does."""
    users = [f"user{number}" for number in range(12)]
    own = made(service, f"{oracle.url}/reject", *users)
    until(lambda: stream_of(service, own)["ledger"]["dead"] == 12)
    stream = stream_of(service, own)
    assert stream["condition"] == "rejecting"
    assert (
        stream["why"]
        == "The receiver rejected 12 of its last 12 events. Last response: malformed event (invalid_request)."
    )
    assert "replay the dead letters" in stream["next"]
    assert (
        "rejecting: The receiver rejected 12 of its last 12"
        in service.command("integration", "health", "--account", service.account_id).stdout
    )
    until(lambda: b"riskrelay_rejecting_streams 1.0" in service.get("/metrics"))
    service.result("PUT", own, {"active": None, "tenant_url": oracle.url})
    service.result("POST", f"{own}/deliveries/replay", {"filter": {"state": "dead"}})
    until(lambda: stream_of(service, own)["ledger"]["delivered"] == 12)
    assert stream_of(service, own)["condition"] == "healthy"
    until(lambda: b"riskrelay_rejecting_streams 0.0" in service.get("/metrics"))


def test_addresses_that_cannot_work_are_warned_of_and_accepted(service: Service) -> None:
    """The create is answered as ever, with no messages; health and the commands name what is wrong."""
    body = {"integration_type": "Okta", "tenant_url": "https://10.0.0.5/"}
    status, envelope = service.call("POST", "/integrations", body)
    assert (status, envelope["messages"]) == (200, [])
    own = f"/integrations/{envelope['result']['id']}"
    slash, address = service.result("GET", f"{own}/health")["warnings"]
    assert "ends with a slash" in slash
    assert "private or special address" in address
    said = service.command(
        "integration", "create", "https://acme.okta.com/oauth2", "--account", service.account_id
    ).stdout
    assert "Warning: The tenant URL has more than a host name" in " ".join(said.split())
