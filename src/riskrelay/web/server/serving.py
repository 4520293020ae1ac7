"""Listen on a port, and stop in bounded time."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from email.utils import formatdate

import structlog
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import ServerState

from riskrelay.web.server.admission import Admission, Peer
from riskrelay.web.server.connection import BoundedConnection, Refusal
from riskrelay.web.server.tls_accepting import TlsAcceptor

_log = structlog.get_logger()

_BACKLOG = 2_048  # connections that the kernel keeps until they are accepted
_TICK_SECONDS = 1.0


class HttpServer:
    """Serves one ASGI application on one port, over HTTP/1.1.

    Args:
        tls: None: plain http.
        refusal: builds the bodies of the server's own responses.
    """

    def __init__(
        self,
        app: ASGIApp,
        admission: Admission,
        tls: ssl.SSLContext | None = None,
        refusal: Refusal = lambda status: b"",
    ) -> None:
        self._config = Config(
            app,
            http=BoundedConnection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        self._config.load()
        self._state = ServerState()
        self._admission = admission
        self._refusal = refusal
        self._ticking: asyncio.Task[None] | None = None
        self._tls = None if tls is None else TlsAcceptor(tls, admission, self._new_connection)
        self._closing: list[Callable[[], object]] = []

    async def start(self, host: str, port: int, *, shared: bool = False) -> int:
        """Listen.

        Args:
            port: 0: any free port.
            shared: other processes listen on the same port.

        Returns: the port.
        Raises: OSError: the address cannot be used.
        """
        loop = asyncio.get_running_loop()
        self._set_date()
        if self._tls is None:
            server = await loop.create_server(self._new_connection, host, port, backlog=_BACKLOG, reuse_port=shared)
            self._closing.append(server.close)
            listening = server.sockets[0]
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=shared)
            listening.setblocking(False)
            accepting = asyncio.create_task(self._tls.run(listening))
            self._closing += [accepting.cancel, listening.close, self._tls.stop]
        self._ticking = asyncio.create_task(self._tick())
        taken: int = listening.getsockname()[1]
        return taken

    async def stop(self, drain_seconds: float) -> None:
        """Stop accepting connections, wait for running requests, and then close all connections.

        Args:
            drain_seconds: how long running requests may take.
        """
        for close in self._closing:
            close()
        for connection in [*self._state.connections]:
            connection.shutdown()
        try:
            async with asyncio.timeout(drain_seconds):
                while self._state.connections or self._state.tasks:  # noqa: ASYNC110  two sets of uvicorn's, no event
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self._close_by_force()
        if self._ticking is not None:
            self._ticking.cancel()

    async def _close_by_force(self) -> None:
        connections, tasks = [*self._state.connections], [*self._state.tasks]
        if connections or tasks:
            _log.warning("connections_closed", connections=len(connections), requests=len(tasks))
        for connection in connections:
            connection.transport.abort()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_TICK_SECONDS)

    def _new_connection(self, peer: Peer | None = None) -> BoundedConnection:
        return BoundedConnection(self._config, self._state, self._admission, self._refusal, peer=peer)

    async def _tick(self) -> None:
        """Expire connections, and update the header field Date. Runs once a second."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._set_date()
            now = loop.time()
            for connection in [*self._state.connections]:
                if isinstance(connection, BoundedConnection):
                    connection.expire(now)

    def _set_date(self) -> None:
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
