"""Notification channels: add, change and delete them, and send a test."""

from base64 import b64encode, urlsafe_b64decode
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.errors import Fault, FaultKind, Invalid, found
from riskrelay.core.integrations import AccountId
from riskrelay.core.notifications.channels import (
    Channel,
    ChannelId,
    ChannelKind,
    Condition,
    Target,
    shown_part,
)
from riskrelay.core.notifications.deciding import MESSAGES_PER_HOUR
from riskrelay.core.notifications.messages import SECRET_PREFIX, Message, sample_message
from riskrelay.core.quotas import refuse_above
from riskrelay.ports import ChannelState, Notifier, SendResult, Services, Transaction, Vault

_TARGET: msgspec.json.Decoder[Target] = msgspec.json.Decoder(Target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifying:
    """The dependencies of notifications besides `Services`.

    Attributes:
        public_url: where the console is.
        retention: how long undelivered events are kept.
    """

    vault: Vault
    notifier: Notifier
    public_url: str
    retention: timedelta


class WantedChannel(Struct, frozen=True, kw_only=True):
    """The channel that a client requests.

    Attributes:
        address: an e-mail address or a URL; None in a change: it stays.
    """

    name: str
    conditions: frozenset[Condition]
    backlog_after: timedelta
    active: bool
    address: str | None = None


@dataclass(frozen=True, slots=True)
class AddedChannel:
    """A new channel.

    Attributes:
        secret: what signs the messages of a webhook. It cannot be shown again. None for other kinds.
    """

    state: ChannelState
    secret: str | None


async def add_channel(
    services: Services,
    notifying: Notifying,
    account_id: AccountId,
    actor: Actor,
    *,
    kind: ChannelKind,
    wanted: WantedChannel,
) -> AddedChannel:
    """Store a new channel. Conditions that are open are reported within a minute.

    Raises: Invalid: the address cannot be used, or the account has too many channels.
    """
    address = wanted.address or ""
    _refuse_address(notifying, kind, address)
    now = services.clock.now()
    secret = _new_secret(services) if kind is ChannelKind.WEBHOOK else None
    channel = Channel(
        account_id=account_id,
        channel_id=ChannelId(services.ids.ordered_uuid()),
        kind=kind,
        name=wanted.name,
        shown_target="",
        sealed_target=b"",
        conditions=wanted.conditions,
        backlog_after=wanted.backlog_after,
        active=wanted.active,
        created_at=now,
    )
    channel = _with_target(notifying, channel, Target(address=address, secret=secret))
    entry = services.audit_entry(actor, Verb.CREATED, Kind.CHANNEL, channel.channel_id, at=now)

    def store(tx: Transaction) -> ChannelState:
        count = len(tx.channels.all())
        refuse_above(services.quotas.notification_channels, count, "notification channels", "delete one")
        tx.channels.add(channel)
        tx.audit.record(entry)
        return found(tx.channels.get(channel.channel_id))

    return AddedChannel(await services.store.write(account_id, store), secret)


async def change_channel(
    services: Services,
    notifying: Notifying,
    account_id: AccountId,
    actor: Actor,
    *,
    channel_id: ChannelId,
    wanted: WantedChannel,
) -> ChannelState:
    """Overwrite a channel, except its kind. The conditions that are open are reported again.

    Raises: NotFound: no such channel in this account; Invalid: the address cannot be used.
    """
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.CHANNEL, channel_id)

    def store(tx: Transaction) -> ChannelState:
        stored = found(tx.channels.get(channel_id)).channel
        changed = replace(
            stored,
            name=wanted.name,
            conditions=wanted.conditions,
            backlog_after=wanted.backlog_after,
            active=wanted.active,
        )
        if wanted.address is not None:
            _refuse_address(notifying, stored.kind, wanted.address)
            target = replace(opened_target(notifying.vault, stored), address=wanted.address)
            changed = _with_target(notifying, changed, target)
        if changed != stored:
            tx.channels.update(changed)
            tx.channels.forget(channel_id)
            tx.audit.record(entry)
        return found(tx.channels.get(channel_id))

    return await services.store.write(account_id, store)


async def delete_channel(services: Services, account_id: AccountId, actor: Actor, channel_id: ChannelId) -> None:
    """Delete a channel with its waiting message.

    Raises: NotFound: no such channel in this account.
    """
    entry = services.audit_entry(actor, Verb.DELETED, Kind.CHANNEL, channel_id)

    def store(tx: Transaction) -> None:
        found(tx.channels.get(channel_id))
        tx.channels.delete(channel_id)
        tx.audit.record(entry)

    await services.store.write(account_id, store)


async def send_test(
    services: Services, notifying: Notifying, account_id: AccountId, actor: Actor, *, channel_id: ChannelId
) -> SendResult:
    """Send a test message now, once, also if the channel is not active. It counts for the channel's hourly limit.

    Raises:
        NotFound: no such channel in this account.
        Invalid: the hourly limit is reached.
    """
    now = services.clock.now()
    entry = services.audit_entry(actor, Verb.SENT, Kind.CHANNEL, channel_id, at=now)

    def begin(tx: Transaction) -> Channel:
        state = found(tx.channels.get(channel_id))
        if not state.pace.has_room(now):
            until = state.pace.free_at(now).strftime("%H:%M UTC")
            message = f"this channel got {MESSAGES_PER_HOUR} messages within an hour; try again at {until}"
            raise Invalid([Fault(FaultKind.QUOTA_REACHED, "", message)])
        tx.channels.set_pace(channel_id, replace(state.pace.with_message(now), held_since=state.pace.held_since))
        tx.audit.record(entry)
        return state.channel

    channel = await services.store.write(account_id, begin)
    message = sample_message(channel, message_id=f"msg_{services.ids.uuid()}", public_url=notifying.public_url, now=now)
    result = await send_message(services, notifying, channel, message)
    await services.store.write(account_id, lambda tx: tx.channels.settle(channel_id, result, is_over=False))
    return result


async def send_message(services: Services, notifying: Notifying, channel: Channel, message: Message) -> SendResult:
    """Make one attempt to send *message*.

    Raises: Misconfigured: the master key does not open the channel's target.
    """
    target = opened_target(notifying.vault, channel)
    problem = await notifying.notifier.send(channel.kind, target, message, services.clock.now())
    services.metrics.count_notification("sent" if problem is None else "failed")
    return SendResult(services.clock.now(), problem)


def opened_target(vault: Vault, channel: Channel) -> Target:
    """Return the target of a channel.

    Raises: Misconfigured: it was sealed under another master key.
    """
    return _TARGET.decode(vault.open(channel.sealed_target, channel.row))


def _with_target(notifying: Notifying, channel: Channel, target: Target) -> Channel:
    sealed = notifying.vault.seal(msgspec.json.encode(target), channel.row)
    return replace(channel, sealed_target=sealed, shown_target=shown_part(channel.kind, target.address))


def _refuse_address(notifying: Notifying, kind: ChannelKind, address: str) -> None:
    problem = notifying.notifier.problem(kind, address)
    if problem is not None:
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "/target", problem)])


def _new_secret(services: Services) -> str:
    return SECRET_PREFIX + b64encode(urlsafe_b64decode(services.ids.secret() + "=")).decode()
