"""`riskrelay receive --register`: a receiver that creates its stream at a transmitter and deletes it at the end."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from riskrelay.cli.output import errors, fail, say

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from riskrelay.cli.serving import Ports
    from riskrelay.receiver import OnEvent, SecurityEventToken, StreamCredentials, StreamRegistration
    from riskrelay.receiver.inbox import Audience

_VERIFICATION = "/event-type/verification"
_VERIFIED_SECONDS = 30.0  # chosen: as long as a transmitter may take to send a verification event


@dataclass(frozen=True, slots=True, kw_only=True)
class Registering:
    """What registering needs.

    Attributes:
        events: the event types to ask for; empty: all of CAEP.
    """

    well_known: str
    credentials: "StreamCredentials"
    events: Sequence[str]
    on_event: "OnEvent"


async def receive_pushes(
    registering: Registering,
    delivery: Mapping[str, str],
    make_app: Callable[["Audience", "OnEvent"], "Starlette"],
    ports: "Ports",
) -> None:
    """Listen, create a stream that is pushed, have it verified, and delete it when the process is to end."""
    from riskrelay.cli.serving import run_app

    audience: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    verifying = _Verifying(registering.on_event)
    app = make_app(audience, verifying.on_event)
    listening = asyncio.Event()
    app.state.when_serving = listening.set
    serving = asyncio.create_task(run_app(app, ports))
    try:
        await _first_of(serving, listening.wait())
        if serving.done():
            return await serving
        async with _registered(registering, delivery) as registration:
            audience.set_result(registration.audience)
            await _first_of(serving, verifying.ask(registration))
            await serving
    finally:
        serving.cancel()
        audience.cancel()


async def receive_polls(registering: Registering) -> None:
    """Create a stream that is polled, have it verified, poll it, and delete it when the process is to end."""
    from riskrelay.receiver import poll_events
    from riskrelay.receiver.registration import POLL

    verifying = _Verifying(registering.on_event)
    async with _registered(registering, {"method": POLL}) as registration:
        polling = asyncio.create_task(
            poll_events(
                well_known_url=registering.well_known,
                endpoint_url=registration.poll_url,
                token=registration.token,
                audience=registration.audience,
                on_event=verifying.on_event,
            )
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, polling.cancel)
        await _first_of(polling, verifying.ask(registration))
        await asyncio.wait([polling])
        if not polling.cancelled():
            await polling


@asynccontextmanager
async def _registered(registering: Registering, delivery: Mapping[str, str]) -> AsyncIterator["StreamRegistration"]:
    import aiohttp

    from riskrelay.receiver import RegistrationRefused, StreamRegistration, TransmitterUnavailable
    from riskrelay.receiver.registration import CAEP_EVENTS

    async with aiohttp.ClientSession() as session:
        registration = StreamRegistration(session, registering.well_known, registering.credentials)
        await registration.create(delivery, registering.events or CAEP_EVENTS)
        stream = registration.stream
        say("Created stream [bold]{}[/] with aud {}", stream["stream_id"], registration.audience, to=errors)
        say("  events delivered: {}", ", ".join(_short(stream.get("events_delivered"))) or "none", to=errors)
        try:
            yield registration
        finally:
            try:
                await registration.delete()
                say("Deleted stream {}", stream["stream_id"], to=errors)
            except (RegistrationRefused, TransmitterUnavailable) as error:
                say("[bold yellow]warning:[/] the stream was not deleted: {}", error, to=errors)


class _Verifying:
    """Requests a verification event and waits for it. Every event is passed to *then*."""

    def __init__(self, then: "OnEvent") -> None:
        self._then = then
        self._state = secrets.token_urlsafe(12)
        self._arrived = asyncio.Event()

    async def on_event(self, token: "SecurityEventToken") -> None:
        if token.event_type.endswith(_VERIFICATION) and token.event.get("state") == self._state:
            self._arrived.set()
        await self._then(token)

    async def ask(self, registration: "StreamRegistration") -> None:
        """Say whether the event arrives in time. Rule: SSF 1.0 §8.1.4."""
        from riskrelay.receiver import RegistrationRefused, TransmitterUnavailable

        try:
            await registration.verify(self._state)
            async with asyncio.timeout(_VERIFIED_SECONDS):
                await self._arrived.wait()
        except (RegistrationRefused, TransmitterUnavailable) as error:
            say("[bold yellow]warning:[/] the stream is not verified: {}", error, to=errors)
        except TimeoutError:
            text = "[bold yellow]warning:[/] no verification event arrived within {:.0f} s; waiting for events"
            say(text, _VERIFIED_SECONDS, to=errors)
        else:
            say("The stream is verified: its events arrive at this receiver.", to=errors)


async def _first_of(task: "asyncio.Task[None]", other: Coroutine[Any, Any, object]) -> None:
    """Wait for *other*, or for *task* if that ends earlier."""
    waiting = asyncio.ensure_future(other)
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()


def _short(events: Any) -> list[str]:
    return [str(event).rpartition("/")[2] for event in events] if isinstance(events, list) else []


def run_registered(receiving: Coroutine[Any, Any, None]) -> None:
    """Run *receiving* to its end; a refusal is said, and ends the command with exit code 1."""
    import uvloop

    from riskrelay.receiver import PollRefused, RegistrationRefused, TransmitterUnavailable

    try:
        uvloop.run(receiving)
    except (RegistrationRefused, TransmitterUnavailable, PollRefused) as error:
        fail(str(error))
