"""Notification channels."""

from collections.abc import Sequence

from riskrelay.client.aio.session import Session
from riskrelay.client.records import AddedChannel, NotificationChannel, NotificationResult
from riskrelay.client.requests import Nothing, Request, body, path


class NotificationChannels:
    """Channels that get a message when a condition opens, lasts, or is over."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def all(self) -> list[NotificationChannel]:
        """Return all channels, oldest first. Raises: ClientError."""
        return await self._session.result(
            Request(
                operation="listNotificationChannels",
                method="GET",
                path=path("notification_channels"),
                answer=list[NotificationChannel],
            )
        )

    async def get(self, channel_id: str) -> NotificationChannel:
        """Return a channel with the result of its last message. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="getNotificationChannel",
                method="GET",
                path=path("notification_channels", channel_id),
                answer=NotificationChannel,
            )
        )

    async def add(
        self,
        kind: str,
        name: str,
        target: str,
        conditions: Sequence[str],
        *,
        backlog_after_seconds: int = 3_600,
        active: bool = True,
    ) -> AddedChannel:
        """Add a channel. Only this response contains the secret of a webhook.

        Args:
            kind: email, slack or webhook.
            target: the e-mail address or the URL.
            conditions: such as integration_paused, integration_rejecting, backlog and dead_letters.

        Raises: InvalidRequest; ClientError; AnswerLost: look with `all` whether it was added.
        """
        wanted = {
            "kind": kind,
            "name": name,
            "target": target,
            "conditions": conditions,
            "backlog_after_seconds": backlog_after_seconds,
            "active": active,
        }
        return await self._session.result(
            Request(
                operation="addNotificationChannel",
                method="POST",
                path=path("notification_channels"),
                answer=AddedChannel,
                body=body(wanted),
                is_repeatable=False,
            )
        )

    async def change(self, channel: NotificationChannel, *, target: str | None = None) -> NotificationChannel:
        """Store *channel* with its changed members, such as `msgspec.structs.replace(channel, active=False)`.

        Args:
            target: a new e-mail address or URL; None keeps the present one.

        Raises: NotFound; InvalidRequest; ClientError.
        """
        wanted = {
            "name": channel.name,
            "target": target,
            "conditions": channel.conditions,
            "backlog_after_seconds": channel.backlog_after_seconds,
            "active": channel.active,
        }
        return await self._session.result(
            Request(
                operation="changeNotificationChannel",
                method="PUT",
                path=path("notification_channels", channel.id),
                answer=NotificationChannel,
                body=body(wanted),
            )
        )

    async def delete(self, channel_id: str) -> None:
        """Delete a channel and its waiting message. Raises: NotFound; ClientError."""
        await self._session.result(
            Request(
                operation="deleteNotificationChannel",
                method="DELETE",
                path=path("notification_channels", channel_id),
                answer=Nothing,
                gone=Nothing(),
            )
        )

    async def test(self, channel_id: str) -> NotificationResult:
        """Send a test message now, and return its result after 20 seconds at most.

        Raises: NotFound; ClientError; AnswerLost: it may have been sent.
        """
        return await self._session.result(
            Request(
                operation="testNotificationChannel",
                method="POST",
                path=path("notification_channels", channel_id, "test"),
                answer=NotificationResult,
                is_repeatable=False,
            )
        )
