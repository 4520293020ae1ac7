"""Notification channels."""

from datetime import datetime

import msgspec


class NotificationResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an attempt to send a message.

    Attributes:
        problem: what went wrong; None: the message was sent.
    """

    sent: bool
    problem: str | None
    at: datetime


class WaitingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is not sent yet."""

    title: str
    attempts: int
    next_attempt_at: datetime


class NotificationChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel that gets a message when a condition opens, lasts, or is over.

    Attributes:
        kind: email, slack or webhook.
        target: the e-mail address, or the host of the URL.
        conditions: such as integration_paused, backlog and dead_letters.
    """

    id: str
    kind: str
    name: str
    target: str
    conditions: list[str]
    backlog_after_seconds: int
    active: bool
    created_at: datetime
    last_result: NotificationResult | None
    waiting: WaitingMessage | None


class AddedChannel(NotificationChannel, frozen=True, kw_only=True):
    """A new channel.

    Attributes:
        secret: signs the messages of a webhook, and is not shown again; None for other kinds.
    """

    secret: str | None

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"AddedChannel(id={self.id!r}, kind={self.kind!r}, name={self.name!r})"
