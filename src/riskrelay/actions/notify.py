"""Notify channels: find what changed, queue one message for each channel, and send the messages that are due.

A message is stored in the transaction that decides it, so a restart neither loses nor repeats one. A process that dies
between a send and its result repeats this one message, with the same id.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from msgspec.structs import replace

from riskrelay.actions.notification_channels import Notifying, send_message
from riskrelay.core.errors import Misconfigured
from riskrelay.core.integrations import AccountId
from riskrelay.core.notifications.channels import Channel, ChannelId
from riskrelay.core.notifications.deciding import Change, Pace, changes_for, next_attempt
from riskrelay.core.notifications.messages import Message, message_about
from riskrelay.core.notifications.problems import (
    Problem,
    delivery_problems,
    installation_problems,
    source_problems,
)
from riskrelay.ports import SendResult, Services, Transaction

_LEASE = timedelta(minutes=2)  # a process that sends ends long before another one tries again
_AT_ONCE = 16  # guessed: messages that one round sends at the same time

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """The changes of which one channel must be notified now."""

    channel: Channel
    pace: Pace
    changes: Sequence[Change]


async def queue_notifications(services: Services, notifying: Notifying) -> int:
    """Compare the open conditions with those that each channel was notified of, and queue messages on the differences.

    Several processes may do this: each decides again in the transaction that locks the channels.

    Returns: the number of messages.
    Raises: Unavailable.
    """
    accounts, keys = await services.store.read_installation(lambda tx: (tx.notifications.accounts(), tx.keys.all()))
    now = services.clock.now()
    of_installation = list(installation_problems(keys, services.store.load().disk_free_bytes, now))
    queued = 0
    for account_id in accounts:

        def due(tx: Transaction) -> list[_Due]:
            problems = [*of_installation, *_problems(tx, notifying.retention, now)]
            states, notified = tx.channels.all(), tx.channels.notified()
            # While a message waits, changes accumulate: the next message has them, unless they are over by then.
            all_due = [
                _Due(
                    channel=state.channel,
                    pace=state.pace,
                    changes=changes_for(state.channel, notified.get(state.channel.channel_id, []), problems, now),
                )
                for state in states
                if state.waiting is None
            ]
            return [one for one in all_due if one.changes or one.pace.held_since is not None]

        def store(tx: Transaction) -> int:
            return sum(_queue(tx, services, notifying, due=one, now=now) for one in due(tx))

        if await services.store.read(account_id, due):  # most rounds change nothing, so they lock nothing
            queued += await services.store.write(account_id, store)
    return queued


def _problems(tx: Transaction, retention: timedelta, now: datetime) -> list[Problem]:
    return [*delivery_problems(tx.health.streams(None), retention), *source_problems(tx.sources.all(), now)]


def _queue(tx: Transaction, services: Services, notifying: Notifying, *, due: _Due, now: datetime) -> int:
    """Queue the message of one channel, or note that the limit holds it back. Return the number of messages."""
    channel_id = due.channel.channel_id
    if not due.changes:  # what was held back is over
        tx.channels.set_pace(channel_id, replace(due.pace, held_since=None))
        return 0
    if not due.pace.has_room(now):
        if due.pace.held_since is None:
            tx.channels.set_pace(channel_id, due.pace.held(now))
        return 0
    message = message_about(
        due.channel,
        due.changes,
        message_id=f"msg_{services.ids.uuid()}",
        public_url=notifying.public_url,
        now=now,
        held_since=due.pace.held_since,
    )
    tx.channels.queue(channel_id, due.changes, message, pace=due.pace.with_message(now))
    return 1


async def send_notifications(services: Services, notifying: Notifying) -> bool:
    """Send the messages that are due, each once. One that fails is tried again later, and given up in the end.

    Returns: whether more may be due.
    Raises: Unavailable.
    """
    now = services.clock.now()
    due = await services.store.read_installation(lambda tx: tx.notifications.due(now, _AT_ONCE))
    await asyncio.gather(*(_send(services, notifying, account_id, channel_id) for account_id, channel_id in due))
    return len(due) == _AT_ONCE


async def _send(services: Services, notifying: Notifying, account_id: AccountId, channel_id: ChannelId) -> None:
    now = services.clock.now()

    def claim(tx: Transaction) -> tuple[Channel, Message, int] | None:
        state = tx.channels.get(channel_id)
        if state is None or state.waiting is None or state.waiting.due_at > now:
            return None  # another process sends it, or it was deleted
        attempts = state.waiting.attempts + 1
        tx.channels.postpone(channel_id, attempts, now + _LEASE)
        return state.channel, state.waiting.message, attempts

    claimed = await services.store.write(account_id, claim)
    if claimed is None:
        return
    channel, message, attempts = claimed
    try:
        result = await send_message(services, notifying, channel, message)
    except Misconfigured:
        problem = "the master key does not decrypt the target; set the target again"
        result = SendResult(services.clock.now(), problem)
    wait = None if result.problem is None else next_attempt(attempts)
    is_over = wait is None
    if result.problem is not None:
        _log.warning("notification_failed", channel_id=channel_id, attempts=attempts, problem=result.problem)
        if is_over:
            services.metrics.count_notification("given_up")

    def settle(tx: Transaction) -> None:
        state = tx.channels.get(channel_id)
        if state is None or state.waiting is None or state.waiting.message.message_id != message.message_id:
            return  # the channel was changed or deleted meanwhile
        tx.channels.settle(channel_id, result, is_over=is_over)
        if wait is not None:
            tx.channels.postpone(channel_id, attempts, result.at + wait)

    await services.store.write(account_id, settle)
