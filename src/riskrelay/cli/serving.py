"""Run the server in this process until a signal stops it."""

import asyncio
import resource
import signal
import socket
from dataclasses import dataclass, replace
from functools import partial

import structlog
import uvloop
from starlette.applications import Starlette
from yarl import URL

from riskrelay.cli import interpreter
from riskrelay.cli.greeting import greet
from riskrelay.cli.listening import refusal, require_free
from riskrelay.cli.supervisor import READY
from riskrelay.cli.tls import TlsPair, server_context, tls_pair
from riskrelay.settings import Settings
from riskrelay.storage.engines.file_systems import hold_alone
from riskrelay.telemetry.log_sink import LogSink
from riskrelay.telemetry.siblings import Siblings
from riskrelay.web.server.admission import Admission
from riskrelay.web.server.limits import Limits
from riskrelay.web.server.serving import HttpServer
from riskrelay.wiring.installation import exposed_files, require_schema, require_whole_after_crash
from riskrelay.wiring.processes import build_app, build_worker_app

_log = structlog.get_logger()

DRAIN_SECONDS = 10.0  # as the setting's default
_OTHER_FILES = 512  # guessed: the database, pushes in flight, logs
_MOST_FILES = 65_536
_OPERATIONS = Limits(connections=64, connections_per_address=64)


@dataclass(frozen=True, slots=True)
class Shared:
    """What a process has that shares its port with others.

    Attributes:
        siblings: the others.
        lifeline: a socket to the supervisor, for READY; the supervisor's end closes it.
    """

    siblings: Siblings
    lifeline: socket.socket


def serve(settings: Settings, log: LogSink, *, deliver: bool, shared: Shared | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish the work in flight.

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
        lifeline = None if shared is None else shared.lifeline
        ports = Ports(
            host=settings.host, port=settings.port, tls=tls, operations=settings.operations_port, lifeline=lifeline
        )
        await run_app(app, ports, settings.drain_seconds)
    finally:
        if lock is not None:
            lock.close()


def _warn_of_exposed_files(settings: Settings) -> None:
    for file, advice in exposed_files(settings).items():
        _log.warning("file_readable_by_others", file=str(file), advice=advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where a process listens.

    Attributes:
        tls: None: plain http.
        operations: the port that answers health checks and scrapes only, over plain http; None: there is none.
        lifeline: to the supervisor, when the port is shared with other processes.
    """

    host: str
    port: int
    tls: TlsPair | None = None
    operations: int | None = None
    lifeline: socket.socket | None = None


async def run_app(app: Starlette, ports: Ports, drain_seconds: float = DRAIN_SECONDS) -> None:
    """Run an ASGI application with its lifespan until SIGTERM or SIGINT.

    Args:
        app: its `state.operations`, if there is one, is served on the operations port.
        drain_seconds: how long requests in work may take after the signal.

    Raises: Misconfigured: nothing can listen there.
    Rule: IOP 1.0 §2.1: TLS 1.2 or later.
    """
    shared = ports.lifeline is not None
    if not shared:
        require_free(ports.host, ports.port)
    limits = _limits_of_process()
    admission = Admission(limits, getattr(app.state, "trusted_proxies", ()))
    getattr(app.state, "show_connections", lambda admission: None)(admission)
    refusal_body = getattr(app.state, "server_refusal", lambda status: b"")
    servers = [(HttpServer(app, admission, server_context(ports.tls), refusal_body), ports.port)]
    if ports.operations is not None:
        servers.append((HttpServer(app.state.operations, Admission(_OPERATIONS)), ports.operations))
    stopped = _stop_signal()
    if ports.lifeline is not None:
        _watch(ports.lifeline, stopped)
    async with app.router.lifespan_context(app):
        for server, port in servers:
            try:
                await server.start(ports.host, port, shared=shared)
            except OSError as error:
                raise refusal(ports.host, port, error) from error
        scheme = "http" if ports.tls is None else "https"
        _log.info("serving", url=str(URL.build(scheme=scheme, host=ports.host, port=ports.port)))
        if ports.lifeline is not None:
            ports.lifeline.send(READY)
        getattr(app.state, "when_serving", lambda: None)()
        await stopped.wait()
        for call in getattr(app.state, "before_stop", ()):  # requests that wait for something end now
            call()
        # The operations port goes last, so that health checks see the whole drain.
        for server, _ in servers:
            await server.stop(drain_seconds)


def _limits_of_process() -> Limits:
    """The default limits, lowered to the open files that the operating system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    limits = Limits()
    if soft == resource.RLIM_INFINITY or soft - _OTHER_FILES >= limits.connections:
        return limits
    connections = max(soft - _OTHER_FILES, 64)
    return replace(
        limits,
        connections=connections,
        connections_per_address=min(limits.connections_per_address, connections // 2),
    )


def _watch(lifeline: socket.socket, stopped: asyncio.Event) -> None:
    """Set *stopped* when the supervisor has ended. It sends nothing on the lifeline, which then reads as closed."""
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
    """Deliver only, until SIGTERM or SIGINT, then finish the work in flight.

    Raises: Misconfigured.
    """
    interpreter.tune()
    uvloop.run(_work(settings, log))


async def _work(settings: Settings, log: LogSink) -> None:
    await require_schema(settings)
    _warn_of_exposed_files(settings)
    app = build_worker_app(settings, log)
    if settings.metrics_port is not None:
        return await run_app(app, Ports(host=settings.host, port=settings.metrics_port), settings.drain_seconds)
    stopped = _stop_signal()
    async with app.router.lifespan_context(app):
        await stopped.wait()
    return None
