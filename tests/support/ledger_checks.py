"""The six checks that every fault test ends with, as one function: `check_ledger`.

C1 conservation: per stream `queued = delivered + pending + dead + expired + cancelled + erased + superseded`, by rows,
counters and /metrics.
C2 every finding answered with 200 is stored once, and each change it caused is one event on every stream, unless its
user was erased.
C3 what is delivered was seen, its signature valid, its claims the same each time.
C4 no more extra copies than the fault allows.  C5 per stream and subject, first receipts are in order.
C6 nobody connected to a forbidden address.

Where nobody receives, C3 says that nothing may be delivered, and C4 and C5 say nothing. The marker of the fault tests
(`support.fault_plugin`) sees to it that no test of a running service leaves them out.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import jwt

from support.canary import Canary
from support.ledger_rows import LedgerRows, read_rows
from support.service import Service
from support.unchecked import UNCHECKED
from support.waiting import until

STATES = ("queued", "delivered", "pending", "dead", "expired", "cancelled", "erased", "superseded")


def ledger(service: Service) -> dict[str, int]:
    """The ledger that /metrics shows, over all streams, with the imbalance."""
    text = service.get("/metrics").decode()
    shown = dict(re.findall(r'^riskrelay_ledger_events\{state="(\w+)"\} (\S+)$', text, re.MULTILINE))
    found = re.search(r"^riskrelay_ledger_imbalance (\S+)$", text, re.MULTILINE)
    assert found is not None
    return {**{state: int(float(shown[state])) for state in STATES}, "imbalance": int(float(found[1]))}


def wait_until_quiet(service: Service, seconds: float = 60) -> dict[str, int]:
    """Wait until nothing is pending. A service that was restarted may not answer yet; one that ended never does."""

    def is_quiet() -> bool:
        try:
            return not ledger(service)["pending"]
        except ConnectionError:
            return False

    until(is_quiet, seconds, lambda: f"still pending: {ledger(service)}")
    return ledger(service)


@dataclass
class Responses:
    """The results that clients received with a 200.

    Attributes:
        findings: the ids of accepted findings.
        changes: whose level moved from where to where.
    """

    findings: set[str] = field(default_factory=set)
    changes: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, finding_id: str, result: Mapping[str, Any]) -> None:
        """Remember an answer to a finding."""
        self.findings.add(finding_id)
        for change in result["changes"]:
            self.changes.append((change["email"], change["previous_level"] or "none", change["current_level"]))


class Receiver(Protocol):
    """Whoever writes down what was sent to it."""

    def requests(self) -> Sequence[Mapping[str, Any]]:
        """Everything so far, in order: the `token`, the `url` it was sent to, and whether it was `accepted`: answered
        with 2xx. What was not may come again, and is no copy."""


@dataclass(frozen=True, slots=True)
class Received:
    """One SET that was received, its signature verified.

    Attributes:
        claims: all of them.
        accepted: as in `Receiver.requests`.
        stored_jti: as the ledger has it: of an erased user's event a digest; None: not looked up.
    """

    claims: Mapping[str, Any]
    accepted: bool
    stored_jti: str | None = None

    @property
    def jti(self) -> str:
        found: str = self.stored_jti or self.claims["jti"]
        return found


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks counted: events by state, over all streams, and extra copies."""

    states: Counter[str]
    copies: int


def check_ledger(
    service: Service,
    receiver: Receiver | None,
    responses: Responses,
    *,
    at_most_copies: int,
    canaries: Sequence[Canary] = (),
) -> Checked:
    """Check all six once the service is idle. The service runs; the receiver may have stopped. The responses and copies
    are those of the service's account, all else is checked for every account.

    Args:
        receiver: None: nobody receives anything.
        at_most_copies: how many receipts more than delivered events the fault allows.
        canaries: listeners at addresses that nobody may be pushed to.
    """
    url = service.settings["RISKRELAY_DATABASE_URL"]
    seen = [] if receiver is None else received_sets(service, receiver)
    checked = check_rows(read_rows(url), ledger(service), seen, service.account_id, responses, at_most_copies)
    nothing_forbidden(canaries)
    UNCHECKED.discard(url)
    return checked


