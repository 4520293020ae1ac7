"""The checks that every fault test ends with (faults.md C1 to C3 and C5)."""

import asyncio
import json
import re
import sqlite3
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import jwt

from support.service import Oracle, Service

STATES = ("queued", "delivered", "pending", "dead", "expired", "cancelled")


def ledger(service: Service) -> dict[str, int]:
    """The ledger that /metrics shows, summed over the streams, with the imbalance."""
    text = service.get("/metrics").decode()
    counts = dict.fromkeys(STATES, 0)
    for state, count in re.findall(r'^riskrelay_ledger_events\{.*state="(\w+)".*\} (\S+)$', text, re.MULTILINE):
        counts[state] += int(float(count))
    found = re.search(r"^riskrelay_ledger_imbalance (\S+)$", text, re.MULTILINE)
    assert found is not None
    return {**counts, "imbalance": int(float(found[1]))}


def wait_until_quiet(service: Service, seconds: float = 60) -> dict[str, int]:
    """Wait until nothing is pending."""
    deadline = time.monotonic() + seconds
    while (counts := ledger(service))["pending"]:
        assert time.monotonic() < deadline, f"still pending: {counts}"
        time.sleep(0.05)
    return counts


def verified_sets(service: Service, oracle: Oracle) -> list[dict[str, Any]]:
    """The claims of all SETs that the oracle saw, in order, each verified by PyJWT against the served JWKS."""
    keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(service.get("/jwks.json"))["keys"]}
    verified = []
    for request in oracle.requests():
        header = jwt.get_unverified_header(request["token"])
        assert header["typ"] == "secevent+jwt"
        claims = jwt.decode(
            request["token"],
            keys[header["kid"]],
            algorithms=["RS256"],
            audience=oracle.url,
            options={"require": ["iss", "iat", "jti", "aud"]},
        )
        verified.append({**claims, "received_at": request["received_at"]})
    return verified


def check_conservation(service: Service) -> dict[str, int]:
    """C1: the ledger balances, by /metrics and by the rows."""
    counts = ledger(service)
    assert counts["imbalance"] == 0, counts
    assert counts["queued"] == sum(counts[state] for state in STATES[1:]), counts
    return counts


def check_findings(database: Path | str, answered: dict[str, Any], changes: int) -> None:
    """C2: every finding that was answered with 200 is stored once, and the events of all changes are in the log.

    Args:
        database: the SQLite file, or the URL of a PostgreSQL database.
        answered: ids of the findings whose answer the client saw.
        changes: how many level changes the log must hold at least: those the client was told of.
    """
    stored, queued, numbered = (
        [row[0] for row in rows]
        for rows in _rows(
            database,
            "SELECT finding_id FROM findings",
            "SELECT count(*) FROM events",
            "SELECT coalesce(sum(last_seq), 0) FROM lanes",
        )
    )
    assert set(answered) <= set(stored)
    assert queued == numbered
    assert queued[0] >= changes


def _rows(database: Path | str, *queries: str) -> list[list[tuple[Any, ...]]]:
    """The answers to *queries*."""
    if isinstance(database, Path):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return [connection.execute(query).fetchall() for query in queries]

    async def ask() -> list[list[tuple[Any, ...]]]:
        asked = await asyncpg.connect(database)
        try:
            return [[tuple(row) for row in await asked.fetch(query)] for query in queries]
        finally:
            await asked.close()

    return asyncio.run(ask())


def check_receipts(claims: list[dict[str, Any]], delivered: int) -> int:
    """C3: exactly what was delivered was seen, each jti always with the same claims.

    Returns: how many extra copies were seen.
    """
    by_jti: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for seen in claims:
        by_jti[seen["jti"]].append({name: value for name, value in seen.items() if name != "received_at"})
    assert len(by_jti) == delivered
    for copies in by_jti.values():
        assert all(copy == copies[0] for copy in copies)
    return len(claims) - len(by_jti)


def check_order(claims: list[dict[str, Any]]) -> None:
    """C5: per subject, the first receipts tell one story: each event starts at the level where the one before ended."""
    level: dict[str, str] = defaultdict(lambda: "none")
    seen: set[str] = set()
    for received in claims:
        if received["jti"] in seen:
            continue
        seen.add(received["jti"])
        (event,) = received["events"].values()
        email = event["subject"]["user"]["email"]
        assert event["previous_level"] == level[email], (email, event)
        level[email] = event["current_level"]
