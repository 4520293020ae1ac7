"""Users, findings and behavior settings, by account."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, select, update

from riskrelay.errors import UserMismatch
from riskrelay.integrations import AccountId
from riskrelay.ports import RecordedFinding
from riskrelay.risk.assessment import Standing
from riskrelay.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.risk.findings import FindingId, UserId, UserRef
from riskrelay.risk.levels import RiskLevel
from riskrelay.storage.statements import in_parts, insert_into
from riskrelay.storage.tables import behavior_settings, findings, users

_STANDING = (users.c.email_key, users.c.user_id, users.c.email, users.c.name, users.c.level, users.c.triggered)


def _standing(row: Row[*tuple[object, ...]]) -> Standing:
    _, user_id, email, name, level, triggered = row
    behaviors = frozenset(BehaviorId(word) for word in str(triggered).split(",") if word)
    return Standing(user_id, email, name, None if level is None else RiskLevel(level), behaviors)  # type: ignore[arg-type]


class UserRows:
    """Implements ports.Users."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def ensure(self, references: Sequence[UserRef], new_id: Callable[[], str]) -> dict[str, Standing]:
        by_key = {reference.email_key: reference for reference in references}
        known = self._find(sorted(by_key))
        missing = sorted(by_key.keys() - known.keys())
        if missing:
            self._refuse_used_ids([by_key[key] for key in missing])
            self._insert([by_key[key] for key in missing], new_id)
            known |= self._find(missing)
        for reference in references:
            if reference.user_id is not None and known[reference.email_key].user_id != reference.user_id:
                raise UserMismatch(reference.email_key)
        return known

    def get(self, user_id: UserId) -> Standing | None:
        row = self._connection.execute(self._select(users.c.user_id == user_id).with_for_update()).first()
        return None if row is None else _standing(row)

    def at_risk(self) -> list[Standing]:
        query = self._select(users.c.triggered != "").order_by(users.c.email_key).with_for_update()
        return [_standing(row) for row in self._connection.execute(query)]

    def save(self, standings: Collection[Standing], reset_at: datetime | None = None) -> None:
        if not standings:
            return
        statement = update(users).where(
            users.c.account_id == self._account_id, users.c.user_id == bindparam("key_user_id")
        )
        statement = statement.values(
            name=bindparam("name"), level=bindparam("level"), triggered=bindparam("triggered")
        )
        if reset_at is not None:
            statement = statement.values(last_reset_at=reset_at)
        self._connection.execute(
            statement,
            [
                {
                    "key_user_id": standing.user_id,
                    "name": standing.name,
                    "level": None if standing.level is None else int(standing.level),
                    "triggered": ",".join(sorted(standing.triggered)),
                }
                for standing in standings
            ],
        )

    def _select(self, condition: ColumnElement[bool]) -> Select[*tuple[object, ...]]:
        return select(*_STANDING).where(users.c.account_id == self._account_id, condition)

    def _find(self, keys: Sequence[str]) -> dict[str, Standing]:
        found: dict[str, Standing] = {}
        for part in in_parts(keys):
            query = self._select(users.c.email_key.in_(part)).order_by(users.c.email_key).with_for_update()
            found |= {row.email_key: _standing(row) for row in self._connection.execute(query)}
        return found

    def _insert(self, references: Sequence[UserRef], new_id: Callable[[], str]) -> None:
        statement = insert_into(self._connection, users).on_conflict_do_nothing(
            index_elements=[users.c.account_id, users.c.email_key]
        )
        self._connection.execute(
            statement,
            [
                {
                    "account_id": self._account_id,
                    "user_id": reference.user_id or new_id(),
                    "email_key": reference.email_key,
                    "email": reference.email,
                    "name": reference.name,
                    "level": None,
                    "triggered": "",
                }
                for reference in references
            ],
        )

    def _refuse_used_ids(self, references: Sequence[UserRef]) -> None:
        chosen: dict[UserId, UserRef] = {}
        for reference in references:
            if reference.user_id is None:
                continue
            if reference.user_id in chosen:
                raise UserMismatch(reference.email_key)
            chosen[reference.user_id] = reference
        for part in in_parts(list(chosen)):
            query = select(users.c.user_id).where(
                users.c.account_id == self._account_id, users.c.user_id.in_(part)
            )
            for row in self._connection.execute(query):
                raise UserMismatch(chosen[row.user_id].email_key)


class FindingRows:
    """Implements ports.Findings."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def add(self, recorded: Sequence[RecordedFinding]) -> set[FindingId]:
        stored: set[FindingId] = set()
        statement = (
            insert_into(self._connection, findings)
            .on_conflict_do_nothing(index_elements=[findings.c.account_id, findings.c.finding_id])
            .returning(findings.c.finding_id)
        )
        if recorded:
            rows = [self._row(finding) for finding in recorded]
            stored.update(row.finding_id for row in self._connection.execute(statement, rows))
        return stored

    def digests(self, finding_ids: Collection[FindingId]) -> dict[FindingId, bytes]:
        found: dict[FindingId, bytes] = {}
        for part in in_parts(list(finding_ids)):
            query = select(findings.c.finding_id, findings.c.digest).where(
                findings.c.account_id == self._account_id, findings.c.finding_id.in_(part)
            )
            found |= {row.finding_id: row.digest for row in self._connection.execute(query)}
        return found

    def _row(self, finding: RecordedFinding) -> dict[str, object]:
        return {
            "account_id": self._account_id,
            "finding_id": finding.finding_id,
            "user_id": finding.user_id,
            "behavior": finding.behavior,
            "risk_level": int(finding.risk_level),
            "occurred_at": finding.occurred_at,
            "recorded_at": finding.recorded_at,
            "details": finding.details_json,
            "digest": finding.digest,
        }


class BehaviorRows:
    """Implements ports.Behaviors."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def stored(self) -> dict[BehaviorId, BehaviorSetting]:
        query = select(
            behavior_settings.c.behavior, behavior_settings.c.enabled, behavior_settings.c.risk_level
        ).where(behavior_settings.c.account_id == self._account_id)
        return {
            row.behavior: BehaviorSetting(row.enabled, RiskLevel(row.risk_level))
            for row in self._connection.execute(query)
        }

    def save(self, settings: Mapping[BehaviorId, BehaviorSetting]) -> None:
        if not settings:
            return
        statement = insert_into(self._connection, behavior_settings)
        statement = statement.on_conflict_do_update(
            index_elements=[behavior_settings.c.account_id, behavior_settings.c.behavior],
            set_={"enabled": statement.excluded.enabled, "risk_level": statement.excluded.risk_level},
        )
        self._connection.execute(
            statement,
            [
                {
                    "account_id": self._account_id,
                    "behavior": behavior,
                    "enabled": setting.enabled,
                    "risk_level": int(setting.risk_level),
                }
                for behavior, setting in settings.items()
            ],
        )
