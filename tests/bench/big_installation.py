"""A big installation, written straight into a database: what the console and the API are measured with.

    python -m bench.big_installation postgresql://… [--users 100000] [--integrations 2000] [--deliveries 1000000]
    python -m bench.big_installation sqlite:///big.db --seed 7

The database must be new: `init` is run on it first. Everything follows from the seed and the sizes, times from the
moment of the run; the ledger of every stream balances. It prints the account, a token, how long it took, and the
settings to serve it with, as JSON.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from bench.bulk import DAY_US, Bulk, Row, open_bulk
from bench.deliveries import Lane, attempt_rows, change_rows, event_rows, held_rows, lane_row
from riskrelay.bench.installation import Installation
from riskrelay.core.risk.behaviors import BEHAVIORS
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.storage import tables

MINUTE_US = 60_000_000
SPAN_US = 6 * DAY_US  # younger than the retention, so that nothing expires or is purged
FINDINGS_PER_USER = 15  # a million of 100,000 users, of whom seven in ten have some
AUDIT_ENTRIES_PER_INTEGRATION = 10
_BEHAVIORS = list(BEHAVIORS.values())


@dataclass(frozen=True)
class Size:
    """How big it is."""

    users: int = 100_000
    integrations: int = 2_000
    deliveries: int = 1_000_000
    seed: int = 1


async def fill(database_url: str, account_id: str, size: Size) -> None:
    """Fill an account that is there and empty."""
    now = time.time_ns() // 1_000
    population = Population(account_id, size, now)
    async with open_bulk(database_url) as bulk:
        await _fill_users(bulk, population)
        await _fill_counts(bulk, population)
        await _fill_integrations(bulk, population)
        lanes = list(population.lanes())
        await bulk.make_room(now - SPAN_US, now)
        await bulk.insert(tables.lanes, *_columns(lane_row(lane) for lane in lanes))
        await bulk.insert(tables.events, *_columns(event_rows(lanes, population.email, size.seed)))
        changes = change_rows(lanes, lambda number: population.id_of("user", number % size.users), size.seed)
        await bulk.insert(tables.level_changes, *_columns(changes))
        await bulk.insert(tables.attempts, *_columns(attempt_rows(lanes)))
        await bulk.insert(tables.held_events, *_columns(held_rows(lanes)))


def _columns(rows: Iterator[dict[str, Any]]) -> tuple[list[str], Iterator[Row]]:
    """The names of the columns, from the first row, and all rows as tuples."""
    first = next(rows)

    def values() -> Iterator[Row]:
        yield tuple(first.values())
        for row in rows:
            yield tuple(row.values())

    return list(first), values()


class Population:
    """Who and what is in the account; a pure function of the seed."""

    def __init__(self, account_id: str, size: Size, now: int) -> None:
        self.account_id = account_id
        self.size = size
        self.now = now

    def email(self, user: int) -> str:
        """A user's address."""
        return f"user-{user % self.size.users:06d}@big.example"

    def id_of(self, kind: str, number: int) -> str:
        """The id of a thing."""
        bits = random.Random(f"{self.size.seed} {kind} {number}").getrandbits(128)
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def users(self) -> Iterator[dict[str, Any]]:
        """Seven of ten have a level; one in fifty was reset."""
        for number in range(self.size.users):
            at_risk = number % 10 < 7
            behavior = _BEHAVIORS[number % len(_BEHAVIORS)]
            was_reset = number % 50 == 9
            yield {
                "account_id": self.account_id,
                "user_id": self.id_of("user", number),
                "email_key": self.email(number),
                "email": self.email(number),
                "name": f"User Number {number}",
                "level": int(behavior.default_level) if at_risk else None,
                "triggered": behavior.behavior_id if at_risk else "",
                "event_count": FINDINGS_PER_USER if at_risk else 0,
                "last_event_at": self._seen_at(number, FINDINGS_PER_USER - 1) if at_risk else None,
                "resets": int(was_reset),
                "last_reset_at": self.now - DAY_US if was_reset else None,
            }

    def findings(self) -> Iterator[dict[str, Any]]:
        """Of those with a level, all of one behavior."""
        for number in range(self.size.users):
            if number % 10 >= 7:
                continue
            user_id, behavior = self.id_of("user", number), _BEHAVIORS[number % len(_BEHAVIORS)]
            for place in range(FINDINGS_PER_USER):
                seen_at = self._seen_at(number, place)
                yield {
                    "account_id": self.account_id,
                    "finding_id": f"finding-{number:06d}-{place}",
                    "user_id": user_id,
                    "behavior": behavior.behavior_id,
                    "risk_level": int(behavior.default_level),
                    "occurred_at": seen_at,
                    "recorded_at": seen_at,
                    "resets": 0,
                    "details": '{"source":"big installation"}',
                    "digest": bytes(32),
                }

    def level_counts(self) -> Iterator[dict[str, Any]]:
        """What the overview's charts are made of: the same number of users at each level all the time."""
        counts = Counter(str(row["level"]) for row in self.users())
        of_levels = {level.word: counts[str(int(level))] for level in RiskLevel}
        for minute in self._minutes():
            yield {"account_id": self.account_id, "minute": minute, **of_levels}

    def finding_counts(self) -> Iterator[dict[str, Any]]:
        """Findings of every behavior in every minute."""
        for minute in self._minutes():
            for place, behavior in enumerate(_BEHAVIORS):
                findings = (minute // MINUTE_US * 7 + place * 13) % 31 + 1
                yield {
                    "account_id": self.account_id,
                    "minute": minute,
                    "behavior": behavior.behavior_id,
                    "findings": findings,
                }

    def integrations(self) -> Iterator[dict[str, Any]]:
        """All of Okta's kind; one in twenty is not active."""
        for number in range(self.size.integrations):
            yield {
                "account_id": self.account_id,
                "integration_id": self.id_of("integration", number),
                "integration_type": "Okta",
                "reference_id": f"tenant-{number:04d}",
                "tenant_url": f"https://tenant-{number:04d}.okta.example",
                "active": number % 20 != 19,
                "public_origin": "http://127.0.0.1:8700",
                "created_at": self.now - 30 * DAY_US,
                "signing_algorithm": "RS256",
                "position": number + 1,
            }

    def streams(self) -> Iterator[dict[str, Any]]:
        """One an integration; one in twenty is paused because its receiver wants no such token."""
        for number in range(self.size.integrations):
            is_paused = number % 20 == 18
            yield {
                "account_id": self.account_id,
                "stream_id": self.id_of("stream", number),
                "integration_id": self.id_of("integration", number),
                "status": "paused" if is_paused else "enabled",
                "status_reason": "http_401" if is_paused else None,
                "lanes": 1,
                "status_at": self.now - DAY_US if is_paused else 0,
                "created_at": self.now - 30 * DAY_US,
            }

    def lanes(self) -> Iterator[Lane]:
        """One a stream. The first integrations have most of the deliveries, as in life; one in twenty fails."""
        weights = [1 / (number + 1) ** 0.7 for number in range(self.size.integrations)]
        bounds = [round(part / sum(weights) * self.size.deliveries) for part in accumulate(weights, initial=0.0)]
        for number in range(self.size.integrations):
            yield Lane(
                self.account_id,
                self.id_of("stream", number),
                events=bounds[number + 1] - bounds[number],
                first_at=self.now - SPAN_US,
                last_at=self.now - 60_000_000,
                is_stopped=number % 20 >= 18,
                is_failing=number % 20 == 17,
            )

    def audit_entries(self) -> Iterator[dict[str, Any]]:
        """What the command line and the console did to the integrations."""
        for number in range(self.size.integrations * AUDIT_ENTRIES_PER_INTEGRATION):
            yield {
                "account_id": self.account_id,
                "at": self.now - SPAN_US + number * 1_000_000,
                "entry_id": self.id_of("audit", number),
                "actor_name": "command line",
                "verb": "changed",
                "kind": "integration",
                "thing_id": self.id_of("integration", number // AUDIT_ENTRIES_PER_INTEGRATION),
            }

    def _minutes(self) -> Iterator[int]:
        """The beginnings of those of the last two days, which is as long as they are kept."""
        last = self.now - self.now % MINUTE_US
        yield from range(last - 2 * DAY_US, last, MINUTE_US)

    def _seen_at(self, user: int, place: int) -> int:
        share = random.Random(f"{self.size.seed} seen {user}").random()
        return self.now - int(SPAN_US * (share + 0.01)) + place * 1_000_000


async def _fill_users(bulk: Bulk, population: Population) -> None:
    await bulk.insert(tables.users, *_columns(population.users()))
    await bulk.insert(tables.findings, *_columns(population.findings()))


async def _fill_counts(bulk: Bulk, population: Population) -> None:
    await bulk.insert(tables.level_counts, *_columns(population.level_counts()))
    await bulk.insert(tables.finding_counts, *_columns(population.finding_counts()))


async def _fill_integrations(bulk: Bulk, population: Population) -> None:
    await bulk.insert(tables.integrations, *_columns(population.integrations()))
    await bulk.insert(tables.streams, *_columns(population.streams()))
    await bulk.insert(tables.audit_entries, *_columns(population.audit_entries()))


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="Write a big installation into a new database.")
    parser.add_argument("database_url")
    for name in ("users", "integrations", "deliveries", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Size, name))
    return parser.parse_args()


async def main() -> None:
    given = arguments()
    size = Size(given.users, given.integrations, given.deliveries, given.seed)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="riskrelay-big-") as directory:
        async with Installation(Path(directory) / "logs", given.database_url) as installation:
            await fill(installation.database_url, installation.accounts[0], size)
    taken = round(time.perf_counter() - began, 1)
    made = {"account_id": installation.accounts[0], "token": installation.token, "seconds": taken}
    print(json.dumps({**made, "settings": installation.settings}))


if __name__ == "__main__":
    asyncio.run(main())
