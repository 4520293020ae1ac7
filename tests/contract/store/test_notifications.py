"""Notifications in both stores, sent to real servers: notified once, repeated, limited, retried, given up."""

import base64
import hmac
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from riskrelay.actions.account_deletion import continue_deletions, delete_account
from riskrelay.actions.notification_channels import (
    AddedChannel,
    Notifying,
    WantedChannel,
    add_channel,
    change_channel,
    send_test,
)
from riskrelay.actions.notify import queue_notifications, send_notifications
from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.actions.sources import WantedSource, change_source, create_source
from riskrelay.core.audit import Kind
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import FaultKind, Invalid
from riskrelay.core.notifications.channels import Channel, ChannelKind, Condition
from riskrelay.core.notifications.deciding import MAX_ATTEMPTS, MESSAGES_PER_HOUR, REPEAT_AFTER, next_attempt
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import ChannelState, Store
from riskrelay.push.mail import read_mail_server
from riskrelay.push.notifying import MessageSender
from riskrelay.push.targets import PushTargets
from support.delivering import World, world_of
from support.inboxes import Hook, hook, mailbox
from support.receivers import LOCAL, NOTHING_LISTED, push_client
from support.services import HandClock
from support.transmitting import notifying_of, transmitting_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding, record

REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LOCAL_SENDER = MessageSender(lambda: push_client(deadline=60), PushTargets(LOCAL), None)


class Desk:
    """An account with an integration, and a receiver of its notifications."""

    def __init__(self, world: World, hook: Hook) -> None:
        self.world = world
        self.services = world.services
        self.hook = hook
        self.notifying = notifying_of(LOCAL_SENDER)

    @property
    def clock(self) -> HandClock:
        clock = self.services.clock
        assert isinstance(clock, HandClock)
        return clock

    async def add(self, *conditions: Condition, path: str = "/hook", **members: Any) -> AddedChannel:
        """Add a webhook; without conditions, of all."""
        given = {"name": "Ops", "backlog_after": HOUR, "active": True, **members}
        chosen = frozenset(conditions or Condition)
        wanted = WantedChannel(conditions=chosen, address=self.hook.url + path, **given)
        return await add_channel(
            self.services, self.notifying, ACCOUNT, COMMAND_LINE, kind=ChannelKind.WEBHOOK, wanted=wanted
        )

    async def round(self, notifying: Notifying | None = None) -> list[tuple[str, str]]:
        """Queue and send as the chores do. Return what arrived: each change's news and condition."""
        before = len(self.hook.requests)
        await queue_notifications(self.services, notifying or self.notifying)
        await send_notifications(self.services, notifying or self.notifying)
        return [
            (change["news"], change["condition"])
            for _, _, body in self.hook.requests[before:]
            for change in msgspec.json.decode(body)["data"]["changes"]
        ]

    async def pause(self) -> None:
        await pause_integration(
            self.services, ACCOUNT, COMMAND_LINE, self.world.integration.integration_id, reason="Maintenance"
        )

    async def resume(self) -> None:
        await resume_integration(self.services, ACCOUNT, COMMAND_LINE, self.world.integration.integration_id)

    async def state(self) -> ChannelState:
        (state,) = await self.services.store.read(ACCOUNT, lambda tx: tx.channels.all())
        return state


@pytest.fixture
def inbox() -> Iterator[Hook]:
    with hook() as running:
        yield running


@pytest.fixture
async def desk(store: Store, inbox: Hook) -> Desk:
    return Desk(await world_of(store, HandClock()), inbox)


