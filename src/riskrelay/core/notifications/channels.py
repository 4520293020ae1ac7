"""Channels: where an account's notifications go, and about which conditions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType
from urllib.parse import urlsplit

from msgspec import Struct

from riskrelay.core.integrations import AccountId
from riskrelay.core.keys import sealed_row

ChannelId = NewType("ChannelId", str)

MAX_NAME_CHARACTERS = 100  # chosen: a few words
MAX_TARGET_CHARACTERS = 2_048  # chosen: like other URLs
MIN_BACKLOG, MAX_BACKLOG = timedelta(minutes=1), timedelta(days=30)
DEFAULT_BACKLOG = timedelta(hours=1)  # guessed: longer than the restart of a receiver


class ChannelKind(StrEnum):
    """How a channel is reached."""

    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"


class Condition(StrEnum):
    """What a channel can be notified of."""

    PAUSED = "integration_paused"
    REJECTING = "integration_rejecting"
    BACKLOG = "backlog"
    DEAD_LETTERS = "dead_letters"
    SILENT_SOURCE = "source_silent"
    DISK = "disk"
    KEY_ROTATION = "key_rotation"


CONDITION_WORDS: Mapping[Condition, str] = {
    Condition.PAUSED: "Integration paused",
    Condition.REJECTING: "Integration rejects events",
    Condition.BACKLOG: "Events wait too long",
    Condition.DEAD_LETTERS: "Dead letters",
    Condition.SILENT_SOURCE: "Source silent",
    Condition.DISK: "Disk of the database nearly full",
    Condition.KEY_ROTATION: "Key rotation due",
}
"""What people read instead of the code."""


class Channel(Struct, frozen=True, kw_only=True):
    """A channel.

    Attributes:
        shown_target: the part of the target that is no secret: an e-mail address, or the origin of a URL.
        sealed_target: the `Target`, sealed under the master key.
        backlog_after: the condition BACKLOG opens when the oldest waiting event of an integration is older.
        active: whether notifications are sent.
    """

    account_id: AccountId
    channel_id: ChannelId
    kind: ChannelKind
    name: str
    shown_target: str
    sealed_target: bytes
    conditions: frozenset[Condition]
    backlog_after: timedelta
    active: bool
    created_at: datetime

    @property
    def row(self) -> str:
        """The name that its target is sealed under."""
        return sealed_row("notification_channels", self.account_id, self.channel_id)


class Target(Struct, frozen=True, kw_only=True):
    """Where a channel's messages go.

    Attributes:
        address: an e-mail address or a URL.
        secret: the secret that signs the messages of a webhook, beginning with `whsec_`; None for other kinds.
    """

    address: str
    secret: str | None = None


def shown_part(kind: ChannelKind, address: str) -> str:
    """Return the part of a target that is no secret: the path of a Slack URL is one.

    >>> shown_part(ChannelKind.SLACK, "https://hooks.slack.com/services/T0/B0/secret")
    'https://hooks.slack.com/…'
    """
    if kind is ChannelKind.EMAIL:
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/…"


def name_problem(name: str) -> str | None:
    """Return the problem of a channel's name; None if it is valid."""
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS:
        return f"must have 1 to {MAX_NAME_CHARACTERS} characters"
    return None if name.isprintable() else "must not contain control characters or line breaks"
