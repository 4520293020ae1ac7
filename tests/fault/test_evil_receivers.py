"""Receivers, names and answers that misbehave and come to their senses, end to end (rows 24 to 32, 39)."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from riskrelay.wiring.processes import CONCURRENCY
from support.canary import Canary
from support.certificates import Authority, new_authority
from support.clients import send_batch
from support.evil import MISDEEDS, Evil
from support.fault_plugin import AT_LENGTH
from support.hasty_service import HastyService
from support.ledger_checks import Responses, check_ledger, ledger
from support.waiting import until

DEADLINE = 2.0  # of a push, instead of 20 s
PROBES = 10  # more than a silent lane gets in the minutes that this takes
ROUNDS = 4 if AT_LENGTH else 2  # of pushes, after which memory and descriptors are what they were
READ_AT_MOST = 64 * 1024  # of an answer (faults.md 25)
FORBIDDEN = "127.0.0.2"  # of this machine, too, but not in RISKRELAY_ALLOW_TARGETS


@dataclass
class World:
    """A service, its receivers, and a listener that nobody may reach."""

    service: HastyService
    evil: Evil
    canary: Canary
    responses: Responses = field(default_factory=Responses)

    def account(self) -> None:
        """Go on in a fresh account whose behaviors are enabled."""
        self.responses = Responses()
        self.service.account_id = f"account-{uuid.uuid4()}"
        self.service.token = self.service.new_token(self.service.account_id)
        self.service.enable_behaviors()

    def integrations(self, urls: dict[str, str]) -> dict[str, str]:
        """One integration for each tenant URL, in a fresh account: their ids by the same names."""
        self.account()
        return {name: self.service.create_integration(url)["id"] for name, url in urls.items()}

    def change(self, *users: str) -> None:
        """One level change of each user."""
        responses = send_batch(self.service, [f"{user}@example.com" for user in users])
        self.responses.findings |= responses.findings
        self.responses.changes += responses.changes

    def outcomes(self, ids: dict[str, str]) -> dict[str, tuple[str, str]]:
        """Outcome and reason of each integration's first attempt, once it is there."""
        attempts = {name: self.service.first_attempt(integration_id) for name, integration_id in ids.items()}
        return {name: (attempt["outcome"], attempt["reason"]) for name, attempt in attempts.items()}

    def recover(self) -> None:
        """The receivers come to their senses, an address that was none of a receiver is corrected, and everything
        arrives that was not refused for good: nothing twice, nothing at an address that is forbidden."""
        self.evil.healed = True
        integrations = self.service.result("GET", "/integrations")
        for one in integrations:
            if not one["tenant_url"].startswith(self.evil.url("")):
                body = {"tenant_url": self.evil.url("202"), "active": True}
                self.service.result("PUT", f"/integrations/{one['id']}", body)
        for one in integrations:
            self.service.result("POST", f"/integrations/{one['id']}/resume")
        until(lambda: not ledger(self.service)["pending"])
        checked = check_ledger(self.service, self.evil, self.responses, at_most_copies=0, canaries=[self.canary])
        assert set(checked.states) <= {"delivered", "dead"}
        self.evil.healed = False


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("trusted"), "trusted")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[World]:
    """Shared by all tests."""
    canary = Canary()
    stranger = new_authority(tmp_path_factory.mktemp("stranger"), "stranger")
    service = HastyService(tmp_path_factory.mktemp("service"), authority, DEADLINE)
    service.start()
    with Evil(authority, stranger, f"http://{FORBIDDEN}:{canary.port}/") as evil:
        yield World(service, evil, canary)
    service.stop()
    canary.stop()


@pytest.mark.fault(25, 26, 28, 29, 45)
def test_each_misdeed_has_its_outcome(world: World) -> None:
    """One change is pushed to fifty receivers. Each attempt ends, stores its reason, and leads to the documented
    state."""
    ids = world.integrations({name: world.evil.url(name) for name in MISDEEDS})
    world.change("kai")
    assert world.outcomes(ids) == {name: (one.outcome, one.reason) for name, one in MISDEEDS.items()}
    for name, one in MISDEEDS.items():
        stream = world.service.stream(ids[name])
        state = {"accepted": "delivered", "rejected": "dead"}.get(one.outcome, "pending")
        assert stream["ledger"] == {**dict.fromkeys(stream["ledger"], 0), "queued": 1, state: 1}, name
    waits = {name: world.service.stream(ids[name])["next_attempt_in_seconds"] for name in MISDEEDS}
    for name, seconds in {
        "429-seconds": 7_200,
        "503-seconds": 7_200,
        "429-date": 86_400,
        "429-ten-years": 86_400,
    }.items():
        assert seconds - 60 <= waits[name] <= seconds, name
    stops = {"auth": "paused", "gone": "disabled"}
    expected = {name: stops[one.outcome] for name, one in MISDEEDS.items() if one.outcome in stops}
    assert {name: world.service.stream(ids[name])["condition"] for name in expected} == expected
    world.recover()


