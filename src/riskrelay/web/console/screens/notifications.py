"""Settings: notification channels."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from riskrelay.actions.notification_channels import (
    Notifying,
    add_channel,
    change_channel,
    delete_channel,
    send_test,
)
from riskrelay.core.errors import Invalid, found
from riskrelay.core.notifications.channels import (
    CONDITION_WORDS,
    DEFAULT_BACKLOG,
    Channel,
    ChannelId,
    ChannelKind,
    Condition,
)
from riskrelay.ports import ChannelState, SendResult, Services
from riskrelay.web.account_api.notification_channels import ChannelBody, NewChannelBody
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.named import id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

KIND_WORDS: Mapping[ChannelKind, str] = {
    ChannelKind.EMAIL: "Email",
    ChannelKind.SLACK: "Slack or compatible",
    ChannelKind.WEBHOOK: "Webhook, signed",
}
_MINUTE = timedelta(minutes=1)


class NotificationScreens:
    """The handlers of notification channels."""

    def __init__(self, services: Services, pages: Pages, notifying: Notifying) -> None:
        self._services = services
        self._pages = pages
        self._notifying = notifying

    async def show(self, visit: Visit) -> Response:
        """Show the channels, and a form that adds one."""
        return await self._all(visit)

    async def add(self, visit: Visit) -> Response:
        """Add a channel. Only this page shows the secret of a webhook."""
        fields = {**_fields(visit), "kind": visit.form.get("kind", ""), "active": True}
        try:
            body = read_fields(NewChannelBody, fields)
            added = await add_channel(
                self._services, self._notifying, visit.account, visit.actor, kind=body.kind, wanted=body.wanted()
            )
        except Invalid as error:
            return await self._all(visit, 400, problems=problems_of(error))
        if added.secret is None:
            return self._pages.see(self._path(visit, added.state.channel.channel_id), done="channel-added")
        return await self._one(visit, added.state.channel.channel_id, secret=added.secret)

    async def show_one(self, visit: Visit) -> Response:
        """Show a channel: the problems that it was notified of, its last result, and its settings."""
        return await self._one(visit, _channel_id(visit))

    async def change(self, visit: Visit) -> Response:
        """Overwrite a channel. An empty target stays."""
        channel_id = _channel_id(visit)
        try:
            body = read_fields(ChannelBody, {**_fields(visit), "active": visit.form.get("active") == "on"})
            await change_channel(
                self._services, self._notifying, visit.account, visit.actor, channel_id=channel_id, wanted=body.wanted()
            )
        except Invalid as error:
            return await self._one(visit, channel_id, 400, problems=problems_of(error))
        return self._pages.see(self._path(visit, channel_id), done="saved")

    async def test(self, visit: Visit) -> Response:
        """Send a test message now, and show its result."""
        channel_id = _channel_id(visit)
        try:
            result = await send_test(self._services, self._notifying, visit.account, visit.actor, channel_id=channel_id)
        except Invalid as error:
            return await self._one(visit, channel_id, 400, problems=problems_of(error))
        return await self._one(visit, channel_id, tested=result)

    async def delete(self, visit: Visit) -> Response:
        """Delete a channel."""
        await delete_channel(self._services, visit.account, visit.actor, _channel_id(visit))
        return self._pages.see(self._path(visit), done="channel-deleted")

    async def _all(self, visit: Visit, status: int = 200, problems: Mapping[str, str] | None = None) -> Response:
        states = await self._services.store.read(visit.account, lambda tx: tx.channels.all())
        return self._pages.page(
            visit,
            "notifications.html",
            status,
            states=states,
            state_of=_state_of,
            no_email=self._notifying.notifier.problem(ChannelKind.EMAIL, "someone@example.com"),
            **_form(visit.form, visit.form.getlist("conditions") or list(Condition), DEFAULT_BACKLOG, problems),
        )

    async def _one(
        self,
        visit: Visit,
        channel_id: ChannelId,
        status: int = 200,
        *,
        secret: str | None = None,
        tested: SendResult | None = None,
        problems: Mapping[str, str] | None = None,
    ) -> Response:
        state, notified = await self._services.store.read(
            visit.account, lambda tx: (tx.channels.get(channel_id), tx.channels.notified())
        )
        channel = found(state).channel
        return self._pages.page(
            visit,
            "notification_channel.html",
            status,
            state=state,
            channel=channel,
            state_of=_state_of,
            notified=notified.get(channel_id, []),
            secret=secret,
            tested=tested,
            **_form(_filled(channel), channel.conditions, channel.backlog_after, problems),
        )

    def _path(self, visit: Visit, *channel_id: ChannelId) -> str:
        return account_path(visit.account, "settings", "notifications", *channel_id)


def _fields(visit: Visit) -> dict[str, Any]:
    """Return the members of the API from the fields of a form."""
    minutes = visit.form.get("backlog_minutes", "").strip()
    is_number = minutes.isascii() and minutes.isdigit() and len(minutes) <= 8  # a longer number is too large
    return {
        "name": visit.form.get("name", "").strip(),
        "target": visit.form.get("target", "").strip(),
        "conditions": visit.form.getlist("conditions"),
        "backlog_after_seconds": int(minutes) * _MINUTE.seconds if is_number else minutes,
    }


def _form(
    filled: Mapping[str, str],
    chosen: Sequence[str] | frozenset[Condition],
    backlog_after: timedelta,
    problems: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return the values of the form of a channel."""
    return {
        "filled": filled,
        "chosen": set(chosen),
        "backlog_minutes": filled.get("backlog_minutes") or backlog_after // _MINUTE,
        "conditions": CONDITION_WORDS,
        "kinds": KIND_WORDS,
        "problems": problems or {},
    }


def _filled(channel: Channel) -> dict[str, str]:
    return {"name": channel.name, "kind": channel.kind.value}


def _state_of(state: ChannelState) -> tuple[str, str]:
    """Return the state of a channel in a word, and its color."""
    if not state.channel.active:
        return "inactive", "quiet"
    if state.waiting is not None and state.waiting.attempts:
        return "retrying", "warn"
    if state.result is not None and state.result.problem is not None:
        return "failed", "bad"
    return ("active", "info") if state.result is None else ("works", "ok")


def _channel_id(visit: Visit) -> ChannelId:
    return ChannelId(id_of(visit, "channel_id"))
