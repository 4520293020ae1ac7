"""The text of messages, for people and for programs. Pure. No message has a subject, a secret or a receiver's text."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from riskrelay.core.delivery.health import in_words
from riskrelay.core.notifications.channels import CONDITION_WORDS, Channel
from riskrelay.core.notifications.deciding import Change, News

SECRET_PREFIX = "whsec_"  # noqa: S105  the prefix of Standard Webhooks
MAX_SHOWN = 20  # chosen: a message that a person reads; the console has all
EVENT_TYPE = "riskrelay.notification"

_STATE_WORDS = {News.OPENED: "", News.STILL_OPEN: "Still: ", News.CLEARED: "Over: "}


class Entry(Struct, frozen=True, kw_only=True):
    """A change in a message.

    Attributes:
        reason, remedy: empty: it is over.
        url: the console's page.
    """

    news: News
    condition: str
    title: str
    name: str
    id: str
    reason: str
    remedy: str
    url: str


class Message(Struct, frozen=True, kw_only=True):
    """A message that is ready to be sent.

    Attributes:
        message_id: the same in each attempt, so that a receiver can recognize it.
        title: one line.
        intro: a sentence before the entries; empty: none.
        more: the number of further changes.
    """

    message_id: str
    at: datetime
    account: str
    channel: str
    title: str
    intro: str
    entries: tuple[Entry, ...]
    more: int
    url: str


def message_about(
    channel: Channel,
    changes: Sequence[Change],
    *,
    message_id: str,
    public_url: str,
    now: datetime,
    held_since: datetime | None,
) -> Message:
    """Return the message about *changes*.

    Args:
        held_since: since when the limit has held changes back; None: it has not.
    """
    base = _console_of(channel, public_url)
    entries = tuple(_entry(change, base) for change in changes[:MAX_SHOWN])
    intro = ""
    if held_since is not None:
        intro = f"Summary of the last {in_words(now - held_since)}, because this channel had reached its hourly limit."
    return Message(
        message_id=message_id,
        at=now,
        account=channel.account_id,
        channel=channel.name,
        title=_title(entries, len(changes)),
        intro=intro,
        entries=entries,
        more=len(changes) - len(entries),
        url=base,
    )


def sample_message(channel: Channel, *, message_id: str, public_url: str, now: datetime) -> Message:
    """Return a message that only shows that the channel works."""
    return Message(
        message_id=message_id,
        at=now,
        account=channel.account_id,
        channel=channel.name,
        title=f"Test of the channel {channel.name}",
        intro="This is a test. Notifications of this channel arrive here.",
        entries=(),
        more=0,
        url=_console_of(channel, public_url),
    )


def _console_of(channel: Channel, public_url: str) -> str:
    """Return the address of the account's console."""
    return f"{public_url}/console/accounts/{quote(channel.account_id, safe='')}"


def _entry(change: Change, base: str) -> Entry:
    notified, problem = change.notified, change.problem
    page = () if problem is None else problem.page
    return Entry(
        news=change.news,
        condition=notified.condition.value,
        title=f"{_STATE_WORDS[change.news]}{CONDITION_WORDS[notified.condition]}",
        name=notified.name,
        id=notified.thing_id,
        reason="" if problem is None else problem.reason,
        remedy="" if problem is None else problem.remedy,
        url="/".join([base, *(quote(part, safe="") for part in page)]),
    )


def _title(entries: Sequence[Entry], count: int) -> str:
    first = f"{entries[0].title}: {entries[0].name}"
    return first if count == 1 else f"{first}, and {count - 1:,} more"


def one_line(text: str) -> str:
    """Return *text* with control characters and line breaks as spaces, so that it can be a header.

    >>> one_line("a\\r\\nBcc: b")
    'a  Bcc: b'
    """
    return "".join(character if character.isprintable() else " " for character in text)


def plain_text(message: Message) -> str:
    """Return the text of an e-mail."""
    parts = [message.intro] if message.intro else []
    parts += [
        "\n".join(filter(None, [f"{entry.title}: {one_line(entry.name)}", entry.reason, entry.remedy, entry.url]))
        for entry in message.entries
    ]
    if message.more:
        parts.append(f"And {message.more:,} more: {message.url}")
    parts.append(
        f"Account {message.account}, channel {one_line(message.channel)}: {message.url}/settings/notifications"
    )
    return "\n\n".join(parts) + "\n"


def slack_body(message: Message) -> bytes:
    """Return the body for an incoming webhook of Slack, Mattermost and others."""
    lines = [f"*{_escaped(message.title)}*"]
    lines += [_escaped(message.intro)] if message.intro else []
    for entry in message.entries:
        lines.append(f"• <{entry.url}|{_escaped(f'{entry.title}: {entry.name}')}>")
        lines += [f"   {_escaped(text)}" for text in (entry.reason, entry.remedy) if text]
    lines += [f"And {message.more:,} more: <{message.url}|open the console>"] if message.more else []
    return msgspec.json.encode({"text": "\n".join(lines)})


def _escaped(text: str) -> str:
    """Return *text* so that no part of it is a link, a mention or formatting.

    Rule: Slack, "Formatting text for app surfaces": &, < and > are escaped. Mattermost reads mentions after a plain @.
    """
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace("@", "@\N{ZERO WIDTH SPACE}").replace("|", "\N{BROKEN BAR}")


def webhook_body(message: Message) -> bytes:
    """Return the body for a webhook. Rule: Standard Webhooks, "Payload structure"."""
    data: dict[str, Any] = {
        "account": message.account,
        "channel": message.channel,
        "title": message.title,
        "intro": message.intro,
        "changes": message.entries,
        "more": message.more,
        "url": message.url,
    }
    return msgspec.json.encode({"type": EVENT_TYPE, "timestamp": message.at, "data": data})


def webhook_headers(secret: str, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers that sign a webhook.

    Args:
        now: the time of this attempt.

    Rule: Standard Webhooks, "Signature scheme": HMAC-SHA256 of `id.timestamp.body` with the decoded secret.
    """
    timestamp = int(now.timestamp())
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = hmac.new(key, b"%b.%d.%b" % (message_id.encode(), timestamp, body), sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{b64encode(signed).decode()}",
    }
