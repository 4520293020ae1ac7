"""The egress proxy: it tunnels connections to receivers (CONNECT) to addresses that were checked here."""

import asyncio
import ssl
import time
from asyncio import sslproto
from base64 import b64encode
from collections.abc import Sequence
from typing import cast

from yarl import URL

from riskrelay.push.answer_heads import MAX_HEAD_BYTES, find_head
from riskrelay.push.dialling import Dialler
from riskrelay.push.exchange import Connection
from riskrelay.push.failures import Progress, ProxyFailed, ProxyStage
from riskrelay.push.pool import Place
from riskrelay.push.targets import server_name

_HOSTS_KEPT = 4_096  # guessed: as many receivers are pushed to at one time


class EgressProxy:
    """A proxy that supports CONNECT.

    Args:
        url: http or https, with an optional user name and password, which are never logged.
        tls: the context for connections to an https proxy. The TLS settings of integrations do not apply to it.
    """

    def __init__(self, url: str, dialler: Dialler, tls: ssl.SSLContext) -> None:
        proxy = URL(url)
        self._host = proxy.raw_host or ""
        self._port = proxy.port or 0
        self._tls = tls if proxy.scheme == "https" else None
        self._credentials = ""
        if proxy.user is not None:
            basic = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()  # RFC 7617 §2
            self._credentials = f"Proxy-Authorization: Basic {basic}\r\n"
        self._dialler = dialler
        self._reached: dict[str, str] = {}  # by host, the address at which it was reached last

    def in_order(self, host: str, addresses: Sequence[str]) -> list[str]:
        """Return *addresses*, beginning with the one at which *host* was reached last."""
        return sorted(addresses, key=lambda address: address != self._reached.get(host))

    async def tunnel(self, place: Place, address: str, progress: Progress) -> Connection:
        """Open a connection to a receiver.

        Args:
            place: over https.
            address: an address of the receiver that may be dialled. The proxy gets the address, never a name.

        Raises:
            ProxyFailed: there is no tunnel.
            OSError: of the receiver behind the tunnel; the errors of its TLS handshake.
        Rule: faults 30; RFC 9110 §9.3.6.
        """
        progress.proxy = ProxyStage.DIALLING
        transport, request = await self._dial(progress)
        try:
            progress.proxy = ProxyStage.ASKING
            transport.write(self._written(address, place.port))
            status = await request.status
            if not 200 <= status < 300:
                raise ProxyFailed("proxy_authentication" if status == 407 else "proxy_refused")
            progress.proxy = ProxyStage.NONE
            progress.connected_at = time.monotonic()
            connection = await _secured(transport, place)
        except BaseException:
            transport.abort()  # at once, also when a TLS farewell has begun that the proxy does not answer
            raise
        progress.secured_at = time.monotonic()
        if len(self._reached) >= _HOSTS_KEPT:
            self._reached.clear()
        self._reached[place.host] = address
        return connection

    async def _dial(self, progress: Progress) -> tuple[asyncio.Transport, "_TunnelRequest"]:
        """Connect to the proxy. Its own address is not restricted."""
        loop = asyncio.get_running_loop()
        name = server_name(self._host) if self._tls is not None else None
        try:
            found = await self._dialler.addresses(self._host, Progress())  # the noted look-up is the receiver's
            opened = await self._dialler.dial(found, self._port, progress)
            return await loop.create_connection(
                lambda: _TunnelRequest(loop), sock=opened, ssl=self._tls, server_hostname=name
            )
        except OSError as error:  # of the resolver, the network or the TLS handshake
            raise ProxyFailed("proxy_unreachable") from error

    def _written(self, address: str, port: int) -> bytes:
        """Return the bytes of a CONNECT."""
        target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: riskrelay\r\n{self._credentials}\r\n"
        return head.encode()


async def _secured(transport: asyncio.Transport, place: Place) -> Connection:
    """Make the TLS handshake with the receiver inside the tunnel, which may be TLS itself."""
    loop = asyncio.get_running_loop()
    connection = Connection(loop)
    context = cast(ssl.SSLContext, place.context)
    if isinstance(transport, sslproto._SSLProtocolTransport):
        # The method is broken in CPython 3.11: a handshake that fails inside an https proxy's TLS would be a TypeError.
        vars(transport)["_force_close"] = lambda _: transport.abort()
    secured = await loop.start_tls(transport, connection, context, server_hostname=server_name(place.host))
    if secured is None:  # asyncio's answer when the tunnel was aborted during the handshake
        raise ConnectionResetError("the tunnel ended during the TLS handshake")
    connection.connection_made(secured)  # start_tls leaves this to its caller
    return connection


class _TunnelRequest(asyncio.Protocol):
    """One CONNECT on a connection to the proxy. `start_tls` replaces it by another protocol.

    Attributes:
        status: the status of the proxy's response; 0 when it is not HTTP, ends early, or when bytes follow its head.
            Such bytes come from the proxy, because a receiver sends nothing before the client's first TLS record.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status: asyncio.Future[int] = loop.create_future()
        self._received = bytearray()

    def data_received(self, data: bytes) -> None:
        if self.status.done():
            return
        self._received += data
        try:
            head = find_head(self._received)
        except ValueError:
            self._answer(0)
            return
        if head is not None:
            has_surplus = head.status < 300 and head.end < len(self._received)
            self._answer(0 if has_surplus else head.status)
        elif len(self._received) > MAX_HEAD_BYTES:
            self._answer(0)

    def connection_lost(self, error: Exception | None) -> None:
        self._answer(0)

    def _answer(self, status: int) -> None:
        if not self.status.done():
            self.status.set_result(status)