@pytest.mark.fault(25)
def test_memory_and_descriptors_are_flat(world: World) -> None:
    """The worst ones, again and again: after two rounds no push leaves a connection or another descriptor behind, and
    the memory grows by less than what the pushes have read: one that kept it would be found."""
    assert world.service.process is not None
    process = psutil.Process(world.service.process.pid)
    misdeeds = (
        "silent",
        "slow-head",
        "endless-chunks",
        "endless-body",
        "bomb",
        "megabyte-header",
        "1xx-for-ever",
        "ssh",
    )
    ids = world.integrations({f"{name} {copy}": world.evil.url(name) for name in misdeeds for copy in range(4)})
    world.change("kai")
    world.outcomes(ids)
    port = world.evil.ports["http"]

    def push_to_all(pushes: int) -> None:
        for integration_id in ids.values():
            world.service.result("POST", f"/integrations/{integration_id}/resume")
        until(lambda: all(len(world.service.attempts(one)) >= pushes for one in ids.values()))
        until(lambda: not [one for one in process.net_connections("tcp") if one.raddr and one.raddr.port == port])

    push_to_all(2)
    descriptors, memory = process.num_fds(), process.memory_info().rss
    for pushes in range(3, 3 + ROUNDS):
        push_to_all(pushes)
    until(lambda: process.num_fds() <= descriptors)
    assert process.memory_info().rss - memory < ROUNDS * len(ids) * READ_AT_MOST
    world.recover()


@pytest.mark.fault(25, 31)
def test_a_connection_that_does_not_come_about_says_why(world: World) -> None:
    """A SYN that nobody answers, a handshake that stalls, each wrong certificate: it fails closed, and says why."""
    ports = world.evil.ports
    urls = {reason: f"https://127.0.0.1:{port}/202" for reason, port in ports.items() if reason.startswith("tls_")}
    urls["accepted"] = f"https://127.0.0.1:{ports['accepted']}/202"
    urls["half-open"] = f"http://127.0.0.1:{ports['half-open']}"
    urls["stalled"] = f"https://127.0.0.1:{ports['half-open']}"
    urls["black-hole"] = f"https://127.0.0.1:{ports['black-hole']}"
    ids = world.integrations(urls)
    world.change("kai")
    reasons = {name: reason for name, (_, reason) in world.outcomes(ids).items()}
    assert reasons == {
        **{name: name for name in urls if name.startswith("tls_") or name == "accepted"},
        "half-open": "timeout",
        "stalled": "timeout_connect",
        "black-hole": "timeout_connect",
    }
    world.recover()


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    "host",
    [
        FORBIDDEN,
        "2130706434",
        "0x7f000002",
        "0177.0.0.2",
        "127.2",
        "[::1]",
        "[::ffff:127.0.0.2]",
        "[::127.0.0.2]",
        "[64:ff9b::7f00:2]",
        "[2002:7f00:2::]",
        "0.0.0.0",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "168.63.129.16",
        "100.100.100.200",
        "10.0.0.1",
        "private.example",
        "metadata.example",
        "mixed.example",
    ],
)
def test_no_form_of_a_forbidden_address_is_dialled(world: World, host: str) -> None:
    """Literals in every disguise, and names that lead there."""
    world.service.resolve(
        {
            "private.example": [FORBIDDEN],
            "metadata.example": ["169.254.169.254", "fd00:ec2::254"],
            "mixed.example": [FORBIDDEN, "::1", "::ffff:127.0.0.2"],
        }
    )
    ids = world.integrations({"it": f"http://{host}:{world.canary.port}"})
    world.change("kai")
    assert world.outcomes(ids) == {"it": ("transient", "blocked_address")}
    world.recover()


@pytest.mark.fault(30)
@pytest.mark.parametrize("authority_part", [f"{FORBIDDEN}@127.0.0.1", "127.0.0.1\\@127.0.0.2", "a:b@127.0.0.2"])
def test_tricks_with_user_names_are_refused(world: World, authority_part: str) -> None:
    """Such a tenant is not even stored."""
    world.account()
    body = {"integration_type": "Okta", "tenant_url": f"http://{authority_part}:{world.canary.port}"}
    assert world.service.call("POST", "/integrations", body)[0] == 400
    world.recover()


