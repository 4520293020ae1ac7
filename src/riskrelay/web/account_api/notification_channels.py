"""Notification channels over the API."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.notification_channels import (
    Notifying,
    WantedChannel,
    add_channel,
    change_channel,
    delete_channel,
    send_test,
)
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import found
from riskrelay.core.notifications.channels import (
    DEFAULT_BACKLOG,
    MAX_BACKLOG,
    MAX_TARGET_CHARACTERS,
    MIN_BACKLOG,
    ChannelId,
    ChannelKind,
    Condition,
    name_problem,
)
from riskrelay.ports import ChannelState, SendResult, Services
from riskrelay.web.account_api.bodies import PlainText, WholeNumber, read_object, without_problem
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import caller_of

_SECOND = timedelta(seconds=1)

_Address = Annotated[PlainText, Field(max_length=MAX_TARGET_CHARACTERS)]
_Kind = Annotated[ChannelKind, Field(strict=False)]
_Condition = Annotated[Condition, Field(strict=False)]


class ChannelBody(BaseModel):
    """The members of a channel that can be changed; other members are ignored."""

    name: Annotated[str, without_problem(name_problem)]
    conditions: Annotated[list[_Condition], Field(min_length=1, max_length=len(Condition))]
    backlog_after_seconds: Annotated[WholeNumber, Field(ge=MIN_BACKLOG // _SECOND, le=MAX_BACKLOG // _SECOND)] = (
        DEFAULT_BACKLOG // _SECOND
    )
    active: bool = True
    target: _Address | None = None

    def wanted(self) -> WantedChannel:
        """Return the same channel as a record of the domain."""
        return WantedChannel(
            name=self.name,
            conditions=frozenset(self.conditions),
            backlog_after=self.backlog_after_seconds * _SECOND,
            active=self.active,
            address=self.target,
        )


class NewChannelBody(ChannelBody):
    """A new channel."""

    kind: _Kind
    target: _Address


class NotificationChannelRoutes:
    """The handlers of notification channels."""

    def __init__(self, services: Services, notifying: Notifying) -> None:
        self._services = services
        self._notifying = notifying

    async def list_all(self, request: Request) -> Response:
        """Return all channels, oldest first."""
        caller = await caller_of(request, self._services, Scope.OPERATE)
        states = await self._services.store.read(caller.account_id, lambda tx: tx.channels.all())
        return success([rendered(state) for state in states])

    async def add(self, request: Request) -> Response:
        """Add a channel. Only this response has the secret of a webhook."""
        caller = await caller_of(request, self._services, Scope.OPERATE)
        body = await read_object(request, NewChannelBody)
        added = await add_channel(
            self._services, self._notifying, caller.account_id, caller.actor, kind=body.kind, wanted=body.wanted()
        )
        return success({**rendered(added.state), "secret": added.secret})

    async def get(self, request: Request) -> Response:
        """Return one channel."""
        caller = await caller_of(request, self._services, Scope.OPERATE)
        channel_id = _channel_id(request)
        state = await self._services.store.read(caller.account_id, lambda tx: tx.channels.get(channel_id))
        return success(rendered(found(state)))

    async def change(self, request: Request) -> Response:
        """Overwrite a channel, except its kind."""
        caller = await caller_of(request, self._services, Scope.OPERATE)
        wanted = (await read_object(request, ChannelBody)).wanted()
        state = await change_channel(
            self._services,
            self._notifying,
            caller.account_id,
            caller.actor,
            channel_id=_channel_id(request),
            wanted=wanted,
        )
        return success(rendered(state))

    async def delete(self, request: Request) -> Response:
        """Delete a channel."""
        caller = await caller_of(request, self._services, Scope.OPERATE)
        await delete_channel(self._services, caller.account_id, caller.actor, _channel_id(request))
        return success({})

    async def test(self, request: Request) -> Response:
        """Send a test message, and return its result."""
        caller = await caller_of(request, self._services, Scope.OPERATE)
        result = await send_test(
            self._services, self._notifying, caller.account_id, caller.actor, channel_id=_channel_id(request)
        )
        return success(_result(result))


def rendered(state: ChannelState) -> dict[str, Any]:
    """Return a channel in a response, without what is secret in its target."""
    channel, waiting = state.channel, state.waiting
    return {
        "id": channel.channel_id,
        "kind": channel.kind.value,
        "name": channel.name,
        "target": channel.shown_target,
        "conditions": sorted(channel.conditions),
        "backlog_after_seconds": channel.backlog_after // _SECOND,
        "active": channel.active,
        "created_at": _moment(channel.created_at),
        "last_result": None if state.result is None else _result(state.result),
        "waiting": None
        if waiting is None
        else {"attempts": waiting.attempts, "next_attempt_at": _moment(waiting.due_at), "title": waiting.message.title},
    }


def _result(result: SendResult) -> Mapping[str, Any]:
    return {"sent": result.problem is None, "problem": result.problem, "at": _moment(result.at)}


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _channel_id(request: Request) -> ChannelId:
    return ChannelId(request.path_params["channel_id"])
