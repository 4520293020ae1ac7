"""What the database of a service holds, read beside the product: by plain SQL, on either engine."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text

from riskrelay.storage.engines.postgres_engine import postgres_engine


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event in the log.

    Attributes:
        claims: as they were queued.
        state: the one that the rows say it is in.
        known_level: the previous level that it is sent with, because the changes before it were superseded.
    """

    stream_id: str
    lane: int
    seq: int
    jti: str
    subject_key: str
    claims: Mapping[str, Any]
    state: str
    known_level: str | None

    @property
    def sent_claims(self) -> Mapping[str, Any]:
        """The claims that receivers get."""
        if self.known_level is None:
            return self.claims
        events = {uri: {**event, "previous_level": self.known_level} for uri, event in self.claims["events"].items()}
        return {**self.claims, "events": events}

    @property
    def change(self) -> tuple[str, str, str] | None:
        """Whose level moved from where to where, in its own words; None when it tells of something else."""
        (event,) = self.claims["events"].values()
        if "previous_level" not in event:
            return None
        subject = event["subject"]["user"] if "subject" in event else self.claims["sub_id"]
        return subject["email"], event["previous_level"], event["current_level"]

    @property
    def is_erased(self) -> bool:
        """Whether its user was erased."""
        return not self.subject_key

    @property
    def is_caep(self) -> bool:
        """Whether its words are those of CAEP."""
        return any("/caep/" in event_type for event_type in self.claims["events"])


@dataclass(frozen=True, slots=True)
class LedgerRows:
    """Everything that the checks look at.

    Attributes:
        findings: the accounts and ids of the findings, with how many rows each has.
        numbered: the numbers given out, by stream and lane.
        delivered: what the settlements counted, by stream.
        accounts: whose each stream is.
    """

    findings: Counter[tuple[str, str]]
    events: list[EventRow]
    numbered: Mapping[tuple[str, int], int]
    delivered: Mapping[str, int]
    accounts: Mapping[str, str]

    def streams_of(self, account_id: str) -> list[str]:
        """The streams of one account."""
        return [stream for stream, owner in self.accounts.items() if owner == account_id]

    def copies(self, account_id: str, jtis: Sequence[str]) -> int:
        """How many more receipts than different events of the account are among *jtis*."""
        streams = self.streams_of(account_id)
        mine = {event.jti for event in self.events if event.stream_id in streams}
        received = [jti for jti in jtis if jti in mine]
        return len(received) - len(set(received))

    def stored_jtis(self, jtis: Collection[str]) -> dict[str, str]:
        """What the ledger has for each of *jtis*: itself, or its digest when the user of the event was erased."""
        erased = {event.jti for event in self.events if event.is_erased}
        digests = {jti: sha256(jti.encode()).hexdigest()[:32] for jti in jtis} if erased else {}
        return {jti: digests[jti] if digests.get(jti) in erased else jti for jti in jtis}

    @property
    def total(self) -> Counter[str]:
        """How many events are in each state, over all streams."""
        return Counter(event.state for event in self.events)

    @property
    def states(self) -> dict[str, Counter[str]]:
        """By stream, how many events are in each state."""
        found: dict[str, Counter[str]] = {stream: Counter() for stream, _ in self.numbered}
        for event in self.events:
            found[event.stream_id][event.state] += 1
        return found


def read_rows(database_url: str) -> LedgerRows:
    """Read a database that may be in use."""
    if database_url.startswith("postgresql"):
        return asyncio.run(_read_postgres(database_url))
    path = Path(database_url.removeprefix("sqlite:///"))
    engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            return rows_in(connection)
    finally:
        engine.dispose()


async def _read_postgres(database_url: str) -> LedgerRows:
    engine = postgres_engine(database_url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(rows_in)
    finally:
        await engine.dispose()


def rows_in(connection: Connection) -> LedgerRows:
    """What a database holds."""
    lanes = connection.execute(text("SELECT account_id, stream_id, lane, last_seq, cursor, delivered FROM lanes")).all()
    cursors = {(row.stream_id, row.lane): row.cursor for row in lanes}
    delivered: dict[str, int] = defaultdict(int)
    for row in lanes:
        delivered[row.stream_id] += row.delivered
    held = {
        (row.stream_id, row.lane, row.seq): row.state
        for row in connection.execute(text("SELECT stream_id, lane, seq, state FROM held_events"))
    }

    def event(row: Any) -> EventRow:
        passed = row.seq <= cursors[row.stream_id, row.lane]
        state = held.get((row.stream_id, row.lane, row.seq), "delivered" if passed else "pending")
        claims = json.loads(bytes(row.claims))
        return EventRow(row.stream_id, row.lane, row.seq, row.jti, row.subject_key, claims, state, row.known_level)

    columns = "stream_id, lane, seq, jti, subject_key, claims, known_level"
    query = f"SELECT {columns} FROM events ORDER BY stream_id, lane, seq"
    return LedgerRows(
        Counter((row[0], row[1]) for row in connection.execute(text("SELECT account_id, finding_id FROM findings"))),
        [event(row) for row in connection.execute(text(query))],
        {(row.stream_id, row.lane): row.last_seq for row in lanes},
        delivered,
        {row.stream_id: row.account_id for row in lanes},
    )
