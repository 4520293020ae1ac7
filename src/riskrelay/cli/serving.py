"""Running the server in this process, until it is told to stop."""

import asyncio
import signal
import socket
from dataclasses import dataclass
from functools import partial

import structlog
import uvloop
from granian.constants import Interfaces, SSLProtocols
from granian.server.embed import Server
from starlette.applications import Starlette
from yarl import URL

from riskrelay.cli import interpreter
from riskrelay.cli.greeting import greet
from riskrelay.cli.listening import require_free
from riskrelay.cli.supervisor import READY
from riskrelay.cli.tls import TlsPair, tls_pair
from riskrelay.settings import Settings
from riskrelay.storage.engines.file_systems import hold_alone
from riskrelay.telemetry.log_sink import LogSink
from riskrelay.telemetry.siblings import Siblings
from riskrelay.wiring.installation import exposed_files, require_schema, require_whole_after_crash
from riskrelay.wiring.processes import build_app, build_worker_app

_log = structlog.get_logger()

BACKPRESSURE = 512  # requests in work at once; more wait in the socket


@dataclass(frozen=True, slots=True)
class Shared:
    """What a process has that shares its port with others.

    Attributes:
        siblings: the others.
        lifeline: to the supervisor. The process says READY there when it serves; it closes when the supervisor is gone.
    """

    siblings: Siblings
    lifeline: socket.socket


def serve(settings: Settings, log: LogSink, *, deliver: bool, shared: Shared | None = None) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in flight.

    Raises: Misconfigured.
    """
    interpreter.tune()
    uvloop.run(_serve(settings, log, deliver=deliver, shared=shared))


async def _serve(settings: Settings, log: LogSink, *, deliver: bool, shared: Shared | None) -> None:
    tls = tls_pair(settings)
    path = settings.sqlite_path
    lock = None if path is None or not path.is_file() else hold_alone(path)
    try:
        await require_whole_after_crash(settings)
        await require_schema(settings)
        _warn_of_exposed_files(settings)
        siblings = None if shared is None else shared.siblings
        app = build_app(settings, log, deliver=deliver, siblings=siblings)
        if siblings is None or siblings.number == 1:
            app.state.when_serving = partial(greet, settings)
        await run_app(app, settings.host, settings.port, tls, None if shared is None else shared.lifeline)
    finally:
        if lock is not None:
            lock.close()


def _warn_of_exposed_files(settings: Settings) -> None:
    for file, advice in exposed_files(settings).items():
        _log.warning("file_readable_by_others", file=str(file), advice=advice)


async def run_app(
    app: Starlette, host: str, port: int, tls: TlsPair | None = None, lifeline: socket.socket | None = None
) -> None:
    """Run an ASGI application with its lifespan until SIGTERM or SIGINT.

    Args:
        tls: None: plain http.
        lifeline: to the supervisor, when the port is shared.

    Raises: Misconfigured: nothing can listen there.
    Rule: IOP 1.0 §2.1: TLS 1.2 or later.
    """
    if lifeline is None:
        require_free(host, port)
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        backpressure=BACKPRESSURE,
        websockets=False,
        log_enabled=False,
        ssl_cert=None if tls is None else tls.certificate,
        ssl_key=None if tls is None else tls.key,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    stopped = _stop_signal()
    if lifeline is not None:
        _watch(lifeline, stopped)
    async with app.router.lifespan_context(app):
        serving = asyncio.create_task(server.serve())
        waiting = asyncio.create_task(stopped.wait())
        _log.info("serving", url=str(URL.build(scheme="http" if tls is None else "https", host=host, port=port)))
        if lifeline is not None:
            lifeline.send(READY)
        getattr(app.state, "when_serving", lambda: None)()
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for call in getattr(app.state, "before_stop", ()):  # requests that wait for something would hold the server up
            call()
        if not serving.done():
            server.stop()  # type: ignore[no-untyped-call]
        await serving


def _watch(lifeline: socket.socket, stopped: asyncio.Event) -> None:
    """Set *stopped* when the supervisor is gone: nothing ever comes on its lifeline but the end."""
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(lifeline)
        stopped.set()

    loop.add_reader(lifeline, ended)


def _stop_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def work(settings: Settings, log: LogSink) -> None:
    """Deliver only, until SIGTERM or SIGINT; then finish what is in flight.

    Raises: Misconfigured.
    """
    interpreter.tune()
    uvloop.run(_work(settings, log))


async def _work(settings: Settings, log: LogSink) -> None:
    await require_schema(settings)
    _warn_of_exposed_files(settings)
    app = build_worker_app(settings, log)
    if settings.metrics_port is not None:
        return await run_app(app, settings.host, settings.metrics_port)
    stopped = _stop_signal()
    async with app.router.lifespan_context(app):
        await stopped.wait()
    return None
