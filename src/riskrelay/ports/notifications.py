"""The operations on notification channels, and the interface that sends messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from riskrelay.core.integrations import AccountId
from riskrelay.core.notifications.channels import Channel, ChannelId, ChannelKind, Target
from riskrelay.core.notifications.deciding import Change, NotifiedProblem, Pace
from riskrelay.core.notifications.messages import Message


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of the last attempt to send a message of a channel.

    Attributes:
        problem: what went wrong, in words; None: the message was sent.
    """

    at: datetime
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMessage:
    """A message that is not sent yet.

    Attributes:
        attempts: how many were made, with the one that runs.
        due_at: when the next attempt may be made.
    """

    message: Message
    attempts: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """A channel and what happens on it.

    Attributes:
        result: None: no message was sent yet.
    """

    channel: Channel
    pace: Pace
    result: SendResult | None
    waiting: WaitingMessage | None


class Channels(Protocol):
    """The account's notification channels. A writing transaction locks the rows that it gets."""

    def add(self, channel: Channel) -> None:
        """Store a new channel."""

    def update(self, channel: Channel) -> None:
        """Overwrite its name, target, conditions, the age of a backlog, and whether it is active."""

    def delete(self, channel_id: ChannelId) -> None:
        """Delete a channel, its waiting message, and its notified problems."""

    def get(self, channel_id: ChannelId) -> ChannelState | None:
        """Return the channel with that id."""

    def all(self) -> list[ChannelState]:
        """Return all channels, oldest first. A quota bounds their number."""

    def notified(self) -> dict[ChannelId, list[NotifiedProblem]]:
        """Return the problems that the channels were notified of, by channel."""

    def forget(self, channel_id: ChannelId) -> None:
        """Delete a channel's waiting message and its notified problems, so that open ones are reported again."""

    def queue(self, channel_id: ChannelId, changes: Sequence[Change], message: Message, pace: Pace) -> None:
        """Store a message that is due now, and the problems of which it notifies the channel."""

    def set_pace(self, channel_id: ChannelId, pace: Pace) -> None:
        """Store the pace of a channel."""

    def postpone(self, channel_id: ChannelId, attempts: int, due_at: datetime) -> None:
        """Store when the waiting message is tried again."""

    def settle(self, channel_id: ChannelId, result: SendResult, *, is_over: bool) -> None:
        """Store the result of an attempt.

        Args:
            is_over: delete the waiting message, because it was sent or given up; False also for a test message.
        """


class DueNotifications(Protocol):
    """The channels of all accounts."""

    def accounts(self) -> list[AccountId]:
        """Return the accounts that have an active channel."""

    def due(self, now: datetime, limit: int) -> list[tuple[AccountId, ChannelId]]:
        """Return channels whose waiting message is due, the longest due first."""

    def email_channels(self) -> int:
        """Return the number of active e-mail channels."""


class Notifier(Protocol):
    """Sends messages to people."""

    def problem(self, kind: ChannelKind, address: str) -> str | None:
        """Return why no message can be sent to *address*; None: its form is valid and this kind is set up."""

    async def send(self, kind: ChannelKind, target: Target, message: Message, now: datetime) -> str | None:
        """Send a message within a deadline.

        Returns: what went wrong, in words, without a secret and without a text of the server; None: it was accepted.
        """

    async def check_email(self) -> str | None:
        """Sign in to the SMTP server, and send nothing. Return what went wrong; None: nothing, or none is set."""
