"""Stored counts for the console: the account's ledger and users, now and over time."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, Row, bindparam, delete, func, select, type_coerce

from riskrelay.core.delivery.attempts import Ledger, percentile
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports import DeliveryCounts, FindingCounts, Standings, Stock
from riskrelay.storage.delivery.ledgers import count_ledgers
from riskrelay.storage.statements import PerEngine
from riskrelay.storage.tables import attempts, events, finding_counts, lanes, level_counts, stocks, users
from riskrelay.storage.tables.console import COUNTED_COLUMNS, LEDGER_COLUMNS
from riskrelay.storage.times import database_now, micros, moment

MINUTE = timedelta(minutes=1)
KEPT = timedelta(days=2)  # chosen: today and yesterday; monitoring keeps more
_LANES, _RECEIPTS = 50, 20  # guessed: the latest 1,000 receipts, of the lanes that delivered last

_ALL_STREAMS = StreamId("")
_NUMBERS = (*LEDGER_COLUMNS, "oldest_us", "receipts", "latency_p50_us", "latency_p99_us", "known_users")
_KEEP = PerEngine(
    stocks,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[stocks.c.account_id],
        set_={name: insert.excluded[name] for name in ("taken_at", "standings", *_NUMBERS)},
    ),
)
_KEEP_LEVELS = PerEngine(
    level_counts,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[level_counts.c.account_id, level_counts.c.minute],
        set_={name: insert.excluded[name] for name in ("low", "medium", "high", *COUNTED_COLUMNS)},
    ),
)
_COUNT_USERS = select(func.count()).where(users.c.account_id == bindparam("account"))
_ADD_FINDINGS = PerEngine(
    finding_counts,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[finding_counts.c.account_id, finding_counts.c.minute, finding_counts.c.behavior],
        set_={"findings": finding_counts.c.findings + insert.excluded.findings},
    ),
)
_WORDS: msgspec.json.Decoder[list[tuple[list[str], int, int]]] = msgspec.json.Decoder(list[tuple[list[str], int, int]])


class StockRows:
    """Implements ports.Stocks."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def count(self) -> Stock:
        taken_at = moment(self._connection.execute(select(database_now())).scalar_one())
        ledgers = count_ledgers(self._connection, self._account_id)
        latencies = sorted(self._latencies())
        return Stock(
            taken_at=taken_at,
            ledger=_together(ledgers),
            standings=self._standings(),
            receipts=len(latencies),
            latency_p50=percentile(latencies, 50),
            latency_p99=percentile(latencies, 99),
            known_users=self._connection.execute(_COUNT_USERS, {"account": self._account_id}).scalar_one(),
        )

    def keep(self, stock: Stock) -> None:
        ledger = stock.ledger
        row = {
            "account_id": self._account_id,
            "taken_at": stock.taken_at,
            **{name: getattr(ledger, name) for name in LEDGER_COLUMNS},
            "oldest_us": _micros(ledger.oldest_pending),
            "standings": msgspec.json.encode(
                [(sorted(one.triggered), int(one.level), one.users) for one in stock.standings]
            ).decode(),
            "receipts": stock.receipts,
            "latency_p50_us": _micros(stock.latency_p50),
            "latency_p99_us": _micros(stock.latency_p99),
            "known_users": stock.known_users,
        }
        self._connection.execute(_KEEP.on(self._connection), row)
        minute = _beginning(stock.taken_at, MINUTE)
        counts = {level.word: stock.users(level) for level in RiskLevel}
        counted = {name: row[name] for name in COUNTED_COLUMNS}
        self._connection.execute(
            _KEEP_LEVELS.on(self._connection), {"account_id": self._account_id, "minute": minute, **counts, **counted}
        )
        for table in (level_counts, finding_counts):
            old = (table.c.account_id == self._account_id) & (table.c.minute < minute - KEPT)
            self._connection.execute(delete(table).where(old))

    def latest(self) -> Stock | None:
        row = self._connection.execute(select(stocks).where(stocks.c.account_id == self._account_id)).first()
        return None if row is None else _stock(row)

    def levels(self, since: datetime, step: timedelta) -> Mapping[datetime, Sequence[int]]:
        step_start = _step_start(level_counts.c.minute, step)
        query = (
            select(
                step_start.label("step_start"),
                *(func.max(level_counts.c[level.word]).label(level.word) for level in RiskLevel),
            )
            .where(level_counts.c.account_id == self._account_id, level_counts.c.minute >= since)
            .group_by(step_start)
        )
        return {
            moment(row.step_start): [getattr(row, level.word) for level in RiskLevel]
            for row in self._connection.execute(query)
        }

    def deliveries(self, since: datetime, step: timedelta) -> Mapping[datetime, DeliveryCounts]:
        step_start = _step_start(level_counts.c.minute, step)
        query = (
            select(
                step_start.label("step_start"),
                *(func.max(level_counts.c[name]).label(name) for name in COUNTED_COLUMNS),
            )
            .where(
                level_counts.c.account_id == self._account_id,
                level_counts.c.minute >= since,
                level_counts.c.delivered.is_not(None),
            )
            .group_by(step_start)
        )
        return {
            moment(row.step_start): DeliveryCounts(
                delivered=row.delivered,
                pending=row.pending,
                dead=row.dead,
                latency_p50=_duration(row.latency_p50_us),
                latency_p99=_duration(row.latency_p99_us),
            )
            for row in self._connection.execute(query)
        }

    def add_findings(self, counts: FindingCounts) -> None:
        rows = [
            {"account_id": self._account_id, "minute": minute, "behavior": behavior, "findings": findings}
            for (minute, behavior), findings in sorted(counts.items())  # so that none wait in a circle
        ]
        if rows:
            self._connection.execute(_ADD_FINDINGS.on(self._connection), rows)

    def findings(self, since: datetime, step: timedelta) -> FindingCounts:
        step_start = _step_start(finding_counts.c.minute, step)
        query = (
            select(
                step_start.label("step_start"),
                finding_counts.c.behavior,
                func.sum(finding_counts.c.findings).label("findings"),
            )
            .where(finding_counts.c.account_id == self._account_id, finding_counts.c.minute >= since)
            .group_by(step_start, finding_counts.c.behavior)
        )
        rows = self._connection.execute(query)
        return {(moment(row.step_start), BehaviorId(row.behavior)): int(row.findings) for row in rows}

    def _standings(self) -> list[Standings]:
        query = (
            select(users.c.triggered, users.c.level, func.count().label("users"))
            .where(users.c.account_id == self._account_id, users.c.level >= int(min(RiskLevel)))
            .group_by(users.c.triggered, users.c.level)
        )
        return [
            Standings(_behaviors(row.triggered.split(",")), RiskLevel(row.level), row.users)
            for row in self._connection.execute(query)
        ]

    def _latencies(self) -> list[timedelta]:
        busiest = (
            select(lanes.c.stream_id, lanes.c.lane)
            .where(lanes.c.account_id == self._account_id, lanes.c.attempted_at > 0)
            .order_by(lanes.c.attempted_at.desc())
            .limit(_LANES)
        )
        return [
            latency
            for row in self._connection.execute(busiest).all()
            for latency in self._latencies_of(row.stream_id, row.lane)
        ]

    def _latencies_of(self, stream_id: StreamId, lane: int) -> list[timedelta]:
        in_lane = (
            (attempts.c.account_id == self._account_id)
            & (attempts.c.stream_id == stream_id)
            & (attempts.c.lane == lane)
        )
        is_event = (
            (events.c.account_id == attempts.c.account_id)
            & (events.c.stream_id == attempts.c.stream_id)
            & (events.c.lane == attempts.c.lane)
            & (events.c.seq == attempts.c.seq)
        )
        latest = (
            select(
                attempts.c.outcome,
                (
                    type_coerce(attempts.c.started_at, BigInteger)
                    + attempts.c.duration_us
                    - type_coerce(events.c.queued_at, BigInteger)
                ).label("took_us"),
            )
            .select_from(attempts.join(events, is_event))
            .where(in_lane)
            .order_by(attempts.c.seq.desc(), attempts.c.number.desc())
            .limit(_RECEIPTS)
        )
        accepted = OutcomeKind.ACCEPTED.value
        rows = self._connection.execute(latest)
        return [timedelta(microseconds=row.took_us) for row in rows if row.outcome == accepted]


