"""Users for the console: pages of a long list, and one user's history.

Every statement is bounded and uses an index, for any number of users, findings and events.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    func,
    join,
    select,
    true,
    tuple_,
    type_coerce,
)

from riskrelay.core.email_addresses import email_start_key
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.risk_filters import ANY_RISK, RiskFilter
from riskrelay.ports import FindingPlace, RecordedFinding, RiskPlace, UserEvent, UserEventPlace
from riskrelay.storage.accounts.integrations import INTEGRATION_COLUMNS, integration_from
from riskrelay.storage.delivery.deliveries import EVENT_KEY, delivery_state, with_attempts, with_lanes
from riskrelay.storage.risk.risk_filters import RISKIEST_FIRST, besides_level, matching
from riskrelay.storage.risk.shown_findings import WITHOUT_DETAILS, read_shown
from riskrelay.storage.risk.users import standing_from
from riskrelay.storage.tables import HAS_SHORT_SUBJECT, events, findings, held_events, integrations, streams, users
from riskrelay.storage.times import number_of

_SCANNED = 100_000  # chosen: some 0.1 s
_LAST_CHARACTER = "\U0010ffff"
_by_risk = tuple_(users.c.level, users.c.last_event_at, users.c.user_id)
_by_time = tuple_(findings.c.resets, findings.c.occurred_at, findings.c.finding_id)

_EXISTING = streams.c.deleted_at.is_(None) & integrations.c.deleted_at.is_(None)
_EVENT_PLACE_COLUMNS = (events.c.queued_at, events.c.stream_id, events.c.lane, events.c.seq)
_PLACE = (*EVENT_KEY, "queued_at")
_EVENT_PLACE = tuple_(*_EVENT_PLACE_COLUMNS)
_ABOUT = (
    select(integrations.c.integration_id, *(events.c[name] for name in _PLACE))  # the index has all of it
    .select_from(
        events.join(
            streams, (streams.c.account_id == events.c.account_id) & (streams.c.stream_id == events.c.stream_id)
        ).join(
            integrations,
            (integrations.c.account_id == streams.c.account_id)
            & (integrations.c.integration_id == streams.c.integration_id),
        )
    )
    .where(
        events.c.account_id == bindparam("account"),
        events.c.subject_key == bindparam("subject"),
        HAS_SHORT_SUBJECT,  # the condition of the partial index, so that both engines use it
        _EXISTING,
    )
)
_ONE_MOMENT = _ABOUT.order_by(events.c.stream_id, events.c.lane, events.c.seq).limit(bindparam("limit"))


def _whole(places: FromClause) -> Select[*tuple[Any, ...]]:
    """Build the query of the events at *places* with their states, in no order."""
    at_place = and_(*(events.c[name] == places.c[name] for name in _PLACE))
    return select(
        places, events.c.jti, events.c.claims, delivery_state.label("state"), held_events.c.reason
    ).select_from(with_lanes(places.join(events, at_place)))


_AT_MOMENT = _whole(_ONE_MOMENT.where(events.c.queued_at == bindparam("at")).subquery("places"))
# Of PostgreSQL, which takes as long for one statement of many moments as for one of each. SQLite has no LATERAL.
_moments = (
    func.unnest(bindparam("moments", type_=ARRAY(BigInteger))).table_valued("moment", name="moments").render_derived()
)
_at_one = _ONE_MOMENT.where(type_coerce(events.c.queued_at, BigInteger) == _moments.c.moment).lateral("at_one")
_AT_MOMENTS = _whole(select(_at_one).select_from(join(_moments, _at_one, true())).subquery("places"))


def about_page(after: UserEventPlace | None, limit: int) -> Select[*tuple[Any, ...]]:
    """Build the query of the *limit* latest events about a subject after *after*, in no order."""
    query = _ABOUT
    if after is not None:
        query = query.where((after.queued_at, after.stream_id, after.lane, after.seq) > _EVENT_PLACE)
    newest_first = query.order_by(*(column.desc() for column in _EVENT_PLACE_COLUMNS)).limit(limit)
    return _whole(newest_first.subquery("places"))


class UserViewRows:
    """Implements ports.UserViews."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def at_risk(self, wanted: RiskFilter, after: RiskPlace | None, limit: int) -> list[Standing]:
        query = select(users).where(*matching(self._account_id, wanted))
        if after is not None:
            query = query.where(_by_risk < (int(after[0]), after[1], after[2]))
        return self._read(query.order_by(*RISKIEST_FIRST).limit(limit))

    def count_at_risk(self, wanted: RiskFilter, limit: int | None) -> int:
        # A source of many findings is searched user by user: 1.6 s for 100,000 users (measured).
        first = select(users.c.user_id).where(*matching(self._account_id, wanted)).limit(limit)
        return self._connection.execute(select(func.count()).select_from(first.subquery())).scalar_one()

    def each_at_risk(self, batch: int) -> Iterator[Sequence[Standing]]:
        # `yield_per` reads through a cursor of the server on PostgreSQL, which waits for each batch apart, so the event
        # loop serves others in between. All batches are of one statement, so of one moment.
        query = select(users).where(*matching(self._account_id, ANY_RISK)).order_by(*RISKIEST_FIRST)
        found = self._connection.execute(query, execution_options={"yield_per": batch})
        for rows in found.partitions():
            yield [standing_from(row) for row in rows]

    def by_email(self, start: str, after: str | None, limit: int, wanted: RiskFilter = ANY_RISK) -> list[Standing]:
        key = email_start_key(start)
        # A user without an address is being erased.
        fits = (users.c.email_key < key + _LAST_CHARACTER, users.c.email_key >= key, users.c.email != "")
        query = self._users().where(*fits, *besides_level(self._account_id, wanted))
        if wanted.level is not None:
            query = query.where(users.c.level == int(wanted.level))
        if after is not None:
            query = query.where(users.c.email_key > after)
        return self._read(query.order_by(users.c.email_key).limit(limit))

    def by_part(self, part: str, limit: int, wanted: RiskFilter = ANY_RISK) -> list[Standing]:
        own = users.c.account_id == self._account_id
        end = select(users.c.email_key).where(own).order_by(users.c.email_key).offset(_SCANNED).limit(1)
        last = self._connection.execute(end).scalar()
        has_part = users.c.email_key.contains(email_start_key(part), autoescape=True) | func.lower(
            users.c.name
        ).contains(part.lower(), autoescape=True)
        query = self._users().where(users.c.email != "", has_part, *besides_level(self._account_id, wanted))
        if last is not None:
            query = query.where(users.c.email_key < last)
        if wanted.level is not None:
            query = query.where(users.c.level == int(wanted.level))
        return self._read(query.order_by(users.c.email_key).limit(limit))

    def findings(self, user_id: UserId, after: FindingPlace | None, limit: int) -> list[RecordedFinding]:
        query = WITHOUT_DETAILS.where(findings.c.account_id == self._account_id, findings.c.user_id == user_id)
        if after is not None:
            query = query.where(_by_time < (after[0], after[1], after[2]))
        newest_first = (findings.c.resets.desc(), findings.c.occurred_at.desc(), findings.c.finding_id.desc())
        page = query.order_by(*newest_first).limit(limit)
        return read_shown(self._connection, self._account_id, page, {})

    def findings_with(self, finding_ids: Collection[FindingId]) -> list[RecordedFinding]:
        query = WITHOUT_DETAILS.where(
            findings.c.account_id == self._account_id, findings.c.finding_id.in_(list(finding_ids))
        )
        return read_shown(self._connection, self._account_id, query.order_by(findings.c.finding_id), {})

    def events_at(self, subject_key: str, moments: Sequence[datetime], limit: int) -> list[UserEvent]:
        here = {"account": self._account_id, "subject": subject_key, "limit": limit}
        if self._connection.dialect.name == "sqlite":
            each = (self._connection.execute(_AT_MOMENT, {**here, "at": at}) for at in moments)
            found = [row for rows in each for row in rows]
        else:
            asked = {**here, "moments": [number_of(at) for at in moments]}
            found = list(self._connection.execute(_AT_MOMENTS, asked))
        place = {at: number for number, at in enumerate(moments)}
        found.sort(key=lambda row: (place[row.queued_at], row.stream_id, row.lane, row.seq))
        return self._user_events(found)

    def events_page(self, subject_key: str, after: UserEventPlace | None, limit: int) -> list[UserEvent]:
        here = {"account": self._account_id, "subject": subject_key}
        found = list(self._connection.execute(about_page(after, limit), here))
        found.sort(key=lambda row: (row.queued_at, row.stream_id, row.lane, row.seq), reverse=True)
        return self._user_events(found)

    def _user_events(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[UserEvent]:
        known = self._integrations({row.integration_id for row in rows})
        deliveries = with_attempts(self._connection, self._account_id, rows)
        return [
            UserEvent(
                delivery=delivery,
                integration=known[row.integration_id],
                event=(fixed := msgspec.json.decode(row.claims))["events"],
                txn=fixed["txn"],
            )
            for row, delivery in zip(rows, deliveries, strict=True)
        ]

    def _integrations(self, integration_ids: Collection[IntegrationId]) -> dict[IntegrationId, Integration]:
        query = select(*INTEGRATION_COLUMNS).where(
            integrations.c.account_id == self._account_id, integrations.c.integration_id.in_(list(integration_ids))
        )
        found = [integration_from(row) for row in self._connection.execute(query)]
        return {one.integration_id: one for one in found}

    def _users(self) -> Select[*tuple[Any, ...]]:
        return select(users).where(users.c.account_id == self._account_id)

    def _read(self, query: Select[*tuple[Any, ...]]) -> list[Standing]:
        return [standing_from(row) for row in self._connection.execute(query)]
