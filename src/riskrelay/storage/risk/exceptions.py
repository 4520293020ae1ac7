"""The exceptions of an account."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exceptions import Coverage, Effect, ExceptionId, RiskException
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.storage.tables import exceptions

_OF_ACCOUNT = exceptions.c.account_id == bindparam("account")
_ALL = select(exceptions).where(_OF_ACCOUNT).order_by(exceptions.c.exception_id)
_COUNT = select(func.count()).where(_OF_ACCOUNT)


class RiskExceptionRows:
    """Implements ports.RiskExceptions."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._locking = locking
        self._account_id = account_id
        self._account = {"account": account_id}

    def add(self, exception: RiskException) -> None:
        row = {
            "account_id": self._account_id,
            "exception_id": exception.exception_id,
            "created_at": exception.created_at,
            **_values(exception),
        }
        self._connection.execute(insert(exceptions), row)

    def update(self, exception: RiskException) -> None:
        here = (exceptions.c.account_id == self._account_id) & (exceptions.c.exception_id == exception.exception_id)
        self._connection.execute(update(exceptions).where(here).values(_values(exception)))

    def delete(self, exception_id: ExceptionId) -> None:
        here = (exceptions.c.account_id == self._account_id) & (exceptions.c.exception_id == exception_id)
        self._connection.execute(delete(exceptions).where(here))

    def get(self, exception_id: ExceptionId) -> RiskException | None:
        query = _ALL.where(exceptions.c.exception_id == exception_id)
        row = self._connection.execute(query.with_for_update() if self._locking else query, self._account).first()
        return None if row is None else _exception(row)

    def all(self) -> list[RiskException]:
        return read_exceptions(self._connection, self._account_id)

    def page(self, after: ExceptionId | None, limit: int) -> list[RiskException]:
        query = _ALL.limit(limit) if after is None else _ALL.where(exceptions.c.exception_id > after).limit(limit)
        return [_exception(row) for row in self._connection.execute(query, self._account)]

    def count(self) -> int:
        return int(self._connection.execute(_COUNT, self._account).scalar_one())


def read_exceptions(connection: Connection, account_id: AccountId) -> list[RiskException]:
    """Return all exceptions of an account, oldest first."""
    return [_exception(row) for row in connection.execute(_ALL, {"account": account_id})]


def _values(exception: RiskException) -> dict[str, Any]:
    return {
        "coverage": exception.coverage.value,
        "covered": exception.covered,
        "behavior": exception.behavior,
        "effect": exception.effect.value,
        "level": None if exception.level is None else int(exception.level),
        "reason": exception.reason,
        "ends_at": exception.ends_at,
    }


def _exception(row: Row[*tuple[Any, ...]]) -> RiskException:
    return RiskException(
        exception_id=ExceptionId(row.exception_id),
        coverage=Coverage(row.coverage),
        covered=row.covered,
        behavior=None if row.behavior is None else BehaviorId(row.behavior),
        effect=Effect(row.effect),
        level=None if row.level is None else RiskLevel(row.level),
        reason=row.reason,
        ends_at=row.ends_at,
        created_at=row.created_at,
    )
