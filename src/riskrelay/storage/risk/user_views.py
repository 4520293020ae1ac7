"""What the console shows of users: pages of a long list, and one user's story.

Every statement is bounded and follows an index, however many users, findings and events there are.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, select, tuple_

from riskrelay.core.email_addresses import email_start_key
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.ssf.streams import Stream
from riskrelay.ports import FindingPlace, RecordedFinding, RiskPlace, Told
from riskrelay.storage.delivery.deliveries import read_deliveries
from riskrelay.storage.delivery.streams import select_streams, stream_from
from riskrelay.storage.risk.shown_findings import WITHOUT_DETAILS, read_shown
from riskrelay.storage.risk.users import standing_from
from riskrelay.storage.tables import events, findings, integrations, lanes, streams, users

_LAST_CHARACTER = "\U0010ffff"
_AROUND = 64  # guessed: so many events of a lane may have been numbered out of the order of their times
_by_risk = tuple_(users.c.level, users.c.last_event_at, users.c.user_id)
_RISKIEST_FIRST = (users.c.level.desc(), users.c.last_event_at.desc(), users.c.user_id.desc())
_by_time = tuple_(findings.c.resets, findings.c.occurred_at, findings.c.finding_id)

_QUEUED_AT = select(events.c.queued_at).where(
    events.c.account_id == bindparam("account"),
    events.c.stream_id == bindparam("stream"),
    events.c.lane == bindparam("lane_number"),
    events.c.seq == bindparam("seq"),
)


class UserViewRows:
    """Implements ports.UserViews."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def at_risk(self, level: RiskLevel | None, after: RiskPlace | None, limit: int) -> list[Standing]:
        wanted = users.c.level >= int(min(RiskLevel)) if level is None else users.c.level == int(level)
        query = self._users().where(wanted)
        if after is not None:
            query = query.where(_by_risk < (int(after[0]), after[1], after[2]))
        return self._read(query.order_by(*_RISKIEST_FIRST).limit(limit))

    def each_at_risk(self, batch: int) -> Iterator[Sequence[Standing]]:
        # `yield_per` reads through a cursor of the server on PostgreSQL, which waits for each batch apart, so the event
        # loop serves others in between. All batches are of one statement, so of one moment.
        query = self._users().where(users.c.level >= int(min(RiskLevel))).order_by(*_RISKIEST_FIRST)
        found = self._connection.execute(query, execution_options={"yield_per": batch})
        for rows in found.partitions():
            yield [standing_from(row) for row in rows]

    def by_email(self, start: str, after: str | None, limit: int) -> list[Standing]:
        key = email_start_key(start)
        query = self._users().where(users.c.email_key < key + _LAST_CHARACTER, users.c.email_key >= key)
        if after is not None:
            query = query.where(users.c.email_key > after)
        return self._read(query.order_by(users.c.email_key).limit(limit))

    def findings(self, user_id: UserId, after: FindingPlace | None, limit: int) -> list[RecordedFinding]:
        query = WITHOUT_DETAILS.where(findings.c.account_id == self._account_id, findings.c.user_id == user_id)
        if after is not None:
            query = query.where(_by_time < (after[0], after[1], after[2]))
        newest_first = (findings.c.resets.desc(), findings.c.occurred_at.desc(), findings.c.finding_id.desc())
        page = query.order_by(*newest_first).limit(limit)
        return read_shown(self._connection, self._account_id, page, {})

    def told(self, subject_key: str, moments: Sequence[datetime], streams_limit: int) -> list[Told]:
        found: list[Told] = []
        for stream in self._busiest_streams(streams_limit):
            lane = _Lane(self._connection, self._account_id, stream, stream.lane_of(subject_key))
            for moment in moments:
                found += self._told_at(lane, subject_key, moment)
        return found

    def _told_at(self, lane: "_Lane", subject_key: str, moment: datetime) -> list[Told]:
        seq = lane.near(moment)
        here = and_(
            lane.condition,
            events.c.seq.between(seq - _AROUND, seq + 2 * _AROUND),
            events.c.subject_key == subject_key,
            events.c.queued_at == moment,
        )
        integration = lane.stream.integration
        deliveries = read_deliveries(self._connection, self._account_id, integration.integration_id, here, limit=4)
        return [Told(delivery, integration, lane.event_at(delivery.seq)) for delivery in deliveries]

    def _busiest_streams(self, limit: int) -> list[Stream]:
        """Those on which something was tried last."""
        lane = (lanes.c.account_id == streams.c.account_id) & (lanes.c.stream_id == streams.c.stream_id)
        latest = select(lanes.c.attempted_at).where(lane).order_by(lanes.c.attempted_at.desc()).limit(1)
        query = (
            select_streams()
            .where(
                streams.c.account_id == self._account_id,
                streams.c.deleted_at.is_(None),
                integrations.c.deleted_at.is_(None),
            )
            .order_by(latest.scalar_subquery().desc(), streams.c.stream_id)
        )
        return [stream_from(row) for row in self._connection.execute(query.limit(limit))]

    def _users(self) -> Select[*tuple[Any, ...]]:
        return select(users).where(users.c.account_id == self._account_id)

    def _read(self, query: Select[*tuple[Any, ...]]) -> list[Standing]:
        return [standing_from(row) for row in self._connection.execute(query)]


class _Lane:
    """One lane's events, found by their time: they are numbered nearly in its order."""

    def __init__(self, connection: Connection, account_id: AccountId, stream: Stream, number: int) -> None:
        self.stream = stream
        self._connection = connection
        self._key = {"account": account_id, "stream": stream.stream_id, "lane_number": number}
        self.condition: ColumnElement[bool] = and_(
            events.c.account_id == account_id, events.c.stream_id == stream.stream_id, events.c.lane == number
        )
        ends = [
            connection.execute(select(events.c.seq).where(self.condition).order_by(order).limit(1)).scalar()
            for order in (events.c.seq, events.c.seq.desc())
        ]
        self._first, self._last = ends[0] or 0, ends[1] or 0

    def near(self, moment: datetime) -> int:
        """A number at most _AROUND before the first event that was queued at *moment* or later: each look-up halves
        what is left of the lane."""
        low, high = self._first, self._last + 1
        while high - low > _AROUND:
            middle = (low + high) // 2
            queued_at = self._connection.execute(_QUEUED_AT, {**self._key, "seq": middle}).scalar()
            if queued_at is not None and queued_at >= moment:
                high = middle
            else:
                low = middle + 1
        return low

    def event_at(self, seq: int) -> dict[str, Any]:
        """What the event of that number says: event types and their members."""
        query = select(events.c.claims).where(self.condition, events.c.seq == seq)
        claims: dict[str, Any] = msgspec.json.decode(self._connection.execute(query).scalar_one())
        said: dict[str, Any] = claims["events"]
        return said
