"""The push client of the hot path: the same as `push.HttpPusher` to its users, at a fraction of the cost (ADR 0008).

A push that finds a kept-alive connection costs one write and one parse. Both clients are held to the same
tests, and are compared with each other.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import aiohappyeyeballs

from riskrelay.core.integrations import OpenedTls
from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.ports import Clock
from riskrelay.push.addresses import TargetRules
from riskrelay.push.aiohttp_client import (
    ACCEPTED_BODY_WAIT,
    CONNECT_DEADLINE,
    DEADLINE,
    HEADERS,
    SHUTTING_DOWN,
    SetRequest,
)
from riskrelay.push.dialling import Resolve, ThreadResolver, look_up, open_socket
from riskrelay.push.exchange import Answer, Connection
from riskrelay.push.failures import ConnectTimedOut, Progress, outcome_of_failure
from riskrelay.push.pool import ConnectionPool, Place
from riskrelay.push.targets import read_target, server_name
from riskrelay.push.tls import TlsContexts

_NEXT_ADDRESS_AFTER_SECONDS = 0.25  # RFC 8305 §5
AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]

_TARGETS_KEPT = 4_096  # guessed: as many receivers are pushed to at one time


class _Target(NamedTuple):
    """An endpoint, ready to be pushed to.

    Attributes:
        head: the head of a request up to the value of Content-Length.
    """

    place: Place
    host_is_trusted: bool
    head: bytes


class DirectPusher:
    """Pushes SETs over kept-alive connections (ports.Pusher). Close it, or use it as a context manager.

    Args: as `push.HttpPusher`.

    Raises: Misconfigured: *trust_ca* cannot be read.
    """

    def __init__(
        self,
        rules: TargetRules,
        clock: Clock,
        *,
        deadline: timedelta = DEADLINE,
        connect_deadline: timedelta = CONNECT_DEADLINE,
        trust_ca: Path | None = None,
        resolve: Resolve = look_up,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._seconds = deadline.total_seconds()
        self._connect_seconds = connect_deadline.total_seconds()
        self._tls = TlsContexts(clock, trust_ca)
        self._resolver = ThreadResolver(resolve)
        self._target: Callable[[str], _Target | Outcome] = lru_cache(_TARGETS_KEPT)(self._read_target)
        self._connecting: set[asyncio.Timeout] = set()
        self._pool = ConnectionPool()
        self._is_closed = False

    async def push(
        self, endpoint_url: str, token: bytes, authorization: str | None = None, tls: OpenedTls | None = None
    ) -> Outcome:
        """Push one SET, as `push.HttpPusher.push` does.

        Rule: RFC 8935 §2; faults 25, 28, 30, 31, 32.
        """
        way = self._way(endpoint_url, tls)
        if isinstance(way, Outcome):
            return way
        target, place = way
        progress = Progress(target.host_is_trusted)
        try:
            answer = await self._exchange(place, _written(target, token, authorization), progress)
        except Exception as error:  # noqa: BLE001  what went wrong is the outcome, whatever it is
            return SHUTTING_DOWN if self._is_closed else outcome_of_failure(error, progress)
        headers = {} if answer.retry_after is None else {"Retry-After": answer.retry_after}
        request = SetRequest(token, authorization)
        return request.outcome_of(answer.status, headers, answer.body, self._clock.now(), progress.phases)

    async def reach(self, endpoint_url: str, tls: OpenedTls | None = None) -> Outcome | None:
        """Dial and hang up, as `push.HttpPusher.reach` does."""
        way = self._way(endpoint_url, tls)
        if isinstance(way, Outcome):
            return way
        target, place = way
        progress = Progress(target.host_is_trusted)
        try:
            connection = await self._connect(place, asyncio.get_running_loop().time() + self._seconds, progress)
        except Exception as error:  # noqa: BLE001  as in `push`
            return SHUTTING_DOWN if self._is_closed else outcome_of_failure(error, progress)
        connection.close()
        self._pool.give_back(place, connection)
        return None

    async def close(self) -> None:
        """Close every connection. Pushes that still run, and later ones, end with OURS `shutting_down`."""
        self._is_closed = True
        for scope in self._connecting:
            scope.reschedule(asyncio.get_running_loop().time())
        self._pool.close()
        await self._resolver.close()
        await asyncio.sleep(0)  # the event loop closes the sockets of ended connections in its next round

    async def __aenter__(self) -> "DirectPusher":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _way(self, endpoint_url: str, tls: OpenedTls | None) -> tuple[_Target, Place] | Outcome:
        """Where to connect and how, or the outcome of what must not be tried."""
        target = self._target(endpoint_url)
        if isinstance(target, Outcome):
            return target
        context = self._tls.of(tls)
        if isinstance(context, Outcome):
            return context
        if self._is_closed:
            return SHUTTING_DOWN
        is_own = tls is not None and target.place.context is not None
        return target, target.place._replace(context=context) if is_own else target.place

    async def _exchange(self, place: Place, request: bytes, progress: Progress) -> Answer:
        """One request; a second one on a new connection when a kept-alive one turns out closed: the receiver knows a
        SET it has seen by its jti."""
        ends = asyncio.get_running_loop().time() + self._seconds
        connection = self._pool.take_idle(place)
        if connection is not None:
            try:
                return await self._post(place, connection, request, ends, progress)
            except ConnectionError:
                if self._is_closed:
                    raise
        connection = await self._connect(place, ends, progress)
        return await self._post(place, connection, request, ends, progress)

    async def _post(
        self, place: Place, connection: Connection, request: bytes, ends: float, progress: Progress
    ) -> Answer:
        try:
            return await connection.post(request, ends)
        except BaseException:
            connection.close()
            raise
        finally:
            progress.sent_at, progress.answered_at = connection.sent_at, connection.answered_at
            self._give_back(place, connection)

    def _give_back(self, place: Place, connection: Connection) -> None:
        """At once, or when the rest of an answer has come that cannot change the outcome any more."""
        if connection.is_finished or connection.is_closed:
            self._pool.give_back(place, connection)
            return
        seconds = ACCEPTED_BODY_WAIT.total_seconds()
        connection.when_finished(seconds, lambda: self._pool.give_back(place, connection))

    async def _connect(self, place: Place, ends: float, progress: Progress) -> Connection:
        """A new connection, once there may be one more.

        Args:
            ends: when, by the loop's clock, the whole push has to be over.

        Raises: ConnectTimedOut; TimeoutError: the whole push has no time left; what resolving, dialling and the TLS
            handshake raise.
        """
        connect_ends = asyncio.get_running_loop().time() + self._connect_seconds
        scope = asyncio.timeout_at(min(connect_ends, ends))
        self._connecting.add(scope)
        try:
            async with scope:
                return await self._pool.take_new(place, lambda: self._dial(place, progress))
        except TimeoutError as error:
            if not scope.expired() or ends < connect_ends:
                raise
            raise ConnectTimedOut("no connection in time") from error
        finally:
            self._connecting.discard(scope)

    async def _dial(self, place: Place, progress: Progress) -> Connection:
        loop = asyncio.get_running_loop()
        opened = await aiohappyeyeballs.start_connection(
            await self._addresses(place, progress),
            happy_eyeballs_delay=_NEXT_ADDRESS_AFTER_SECONDS,
            interleave=1,
            loop=loop,
            socket_factory=lambda info: open_socket(info, self._rules, progress),
        )
        progress.connected_at = time.monotonic()
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if place.context is None:
            _, connection = await loop.create_connection(lambda: Connection(loop), sock=opened)
            return connection
        _, connection = await loop.create_connection(
            lambda: Connection(loop), sock=opened, ssl=place.context, server_hostname=server_name(place.host)
        )
        progress.secured_at = time.monotonic()
        return connection

    async def _addresses(self, place: Place, progress: Progress) -> list[AddrInfo]:
        try:
            found = [str(ip_address(place.host))]
        except ValueError:
            found = await self._resolver.addresses(place.host, progress)
        return [_address_info(address, place.port) for address in found]

    def _read_target(self, endpoint_url: str) -> _Target | Outcome:
        url = read_target(endpoint_url, self._rules)
        if isinstance(url, Outcome):
            return url
        host = url.raw_host or ""
        context = self._tls.default if url.scheme == "https" else None
        place = Place(host, url.port or 0, context)
        headers = {"Host": url.host_port_subcomponent, **HEADERS}
        lines = [f"POST {url.raw_path_qs} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return _Target(place, self._rules.trusts_host(host), "\r\n".join([*lines, "Content-Length: "]).encode())


def _written(target: _Target, token: bytes, authorization: str | None) -> bytes:
    """The bytes of a request."""
    header = b"" if authorization is None else f"\r\nAuthorization: {authorization}".encode()
    return b"%b%d%b\r\n\r\n%b" % (target.head, len(token), header, token)


def _address_info(address: str, port: int) -> AddrInfo:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