def check_rows(
    rows: LedgerRows,
    shown: Mapping[str, int],
    seen: Sequence[Received],
    account_id: str,
    responses: Responses,
    at_most_copies: int,
) -> Checked:
    """C1 to C5, wherever the ledger is; `check_ledger` says what goes in.

    Args:
        shown: the ledger that the product shows.
    """
    stored = rows.stored_jtis([one.claims["jti"] for one in seen])
    seen = [replace(one, stored_jti=stored[one.claims["jti"]]) for one in seen]
    conservation(rows, shown)
    findings_and_changes(rows, account_id, responses)
    receipts(rows, seen)
    copies = rows.copies(account_id, [one.jti for one in seen if one.accepted])
    few_copies(copies, at_most_copies)
    order(rows, [one.jti for one in seen])
    return Checked(rows.total, copies)


def conservation(rows: LedgerRows, shown: Mapping[str, int]) -> None:
    """C1, by what the rows say, what the settlements counted and what /metrics shows."""
    for (stream, lane), last in rows.numbered.items():
        numbers = [event.seq for event in rows.events if (event.stream_id, event.lane) == (stream, lane)]
        assert numbers == list(range(1, last + 1)), f"C1: numbers of {stream}"
    for stream, states in rows.states.items():
        assert rows.delivered[stream] == states["delivered"], f"C1: delivered of {stream}: {states}"
    counted = {"queued": len(rows.events), **{state: rows.total[state] for state in STATES[1:]}, "imbalance": 0}
    assert shown == counted, f"C1: {shown}"


def findings_and_changes(rows: LedgerRows, account_id: str, responses: Responses) -> None:
    """C2."""
    assert all(rows.findings[account_id, finding_id] == 1 for finding_id in responses.findings), "C2: findings"
    for stream in rows.streams_of(account_id):
        events = [event for event in rows.events if event.stream_id == stream and event.change]
        expected = (
            responses.changes
            if not any(event.is_caep for event in events)
            else [caep(one) for one in responses.changes]
        )
        missing = Counter(expected) - Counter(event.change for event in events if event.change)
        assert not missing, f"C2: changes on {stream}: {missing}"


def caep(change: tuple[str, str, str]) -> tuple[str, str, str]:
    """A change in the words of CAEP, where a user without a level has LOW."""
    email, *levels = change
    previous, current = ("LOW" if level == "none" else level.upper() for level in levels)
    return email, previous, current


def receipts(rows: LedgerRows, seen: Sequence[Received]) -> None:
    """C3. The signatures are verified already. The audience changes when the integration is edited."""
    claims: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in seen:
        assert claims.setdefault((one.jti, one.claims["aud"]), one.claims) == one.claims, f"C3: claims of {one.jti}"
    events = {event.jti: event for event in rows.events}
    delivered = {jti for jti, event in events.items() if event.state == "delivered"}
    assert delivered <= {one.jti for one in seen if one.accepted}, "C3: delivered, unseen"
    for (jti, _), said in claims.items():
        if events[jti].is_erased:
            continue
        stored = events[jti].sent_claims
        assert {name: said[name] for name in stored} == stored, f"C3: what was sent as {jti}"


def few_copies(copies: int, at_most: int) -> None:
    """C4."""
    assert copies <= at_most, f"C4: {copies} copies"


def order(rows: LedgerRows, jtis: Iterable[str]) -> None:
    """C5: whatever an event of one subject says, it came after those queued before it."""
    events = {event.jti: event for event in rows.events}
    latest: dict[tuple[str, str], int] = {}
    for event in (events[jti] for jti in dict.fromkeys(jtis) if not events[jti].is_erased):
        key = (event.stream_id, event.subject_key)
        assert latest.get(key, 0) < event.seq, f"C5: {event.jti}"
        latest[key] = event.seq


def nothing_forbidden(canaries: Sequence[Canary]) -> None:
    """C6."""
    assert [canary.connections for canary in canaries] == [0] * len(canaries), "C6"


def received_sets(service: Service, receiver: Receiver) -> list[Received]:
    """All SETs that were received, in order, each verified by PyJWT against the served JWKS; each came to a URL of the
    audience that it names."""
    keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(service.get("/jwks.json"))["keys"]}
    received = []
    for request in receiver.requests():
        header = jwt.get_unverified_header(request["token"])
        assert header["typ"] == "secevent+jwt"
        key = keys[header["kid"]]
        claims = jwt.decode(
            request["token"],
            key,
            algorithms=[key.algorithm_name],
            options={"require": ["iss", "iat", "jti", "aud"], "verify_aud": False},
        )
        assert request["url"].startswith(claims["aud"])
        received.append(Received(claims, request["accepted"]))
    return received