def _stock(row: Row[*tuple[Any, ...]]) -> Stock:
    counts = {name: getattr(row, name) for name in LEDGER_COLUMNS}
    return Stock(
        taken_at=row.taken_at,
        ledger=Ledger(stream_id=_ALL_STREAMS, **counts, oldest_pending=_duration(row.oldest_us)),
        standings=[
            Standings(_behaviors(words), RiskLevel(level), count)
            for words, level, count in _WORDS.decode(row.standings)
        ],
        receipts=row.receipts,
        latency_p50=_duration(row.latency_p50_us),
        latency_p99=_duration(row.latency_p99_us),
        known_users=row.known_users,
    )


def _together(ledgers: Sequence[Ledger]) -> Ledger:
    sums = {name: sum(getattr(ledger, name) for ledger in ledgers) for name in LEDGER_COLUMNS}
    oldest = max((one.oldest_pending for one in ledgers if one.oldest_pending is not None), default=None)
    return Ledger(stream_id=_ALL_STREAMS, **sums, oldest_pending=oldest)


def _behaviors(words: Sequence[str]) -> frozenset[BehaviorId]:
    return frozenset(BehaviorId(word) for word in words if word)


def _beginning(at: datetime, step: timedelta) -> datetime:
    return moment(micros(at - moment(0)) // micros(step) * micros(step))


def _step_start(minute: ColumnElement[Any], step: timedelta) -> ColumnElement[int]:
    number: ColumnElement[int] = type_coerce(minute, BigInteger)
    return number - number % micros(step)


def _micros(duration: timedelta | None) -> int | None:
    return None if duration is None else micros(duration)


def _duration(microseconds: int | None) -> timedelta | None:
    return None if microseconds is None else timedelta(microseconds=microseconds)
