"""The push client (RFC 8935): it posts SETs over kept-alive connections with little CPU time (ADR 0021).

A push that finds a kept-alive connection costs one write and one parse.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from yarl import URL

from riskrelay.core.integrations import OpenedTls
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.push import outcome_of
from riskrelay.ports import Clock
from riskrelay.push.addresses import TargetRules
from riskrelay.push.dialling import Dialler, Resolve, look_up
from riskrelay.push.echoes import outcome_without_echo, without_echo
from riskrelay.push.egress import EgressProxy
from riskrelay.push.exchange import ACCEPTED_BODY_WAIT, Answer, Connection
from riskrelay.push.failures import (
    ConnectTimedOut,
    Progress,
    ProxyFailed,
    may_reach_another,
    outcome_of_failure,
    refused,
)
from riskrelay.push.pool import ConnectionPool, Place
from riskrelay.push.targets import read_target, server_name
from riskrelay.push.tls import TlsContexts

T = TypeVar("T")

DEADLINE = timedelta(seconds=20)  # chosen: connect, send, headers and body together
CONNECT_DEADLINE = timedelta(seconds=5)  # chosen: a free connection, the name, the dial and TLS together
HEADERS = {
    "Content-Type": "application/secevent+jwt",  # RFC 8935 §2.1
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "riskrelay",
}

_TARGETS_KEPT = 4_096  # guessed: as many receivers are pushed to at one time
_SHUTTING_DOWN = Outcome(kind=OutcomeKind.LOCAL, reason="shutting_down")


class _Target(NamedTuple):
    """An endpoint that is ready for pushes.

    Attributes:
        head: the head of a push up to the value of Content-Length.
        json_head: the same of a request with JSON.
    """

    place: Place
    head: bytes
    json_head: bytes


class PushClient:
    """Pushes SETs over kept-alive connections (ports.Pusher). Close it, or use it as a context manager.

    Args:
        rules: the targets that may be dialled.
        clock: for a `Retry-After` that is a date.
        deadline: of one whole push.
        connect_deadline: of its connection, up to the end of the TLS handshake. Behind a proxy it applies to each
            address of the receiver, within the deadline.
        trust_ca: a PEM file of certificate authorities to trust besides the system's.
        egress_proxy: the http or https URL of the proxy that every connection is tunnelled through (CONNECT). It may
            contain a user name and a password. None: no proxy. Plain http is not pushed through a proxy.
        resolve: called for each new connection, in a thread; nothing is cached.

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
        egress_proxy: str | None = None,
        resolve: Resolve = look_up,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._seconds = deadline.total_seconds()
        self._connect_seconds = connect_deadline.total_seconds()
        self._tls = TlsContexts(clock, trust_ca)
        self._dialler = Dialler(rules, resolve)
        self._proxy = None if egress_proxy is None else EgressProxy(egress_proxy, self._dialler, self._tls.default)
        self._target: Callable[[str], _Target | Outcome] = lru_cache(_TARGETS_KEPT)(self._read_target)
        self._connecting: set[asyncio.Timeout] = set()
        self._pool = ConnectionPool()
        self._is_closed = False

    async def push(
        self, endpoint_url: str, token: bytes, authorization: str | None = None, tls: OpenedTls | None = None
    ) -> Outcome:
        """Push one SET with one request, or with a second one on a new connection when a kept-alive one was closed.

        Args:
            endpoint_url: https, or http where the rules allow it; without user name and password.
            token: the compact JWS.
            authorization: sent verbatim as the `Authorization` header; None: no such header.
            tls: the trusted authorities and the client certificate for this receiver; None: the defaults.

        Returns: the outcome. A received status line decides, whatever happens to the body. Without one, the reason says
            how far the push got. Redirects are never followed.
        Raises: CancelledError only.
        Rule: RFC 8935 §2; faults 25, 28, 30, 31, 32.
        """
        way = self._way(endpoint_url, tls)
        if isinstance(way, Outcome):
            return way
        target, place = way
        progress = Progress()
        answer = await self._answer(place, _written(target, token, authorization), progress)
        if isinstance(answer, Outcome):
            return answer
        return self._outcome_of(answer, token, authorization, progress)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send one request with JSON that is no SET, under the same rules. Redirects are never followed.

        Args:
            headers: further headers; their values have no control characters.

        Returns: the outcome, without any text of the response, which may repeat a secret of the URL.
        """
        way = self._way(url, None)
        if isinstance(way, Outcome):
            return way
        target, place = way
        further = "".join(f"\r\n{name}: {value}" for name, value in headers.items()).encode()
        request = b"%b%d%b\r\n\r\n%b" % (target.json_head, len(body), further, body)
        progress = Progress()
        answer = await self._answer(place, request, progress)
        if isinstance(answer, Outcome):
            return answer
        return outcome_of(answer.status, {}, b"", self._clock.now(), phases=progress.phases)

    async def reach(self, endpoint_url: str, tls: OpenedTls | None = None) -> Outcome | None:
        """Open a connection as a push does, then close it. No request is sent.

        Returns: the outcome that a push would have had; None: the receiver can be reached. Under TLS 1.3 a receiver may
            still refuse the client certificate, which it reports only later.
        """
        way = self._way(endpoint_url, tls)
        if isinstance(way, Outcome):
            return way
        _, place = way
        progress = Progress()
        try:
            connection = await self._connect(place, asyncio.get_running_loop().time() + self._seconds, progress)
        except Exception as error:  # noqa: BLE001  as in `push`
            return _SHUTTING_DOWN if self._is_closed else outcome_of_failure(error, progress)
        connection.close()
        self._pool.give_back(place, connection)
        return None

    async def close(self) -> None:
        """Close every connection. Running and later pushes end with LOCAL `shutting_down`."""
        self._is_closed = True
        for scope in self._connecting:
            scope.reschedule(asyncio.get_running_loop().time())
        self._pool.close()
        self._dialler.close()
        await asyncio.sleep(0)  # the event loop closes the sockets of ended connections in its next round

    async def __aenter__(self) -> "PushClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _way(self, endpoint_url: str, tls: OpenedTls | None) -> tuple[_Target, Place] | Outcome:
        """Return how to connect, or the outcome of a push that must not be tried."""
        target = self._target(endpoint_url)
        if isinstance(target, Outcome):
            return target
        context = self._tls.of(tls)
        if isinstance(context, Outcome):
            return context
        if self._is_closed:
            return _SHUTTING_DOWN
        is_own = tls is not None and target.place.context is not None
        return target, target.place._replace(context=context) if is_own else target.place

    async def _answer(self, place: Place, request: bytes, progress: Progress) -> Answer | Outcome:
        try:
            return await self._exchange(place, request, progress)
        except Exception as error:  # noqa: BLE001  what went wrong is the outcome, whatever it is
            return _SHUTTING_DOWN if self._is_closed else outcome_of_failure(error, progress)

    async def _exchange(self, place: Place, request: bytes, progress: Progress) -> Answer:
        """Send one request, or a second one on a new connection when a kept-alive one was closed.

        The receiver recognizes a SET that it has seen by its jti.
        """
        ends = asyncio.get_running_loop().time() + self._seconds
        connection = self._pool.take_idle(place)
        if connection is not None:
            try:
                return await self._post(place, connection, request, ends, progress=progress)
            except ConnectionError:
                if self._is_closed:
                    raise
        connection = await self._connect(place, ends, progress)
        return await self._post(place, connection, request, ends, progress=progress)

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
        """Give the connection back, now or after the rest of a response that changes nothing."""
        if connection.is_finished or connection.is_closed:
            self._pool.give_back(place, connection)
            return
        seconds = ACCEPTED_BODY_WAIT.total_seconds()
        connection.when_finished(seconds, lambda: self._pool.give_back(place, connection))

    async def _connect(self, place: Place, ends: float, progress: Progress) -> Connection:
        """Open a new connection as soon as the pool allows one more.

        Args:
            ends: the end of the whole push, by the clock of the event loop.

        Raises: ConnectTimedOut; TimeoutError: the push has no time left; the errors of resolving, dialling, the proxy
            and the TLS handshake.
        """
        if self._proxy is None:
            return await self._in_time(self._pool.take_new(place, lambda: self._dial(place, progress)), ends)
        return await self._connect_through(self._proxy, place, ends, progress)

    async def _connect_through(self, proxy: EgressProxy, place: Place, ends: float, progress: Progress) -> Connection:
        """Ask the proxy for each address of the receiver in turn, until it reaches one."""
        permitted = await self._in_time(self._dialler.permitted(place.host, progress), ends)

        def tunnel(address: str) -> Awaitable[Connection]:
            opening = self._pool.take_new(place, lambda: proxy.tunnel(place, address, progress))
            return self._in_time(opening, ends)

        *others, last = proxy.in_order(place.host, permitted)
        for address in others:
            try:
                return await tunnel(address)
            except (ProxyFailed, ConnectTimedOut) as error:
                if self._is_closed or not may_reach_another(error, progress):
                    raise
                progress.begin_again()
        return await tunnel(last)

    async def _in_time(self, step: Awaitable[T], ends: float) -> T:
        """Wait for one step of a connection: at most for the connect deadline, and not beyond *ends*."""
        connect_ends = asyncio.get_running_loop().time() + self._connect_seconds
        scope = asyncio.timeout_at(min(connect_ends, ends))
        self._connecting.add(scope)
        try:
            async with scope:
                return await step
        except TimeoutError as error:
            if not scope.expired() or ends < connect_ends:
                raise
            raise ConnectTimedOut("no connection in time") from error
        finally:
            self._connecting.discard(scope)

    async def _dial(self, place: Place, progress: Progress) -> Connection:
        loop = asyncio.get_running_loop()
        permitted = await self._dialler.permitted(place.host, progress)
        opened = await self._dialler.dial(permitted, place.port, progress)
        progress.connected_at = time.monotonic()
        if place.context is None:
            _, connection = await loop.create_connection(lambda: Connection(loop), sock=opened)
            return connection
        _, connection = await loop.create_connection(
            lambda: Connection(loop), sock=opened, ssl=place.context, server_hostname=server_name(place.host)
        )
        progress.secured_at = time.monotonic()
        return connection

    def _outcome_of(self, answer: Answer, token: bytes, authorization: str | None, progress: Progress) -> Outcome:
        """Return the outcome of a response (`ssf.push.outcome_of`), without the parts of the request in it."""
        headers = {} if answer.retry_after is None else {"Retry-After": answer.retry_after}
        body = without_echo(answer.body, token, authorization) if answer.body else b""
        outcome = outcome_of(answer.status, headers, body, self._clock.now(), phases=progress.phases)
        return outcome_without_echo(outcome, token, authorization)

    def _read_target(self, endpoint_url: str) -> _Target | Outcome:
        url = read_target(endpoint_url, self._rules)
        if isinstance(url, Outcome):
            return url
        if self._proxy is not None and url.scheme != "https":
            return refused("http_not_allowed", "RISKRELAY_EGRESS_PROXY tunnels https only")
        host = url.raw_host or ""
        context = self._tls.default if url.scheme == "https" else None
        place = Place(host, url.port or 0, context)
        head, json_head = _head(url, HEADERS), _head(url, {**HEADERS, "Content-Type": "application/json"})
        return _Target(place, head, json_head)


def _head(url: URL, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request up to the value of Content-Length."""
    given = {"Host": url.host_port_subcomponent, **headers}
    lines = [f"POST {url.raw_path_qs} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "Content-Length: "]).encode()


def _written(target: _Target, token: bytes, authorization: str | None) -> bytes:
    """Return the bytes of a request."""
    header = b"" if authorization is None else f"\r\nAuthorization: {authorization}".encode()
    return b"%b%d%b\r\n\r\n%b" % (target.head, len(token), header, token)