async def test_a_pause_is_reported_once_and_its_end_once(desk: Desk) -> None:
    """With the name, the reason, the remedy and a link; another process, or a restart, repeats nothing."""
    await desk.add()
    assert await desk.round() == []
    await desk.pause()
    assert await desk.round() == [("opened", "integration_paused")]
    ((path, _, body),) = desk.hook.requests
    (change,) = msgspec.json.decode(body)["data"]["changes"]
    integration = desk.world.integration
    assert (path, change["name"], change["id"]) == ("/hook", integration.reference_id, integration.integration_id)
    assert "Paused by an operator" in change["reason"]
    assert "resume the integration" in change["remedy"]
    assert change["url"].endswith(f"/console/accounts/acme/integrations/{integration.integration_id}")
    assert await desk.round(notifying_of(LOCAL_SENDER)) == []
    await desk.resume()
    assert await desk.round() == [("cleared", "integration_paused")]
    assert await desk.round() == []


async def test_a_webhook_is_signed_with_its_secret(desk: Desk) -> None:
    """Over the id, the time and the body. The secret is at rest only encrypted, bound to its row."""
    added = await desk.add()
    await desk.pause()
    await desk.round()
    ((_, headers, body),) = desk.hook.requests
    assert added.secret is not None
    key = base64.b64decode(added.secret.removeprefix("whsec_"))
    assert len(key) == 32
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["content-type"] == "application/json"
    channel = (await desk.state()).channel
    assert added.secret.encode() not in channel.sealed_target
    assert desk.hook.url.encode() not in channel.sealed_target
    assert channel.shown_target == f"{desk.hook.url}/…"


async def test_every_condition_of_delivery_is_found(desk: Desk) -> None:
    """Rejecting, dead letters, and a backlog older than the channel's own time; no user is named."""
    await desk.add(backlog_after=MINUTE)
    desk.world.receiver.answers = lambda email: REFUSED
    await record(desk.services, *(finding(f"u{number}@example.com") for number in range(3)))
    await desk.world.deliver_once(256)
    assert sorted(await desk.round()) == [("opened", "dead_letters"), ("opened", "integration_rejecting")]
    assert b"u1@example.com" not in b"".join(body for _, _, body in desk.hook.requests)


async def test_a_backlog_is_reported_when_it_is_older_than_the_channel_says(desk: Desk) -> None:
    """By the age of the oldest waiting event."""
    await desk.add(Condition.BACKLOG, backlog_after=timedelta(0))
    await desk.add(Condition.BACKLOG, path="/patient", backlog_after=10_000 * DAY)
    await record(desk.services, finding())
    assert await desk.round() == [("opened", "backlog")]
    assert [path for path, _, _ in desk.hook.requests] == ["/hook"]


async def test_a_silent_source_is_reported_until_it_sends_again(desk: Desk) -> None:
    """A source that is not active is not silent."""
    await desk.add(Condition.SILENT_SOURCE)
    wanted = WantedSource(kind="okta_system_log", name="Okta log", silent_after=HOUR)
    created = await create_source(desk.services, transmitting_of().signals, ACCOUNT, COMMAND_LINE, wanted=wanted)
    source_id = created.source.source_id
    sent_at = desk.clock.now()
    await desk.services.store.write(ACCOUNT, lambda tx: tx.sources.note(source_id, {}, sent_at))
    assert await desk.round() == []
    desk.clock.pass_time(2 * HOUR)
    assert await desk.round() == [("opened", "source_silent")]
    await change_source(
        desk.services,
        ACCOUNT,
        COMMAND_LINE,
        source_id,
        change=lambda one: msgspec.structs.replace(one, active=False),
    )
    assert await desk.round() == [("cleared", "source_silent")]


