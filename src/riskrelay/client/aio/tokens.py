"""Tokens of the account, and its audit log."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from riskrelay.client.aio.session import Session
from riskrelay.client.records import AuditEntry, CreatedToken, Token
from riskrelay.client.requests import Nothing, Request, body, path


class Tokens:
    """Tokens that give access to the account."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def all(self) -> list[Token]:
        """Return the tokens, oldest first, without their secrets. Raises: ClientError."""
        return await self._session.result(
            Request(operation="listTokens", method="GET", path=path("tokens"), answer=list[Token])
        )

    async def create(self, name: str, scopes: Sequence[str], *, expires_on: datetime | None = None) -> CreatedToken:
        """Create a token. Only this response contains its secret.

        Args:
            scopes: of read, write, pii-read, ingest and operate. The client's own token must have each of them.
            expires_on: None: never.

        Raises: InvalidRequest; Forbidden; ClientError; AnswerLost: look with `all` whether it was created.
        """
        wanted = {"name": name, "scopes": scopes, "expires_on": expires_on}
        return await self._session.result(
            Request(
                operation="createToken",
                method="POST",
                path=path("tokens"),
                answer=CreatedToken,
                body=body(wanted),
                is_repeatable=False,
            )
        )

    async def revoke(self, token_id: str) -> None:
        """Revoke a token. It is invalid at once. Raises: NotFound; ClientError."""
        await self._session.result(
            Request(
                operation="revokeToken",
                method="DELETE",
                path=path("tokens", token_id),
                answer=Nothing,
                gone=Nothing(),
            )
        )


class AuditLog:
    """The changes of the account's objects."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self, kind: str | None = None) -> AsyncIterator[AuditEntry]:
        """Iterate over the entries, newest first.

        Args:
            kind: the kind of the changed objects, such as integration; None: all.

        Raises: ClientError.
        """
        return self._session.by_cursor(
            lambda cursor: Request(
                operation="listAudit",
                method="GET",
                path=path("audit", query={"kind": kind, "cursor": cursor}),
                answer=list[AuditEntry],
            )
        )
