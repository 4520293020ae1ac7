"""Accept TLS connections. They are counted before the handshake, which has a deadline."""

import asyncio
import socket
import ssl
from collections.abc import Callable

from riskrelay.web.server.admission import Admission, Peer
from riskrelay.web.server.connection import BoundedConnection

_PAUSE_SECONDS = 0.1


class TlsAcceptor:
    """Admits connections to a listening socket, does the handshakes, and hands over to HTTP connections.

    An event loop that serves TLS reports a connection only after its handshake, so that connections
    which never finish it could not be counted.
    """

    def __init__(
        self, context: ssl.SSLContext, admission: Admission, connect: Callable[[Peer], BoundedConnection]
    ) -> None:
        self._context = context
        self._admission = admission
        self._connect = connect
        self._handshakes: set[asyncio.Task[None]] = set()

    async def run(self, listening: socket.socket) -> None:
        """Accept until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError:  # the client has disconnected, or no file descriptor is free
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            peer = self._admission.admit(address[0])
            if peer is None:
                accepted.close()
                continue
            task = loop.create_task(self._handshake(accepted, peer))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def stop(self) -> None:
        """End the handshakes that are not done."""
        for task in self._handshakes:
            task.cancel()

    async def _handshake(self, accepted: socket.socket, peer: Peer) -> None:
        connection = self._connect(peer)
        limits = self._admission.limits
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=limits.first_byte_seconds,
                ssl_shutdown_timeout=limits.discard_seconds,
            )
        except (OSError, asyncio.CancelledError):  # errors of TLS and timeouts are OSErrors
            if connection.transport is None:  # otherwise it was already notified of the lost connection
                self._admission.release(None, peer)
            accepted.close()
