"""A transaction that waits for the embedded store's writer."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection, exc

from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import AccountId


class Submitted:
    """A transaction for which a caller waits."""

    def __init__(
        self,
        work: Callable[[Connection], Any],
        explain: Callable[[Exception], Unavailable],
        account_id: AccountId | None,
    ) -> None:
        self.owner: Hashable = self if account_id is None else account_id
        self.future: Future[Any] = Future()
        self.refusal: Unavailable | None = None
        self._explain = explain
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self, connection: Connection) -> None:
        """Run behind a savepoint.

        Raises: DBAPIError: the whole group is lost (SQLite has rolled it back).
        """
        connection.exec_driver_sql("SAVEPOINT one")
        if not self._worked(connection):
            connection.exec_driver_sql("ROLLBACK TO one")
        connection.exec_driver_sql("RELEASE one")

    def run_alone(self, connection: Connection) -> None:
        """Run as the only transaction of its group."""
        if not self._worked(connection):
            connection.rollback()

    @property
    def has_failed(self) -> bool:
        """Whether the transaction was run and rolled back."""
        return self._error is not None

    def _worked(self, connection: Connection) -> bool:
        try:
            self._result = self._work(connection)
        except exc.DBAPIError as error:
            self._error = self.refusal = self._explain(error)
            return False
        except Exception as error:  # noqa: BLE001  returned to the waiting caller
            self._error = error
            return False
        return True

    def answer(self) -> None:
        """Return the result to the caller, after the commit."""
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result)
