"""Exceptions: what a behavior means for some users."""

from collections.abc import AsyncIterator
from datetime import datetime

from riskrelay.client.aio.session import Session
from riskrelay.client.records import RiskException
from riskrelay.client.requests import Nothing, Request, body, path


class Exceptions:
    """Exceptions for a user, a group or a pattern of addresses."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> AsyncIterator[RiskException]:
        """Iterate over the exceptions, oldest first, also those that have ended. Raises: ClientError."""
        return self._session.by_cursor(
            lambda cursor: Request(
                operation="listExceptions",
                method="GET",
                path=path("exceptions", query={"cursor": cursor}),
                answer=list[RiskException],
            )
        )

    async def get(self, exception_id: str) -> RiskException:
        """Return an exception. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(operation="getException", method="GET", path=path("exceptions", exception_id), answer=RiskException)
        )

    async def add(
        self,
        effect: str,
        reason: str,
        *,
        user: str | None = None,
        group: str | None = None,
        pattern: str | None = None,
        behavior: str | None = None,
        level: str | None = None,
        ends_at: datetime | None = None,
    ) -> RiskException:
        """Add an exception. The same exception again changes nothing.

        Args:
            effect: ignore; cap: at most *level*; level: exactly *level*.
            reason: a text for people of the account, which is not sent to receivers.
            user: an e-mail address. Exactly one of *user*, *group* and *pattern* is required.
            pattern: of e-mail addresses, such as svc-*@example.com.
            behavior: None: all behaviors.
            level: low, medium or high; None with ignore.

        Raises: InvalidRequest; ClientError.
        """
        wanted = {
            "user": user,
            "group": group,
            "pattern": pattern,
            "behavior": behavior,
            "effect": effect,
            "level": level,
            "reason": reason,
            "ends_at": ends_at,
        }
        return await self._session.result(
            Request(
                operation="addException",
                method="POST",
                path=path("exceptions"),
                answer=RiskException,
                body=body(wanted),
            )
        )

    async def change(self, changed: RiskException) -> RiskException:
        """Store an exception with its changed members, such as `msgspec.structs.replace(one, reason="Pilot")`.

        Raises: NotFound; InvalidRequest; ClientError.
        """
        return await self._session.result(
            Request(
                operation="changeException",
                method="PUT",
                path=path("exceptions", changed.id),
                answer=RiskException,
                body=body(changed),
            )
        )

    async def delete(self, exception_id: str) -> None:
        """Delete an exception. Findings recorded meanwhile count again. Raises: NotFound; ClientError."""
        await self._session.result(
            Request(
                operation="deleteException",
                method="DELETE",
                path=path("exceptions", exception_id),
                answer=Nothing,
                gone=Nothing(),
            )
        )
