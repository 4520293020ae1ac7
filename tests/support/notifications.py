"""Channels, changes and messages of notifications, for tests that decide and send them."""

from datetime import timedelta

from riskrelay.core.integrations import AccountId
from riskrelay.core.notifications.channels import Channel, ChannelId, ChannelKind, Condition
from riskrelay.core.notifications.deciding import Change, News, NotifiedProblem
from riskrelay.core.notifications.messages import Message, message_about
from riskrelay.core.notifications.problems import Problem
from support.services import NOON

HOUR = timedelta(hours=1)
HOSTILE = "x\r\nBcc: evil@example.com\r\n\r\n<!channel> <https://evil.example|click> @all &"
CHANNEL = Channel(
    account_id=AccountId("acme"),
    channel_id=ChannelId("1"),
    kind=ChannelKind.WEBHOOK,
    name="Ops",
    shown_target="https://hooks.example.com/…",
    sealed_target=b"",
    conditions=frozenset({Condition.PAUSED, Condition.BACKLOG}),
    backlog_after=HOUR,
    active=True,
    created_at=NOON,
)


def change(name: str = "okta", thing_id: str = "i1", news: News = News.OPENED) -> Change:
    """A change about a paused integration."""
    notified = NotifiedProblem(
        condition=Condition.PAUSED, thing_id=thing_id, name=name, opened_at=NOON, notified_at=NOON
    )
    problem = Problem(
        condition=Condition.PAUSED,
        thing_id=thing_id,
        name=name,
        reason="Paused by an operator.",
        remedy="Resume the integration.",
        page=("integrations", "a/b"),
    )
    return Change(news=news, notified=notified, problem=None if news is News.CLEARED else problem)


def message(*changes: Change, held: bool = False) -> Message:
    """A message about *changes*; with *held*, the limit has held them back for an hour."""
    return message_about(
        CHANNEL,
        changes,
        message_id="msg_1",
        public_url="https://risk.example.com",
        now=NOON,
        held_since=NOON - HOUR if held else None,
    )
