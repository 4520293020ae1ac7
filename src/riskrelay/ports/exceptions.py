"""The operations on exceptions of a transaction that is bound to one account."""

from typing import Protocol

from riskrelay.core.risk.exceptions import ExceptionId, RiskException


class RiskExceptions(Protocol):
    """The account's exceptions, including those that have ended."""

    def add(self, exception: RiskException) -> None:
        """Store a new exception."""

    def update(self, exception: RiskException) -> None:
        """Overwrite all members of an exception besides its id and the time of its creation."""

    def delete(self, exception_id: ExceptionId) -> None:
        """Delete an exception. Findings keep its id."""

    def get(self, exception_id: ExceptionId) -> RiskException | None:
        """Return the exception with that id. A writing transaction locks it."""

    def all(self) -> list[RiskException]:
        """Return all exceptions, oldest first. A quota bounds their number."""

    def page(self, after: ExceptionId | None, limit: int) -> list[RiskException]:
        """Return exceptions, oldest first, after the one with the id *after*."""

    def count(self) -> int:
        """Return the number of exceptions."""