async def test_conditions_of_the_installation_go_to_each_account_that_chose_them(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is nearly full. With PostgreSQL the free space is not known, so the condition never opens."""
    await desk.add(Condition.DISK, Condition.KEY_ROTATION)
    load = desk.services.store.load()
    knows_disk = load.disk_free_bytes is not None
    assert await desk.round() == []
    monkeypatch.setattr("riskrelay.core.notifications.problems.LOW_DISK_BYTES", 10**18)
    assert await desk.round() == ([("opened", "disk")] if knows_disk else [])


async def test_what_lasts_is_repeated_after_a_day(desk: Desk) -> None:
    """Not before."""
    await desk.add(Condition.PAUSED)
    await desk.pause()
    assert await desk.round() == [("opened", "integration_paused")]
    desk.clock.pass_time(REPEAT_AFTER - MINUTE)
    assert await desk.round() == []
    desk.clock.pass_time(MINUTE)
    assert await desk.round() == [("still_open", "integration_paused")]


async def test_a_flapping_condition_is_summarized_after_ten_messages(desk: Desk) -> None:
    """In the next hour there is one message with what is different by then, and it says why."""
    await desk.add(Condition.PAUSED)
    arrived = []
    for number in range(MESSAGES_PER_HOUR + 5):
        await (desk.resume() if number % 2 else desk.pause())
        arrived += await desk.round()
    assert len(arrived) == MESSAGES_PER_HOUR
    desk.clock.pass_time(HOUR)
    assert await desk.round() == [("opened", "integration_paused")]
    assert "hourly limit" in msgspec.json.decode(desk.hook.requests[-1][2])["data"]["intro"]
    assert (await desk.state()).pace.held_since is None


async def test_a_failed_message_is_tried_again_with_the_same_id(desk: Desk) -> None:
    """After a minute. Meanwhile the channel shows what went wrong, without the server's text."""
    await desk.add(Condition.PAUSED)
    desk.hook.statuses = [503]
    await desk.pause()
    await desk.round()
    state = await desk.state()
    assert state.result is not None
    assert state.result.problem == "the receiver answered HTTP 503"
    await desk.round()
    assert len(desk.hook.requests) == 1
    desk.clock.pass_time(MINUTE)
    await desk.round()
    first, second = desk.hook.requests
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    state = await desk.state()
    assert (state.waiting, state.result and state.result.problem) == (None, None)


async def test_a_message_is_given_up_in_the_end(desk: Desk) -> None:
    """A redirect is a failure: it is never followed. The metrics count each attempt."""
    await desk.add(Condition.PAUSED)
    desk.hook.statuses = [302] * MAX_ATTEMPTS
    await desk.pause()
    for attempts in range(1, MAX_ATTEMPTS + 2):
        await desk.round()
        desk.clock.pass_time(next_attempt(attempts) or HOUR)
    assert len(desk.hook.requests) == MAX_ATTEMPTS
    assert (await desk.state()).waiting is None
    exposed = (await desk.services.metrics.exposition(None, desk.services.store.load(), writable=True)).decode()
    assert f'riskrelay_notifications_total{{result="failed"}} {MAX_ATTEMPTS}.0' in exposed
    assert 'riskrelay_notifications_total{result="given_up"} 1.0' in exposed


async def test_a_process_that_died_while_it_sent_is_followed_by_another(desk: Desk) -> None:
    """After two minutes, with the same id."""
    await desk.add(Condition.PAUSED)
    await desk.pause()
    await queue_notifications(desk.services, desk.notifying)
    state = await desk.state()
    due_at = desk.clock.now() + 2 * MINUTE  # as the process that claimed it wrote
    await desk.services.store.write(ACCOUNT, lambda tx: tx.channels.postpone(state.channel.channel_id, 1, due_at))
    await send_notifications(desk.services, desk.notifying)
    assert desk.hook.requests == []
    desk.clock.pass_time(2 * MINUTE)
    await send_notifications(desk.services, desk.notifying)
    assert len(desk.hook.requests) == 1


async def test_a_private_address_is_refused_when_it_is_dialled(desk: Desk) -> None:
    """Although the form of the URL was accepted, for example because the name led elsewhere then."""
    await desk.add(Condition.PAUSED)
    strict = MessageSender(lambda: push_client(NOTHING_LISTED, deadline=60), PushTargets(LOCAL), None)
    await desk.pause()
    await desk.round(notifying_of(strict))
    state = await desk.state()
    assert desk.hook.requests == []
    assert state.result is not None
    assert "private or loopback address" in str(state.result.problem)


async def test_a_test_is_sent_at_once_and_counts_for_the_limit(desk: Desk) -> None:
    """To an inactive channel, too; the audit log has it."""
    added = await desk.add(active=False)
    channel_id = added.state.channel.channel_id
    for _ in range(MESSAGES_PER_HOUR):
        result = await send_test(desk.services, desk.notifying, ACCOUNT, COMMAND_LINE, channel_id=channel_id)
        assert result.problem is None
    with pytest.raises(Invalid) as refused:
        await send_test(desk.services, desk.notifying, ACCOUNT, COMMAND_LINE, channel_id=channel_id)
    assert refused.value.faults[0].kind is FaultKind.QUOTA_REACHED
    assert len(desk.hook.requests) == MESSAGES_PER_HOUR
    entries = await desk.services.store.read(ACCOUNT, lambda tx: tx.audit.page(Kind.CHANNEL, None, 100))
    assert {entry.verb.value for entry in entries} == {"created", "sent"}


async def test_a_changed_channel_is_reported_again(desk: Desk) -> None:
    """Of what it wants now. Another target keeps the secret."""
    added = await desk.add(Condition.PAUSED)
    await desk.pause()
    await desk.round()
    wanted = WantedChannel(
        name="Ops 2", conditions=frozenset({Condition.PAUSED}), backlog_after=HOUR, active=True, address=desk.hook.url
    )
    channel_id = added.state.channel.channel_id
    await change_channel(desk.services, desk.notifying, ACCOUNT, COMMAND_LINE, channel_id=channel_id, wanted=wanted)
    assert await desk.round() == [("opened", "integration_paused")]
    (_, _, body) = desk.hook.requests[-1]
    assert msgspec.json.decode(body)["data"]["channel"] == "Ops 2"


async def test_an_email_channel_sends_mails(desk: Desk) -> None:
    """Through the operator's server. Without one, the channel is refused with the name of the setting."""
    wanted = WantedChannel(
        name="Ops", conditions=frozenset(Condition), backlog_after=HOUR, active=True, address="ops@example.com"
    )

    async def add(notifying: Notifying) -> Channel:
        added = await add_channel(
            desk.services, notifying, ACCOUNT, COMMAND_LINE, kind=ChannelKind.EMAIL, wanted=wanted
        )
        return added.state.channel

    with pytest.raises(Invalid, match="RISKRELAY_SMTP_URL"):
        await add(desk.notifying)
    with mailbox() as box:
        server = read_mail_server(f"smtp://127.0.0.1:{box.port}?starttls=no", "riskrelay@example.com")
        by_mail = notifying_of(MessageSender(push_client, PushTargets(LOCAL), server, MINUTE))
        assert (await add(by_mail)).shown_target == "ops@example.com"
        await desk.pause()
        await desk.round(by_mail)
    (mail,) = box.mails
    assert "Integration paused" in mail["Subject"]
    assert await desk.services.store.read_installation(lambda tx: tx.notifications.email_channels()) == 1


async def test_channels_of_a_deleted_account_are_silent_and_deleted(desk: Desk) -> None:
    """A waiting message is not sent, and the other account's channels are untouched."""
    await account_with_integration(desk.services, OTHER)
    await desk.add(Condition.PAUSED)
    await desk.pause()
    await queue_notifications(desk.services, desk.notifying)
    await delete_account(desk.services, ACCOUNT, COMMAND_LINE)
    await send_notifications(desk.services, desk.notifying)
    assert desk.hook.requests == []
    while await continue_deletions(desk.services):
        pass
    assert await desk.services.store.read(ACCOUNT, lambda tx: tx.channels.all()) == []


async def test_an_account_has_a_bounded_number_of_channels(desk: Desk) -> None:
    """Twenty."""
    for _ in range(desk.services.quotas.notification_channels):
        await desk.add(Condition.DISK)
    with pytest.raises(Invalid) as refused:
        await desk.add(Condition.DISK)
    assert refused.value.faults[0].kind is FaultKind.QUOTA_REACHED