@pytest.mark.fault(30)
def test_a_name_that_moves_after_it_was_judged_is_judged_again(world: World) -> None:
    """It leads to an allowed address when it is stored and first dialled, to a forbidden one afterwards, and a third
    time back: what is dialled is what was judged, and redirects lead nowhere."""
    port = world.evil.ports["http"]
    world.service.resolve({"moving.example": ["127.0.0.1"]})
    ids = world.integrations({"it": f"http://moving.example:{port}/200", "away": world.evil.url("301")})
    world.change("kai")
    assert world.outcomes(ids) == {"it": ("accepted", "accepted"), "away": ("transient", "http_301")}
    world.service.resolve({"moving.example": [FORBIDDEN]})
    world.change("ana")
    until(lambda: len(world.service.attempts(ids["it"])) > 1)
    assert world.service.attempts(ids["it"])[1]["reason"] == "blocked_address"
    world.service.resolve({"moving.example": ["127.0.0.1"]})
    world.service.result("POST", f"/integrations/{ids['it']}/resume")
    until(lambda: world.service.stream(ids["it"])["ledger"]["delivered"] == 2)
    world.recover()


@pytest.mark.fault(32)
@pytest.mark.parametrize("how", ["down", "silent"])
def test_without_a_resolver_no_receiver_is_blamed(world: World, how: str) -> None:
    """Ours; the service answers and serves literal addresses meanwhile; once it is back everything arrives."""
    port = world.evil.ports["http"]
    names = [f"{how}-{number}.example" for number in range(10)]  # to which no connection is open
    world.service.resolve(dict.fromkeys(names, how))
    urls = {name: f"http://{name}:{port}/202" for name in names}
    ids = world.integrations({**urls, "literal": world.evil.url("202")})
    world.change("kai")
    until(lambda: world.service.stream(ids["literal"])["ledger"]["delivered"] == 1)
    assert world.service.get("/healthz")
    outcomes = world.outcomes({name: ids[name] for name in names})
    assert set(outcomes.values()) == {("ours", "resolver_unavailable")}
    world.service.resolve({name: ["127.0.0.1"] for name in names})
    for name in names:
        until(lambda: world.service.stream(ids[name])["ledger"]["delivered"] == 1)  # noqa: B023  ends here
    world.recover()


@pytest.mark.fault(39)
def test_hostile_answers_are_stored_and_shown_as_text(world: World) -> None:
    """In the API, the database, the log and on a terminal: no control character, no bad text."""
    names = ("hostile-body", "hostile-err", "hostile-header")
    ids = world.integrations({name: world.evil.url(name) for name in names})
    world.change("kai")
    world.outcomes(ids)
    for name in names:
        (delivery,) = world.service.result("GET", f"/integrations/{ids[name]}/deliveries")
        attempt: dict[str, Any] = delivery["attempts"][0]
        assert attempt["detail"].isprintable(), name
        named = ("--account", world.service.account_id, ids[name])
        shown = world.service.command("delivery", "show", *named, delivery["jti"]).stdout
        assert all(text.isprintable() for text in shown.splitlines()), name
    text = "<script>alert(1)</script>\ufffd[31mred"
    assert world.service.attempts(ids["hostile-body"])[0]["detail"].startswith(text)
    assert "\x1b[31m" not in world.service.log.read_text(errors="replace")
    world.recover()


@pytest.mark.fault(24)
def test_healthy_receivers_do_not_wait_for_others(world: World) -> None:
    """Their p99 is measured by `make bench` (docs/benchmarks.md, Crowd). Of twenty, one does not answer and one is
    dead: the others get everything all the same, and the silent one is given its own share of pushes once and then
    single probes."""
    users = [f"u{number}" for number in range(100)]
    urls = {f"healthy-{number}": world.evil.url("202") for number in range(18)}
    ids = world.integrations({**urls, "slow": world.evil.url("silent"), "dead": "http://127.0.0.1:9"})
    before = world.evil.counts["silent"]
    world.change(*users)
    for name in urls:
        until(lambda: world.service.stream(ids[name])["ledger"]["delivered"] == 100)  # noqa: B023  ends here
    assert world.service.stream(ids["slow"])["ledger"]["pending"] == 100
    assert 0 < world.evil.counts["silent"] - before <= CONCURRENCY + PROBES
    assert world.service.stream(ids["dead"])["ledger"]["pending"] == 100
    world.recover()
