"""The faults that the product must survive: one row each, with what must still hold. Tests name them by number, with
`@pytest.mark.fault(N, …)`; docs/fault-report.md is made from both."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault.

    Attributes:
        holds: what must hold while it lasts and after it.
        in_ci: whether it is shown on every run of `make test`, in seconds; the others at the latest by `make faults`.
    """

    fault: str
    holds: str
    in_ci: bool = False


@dataclass(frozen=True, slots=True)
class MarkedTest:
    """A test that names rows.

    Attributes:
        long: it runs with `make faults` only.
    """

    name: str
    rows: tuple[int, ...]
    long: bool


ROWS = {
    1: FaultRow("kill before the commit", "nothing is stored; the repeat is accepted, once", True),
    2: FaultRow("kill after the commit, before the answer", "the repeat is answered as a duplicate", True),
    3: FaultRow("kill after the commit, before any wake-up", "delivered with no client action", True),
    4: FaultRow("kill after the claim", "delivered; the lane is free at the next start", True),
    5: FaultRow("kill in the middle of a request", "delivered; at most one extra copy of what was in flight", True),
    6: FaultRow("kill after the 202, before it is recorded", "one extra copy of what was in flight, same claims", True),
    7: FaultRow("kill after recording, before the cursor is flushed", "both or neither: no extra copy, no gap", True),
    8: FaultRow("kill between exception row and attempt row", "both or neither; the ledger balances", True),
    9: FaultRow("kill during a bulk replay", "it goes on where it was; nothing is lost or counted twice"),
    10: FaultRow("kill during a migration", "the old schema or the new one; the next try succeeds"),
    11: FaultRow("SIGTERM under load", "what is in flight ends and is settled: no duplicate", True),
    12: FaultRow("crash loop with 100,000 pending", "progress in each loop; memory bounded by what is in flight"),
    13: FaultRow(
        "database restarts, all connections cut", "503 with retry-after, no false 200, resumes by itself", True
    ),
    14: FaultRow("commit whose outcome is unknown", "never a false 200; the repeat is harmless"),
    15: FaultRow("connection pool exhausted", "503 with retry-after; resumes by itself"),
    16: FaultRow("deadlock, statement timeout", "run again, or 503; nothing half done"),
    17: FaultRow("a lower sequence number commits late", "the cursor never skips it", True),
    18: FaultRow("disk full, un-synced pages lost", "507 or 503, no corruption, resumes; every 200 survives"),
    19: FaultRow("a second process on the same SQLite file", "refuses to start, says why", True),
    20: FaultRow("worker frozen for a minute, then resumed", "its writes touch no row; no state goes back", True),
    21: FaultRow("worker cut off from the database", "stops by itself before its lease ends"),
    22: FaultRow("clock jumps an hour, both ways", "leases and waits neither stampede nor freeze"),
    23: FaultRow("1 to 8 to 1 workers; rolling upgrade", "no loss; no duplicate on a planned move"),
    24: FaultRow("5 % of receivers slow, 5 % dead", "healthy receivers' p99 within 10 % of before", True),
    25: FaultRow(
        "black holes, slow loris, endless bodies, bombs", "one total deadline; at most 64 KiB read; flat", True
    ),
    26: FaultRow("Retry-After in every form", "no request before the time, at most 24 h; others untouched", True),
    27: FaultRow("receiver dead for three days, then back", "one probe in 15 min; whole backlog in order", True),
    28: FaultRow("2xx with a broken body; 3xx; 1xx; not HTTP", "2xx is delivered; 3xx is never followed", True),
    29: FaultRow("400 with an err; 401, 403; 410", "dead letter · paused, backlog kept · disabled", True),
    30: FaultRow("targets at forbidden addresses, rebinding", "blocked; the address checked is the one dialled", True),
    31: FaultRow("TLS expired, wrong host, unknown CA, old, stalled", "fails closed, with the precise reason"),
    32: FaultRow("resolver down for everyone", "counted as ours; the event loop is not blocked"),
    33: FaultRow("key rotation; key store unreadable; other master key", "every SET verifies; nothing unsigned", True),
    34: FaultRow("integration edited, disabled, deleted in an attempt", "old or new, never a mix; backlog kept", True),
    35: FaultRow("same finding 100 times; same id, other body or account", "one; 400; independent", True),
    36: FaultRow("one account floods", "429 for the flooder; others' p99 held"),
    37: FaultRow("100,000 events behind one failing subject", "only what is behind it waits; the alert names it"),
    38: FaultRow(
        "polls: acks twice, unknown, foreign; two pollers", "at least once; nothing crosses; settled once", True
    ),
    39: FaultRow("HTML, ANSI, CRLF, NUL, bad UTF-8 in answers", "stored and shown escaped"),
    40: FaultRow("metrics or log sink down", "delivery untouched"),
    41: FaultRow(
        "3,000 silent, slow or polling connections; half bodies; HTTP/2",
        "others' p99 within 2 x; memory bounded; /healthz answers",
        True,
    ),
    42: FaultRow("SIGTERM while clients stall", "ends within the drain time; nothing lost, nothing twice", True),
    43: FaultRow(
        "outcomes cannot be written: disk full, database read-only",
        "nothing is pushed again, or anew, before a write works; settled when it does",
        True,
    ),
    44: FaultRow(
        "the clock is put an hour back, or 20 days ahead and back",
        "no wait longer than it may be; nothing expires by it; a resume works",
        True,
    ),
    45: FaultRow(
        "a receiver that refuses every event; 400 authentication_failed",
        "rejecting until it accepts again · paused, backlog kept",
        True,
    ),
    46: FaultRow(
        "migrate behind a lock; old WAL; missing key; LATIN1",
        "nodes go on; refused or repaired with a sentence that says what to do",
        True,
    ),
    47: FaultRow("bodies made to cost: JSON, faults, details, lines", "linear time; memory and answer bounded", True),
    48: FaultRow("kill during a source's batch, or a bulk reset", "whole or not at all; the six checks hold", True),
    52: FaultRow("kill during an erasure", "it goes on; nothing about the user is sent; the six checks hold", True),
}


def marked_tests() -> list[MarkedTest]:
    """Every test function that names rows, as the files say, in order of file and line."""
    sources = {path: path.read_text() for path in sorted(TESTS.rglob("test_*.py"))}
    return [
        MarkedTest(f"{path.relative_to(TESTS)}::{function.name}", rows, long)
        for path, source in sources.items()
        if "mark.fault(" in source
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for rows, long in _fault_marks(function)
    ]


def shown_by_row(tests: list[MarkedTest]) -> dict[int, list[MarkedTest]]:
    """Who names each row that is named."""
    found = defaultdict(list)
    for test in tests:
        for row in test.rows:
            found[row].append(test)
    return dict(found)


def _fault_marks(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[tuple[int, ...], bool]]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault":
            rows = tuple(ast.literal_eval(argument) for argument in decorator.args)
            long = any(keyword.arg == "long" and ast.literal_eval(keyword.value) for keyword in decorator.keywords)
            yield rows, long
