"""The push client by aiohttp (RFC 8935): what `direct_push` is compared with, and what both share.

How far a push got is noted in `Progress`, which reaches aiohttp's resolver and socket factory through a context
variable: both run in the task of the push (or in tasks it starts, which share the note). Every dial is judged in the
socket factory, since aiohttp asks no resolver about literal addresses.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from riskrelay.core.integrations import OpenedTls
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind, Phases
from riskrelay.core.ssf.push import outcome_of
from riskrelay.ports import Clock
from riskrelay.push.addresses import TargetRules
from riskrelay.push.connector import Connector, Reached, UnsentRequest
from riskrelay.push.dialling import Resolve, ThreadResolver, look_up, open_socket, progress_of_task
from riskrelay.push.echoes import outcome_without_echo, without_echo
from riskrelay.push.egress import EgressProxy, Route, may_lead_elsewhere
from riskrelay.push.failures import Progress, outcome_of_failure, refused
from riskrelay.push.targets import read_target
from riskrelay.push.tls import TlsContexts

T = TypeVar("T")

DEADLINE = timedelta(seconds=20)  # chosen: connect, send, headers and body together
CONNECT_DEADLINE = timedelta(seconds=5)  # chosen: a free connection, the name, the dial and TLS together
ACCEPTED_BODY_WAIT = timedelta(seconds=1)  # chosen: what keeping the connection is worth once a 2xx is known
MAX_BODY_BYTES = 64 * 1024  # faults 25
MAX_CONNECTIONS = 1024  # chosen: below the usual limit of descriptors once it is raised, see `doctor`
MAX_CONNECTIONS_PER_HOST = 64  # measured: design "HTTP push" was taken with 64 at once
IDLE_SECONDS = 50  # guessed: many load balancers drop an idle connection after 60 s

HEADERS = {
    "Content-Type": "application/secevent+jwt",  # RFC 8935 §2.1
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "riskrelay",
}

SHUTTING_DOWN = Outcome(OutcomeKind.OURS, "shutting_down")


class HttpPusher:
    """Pushes SETs over kept-alive connections (ports.Pusher). Close it, or use it as a context manager.

    Args:
        rules: which targets may be dialled.
        clock: to read a `Retry-After` that is a date.
        deadline: for the whole of one push.
        connect_deadline: for its connection, up to the end of the TLS handshake.
        trust_ca: a PEM file of certificate authorities to trust besides the system's.
        proxy: where every connection is tunnelled through (CONNECT), perhaps with a user name and a password; None: no
            proxy. Plain http is not pushed through it.
        resolve: asked for each new connection, in a thread; nothing is cached.

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
        proxy: URL | None = None,
        resolve: Resolve = look_up,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._seconds = deadline.total_seconds()
        self._connect_seconds = connect_deadline.total_seconds()
        self._tls = TlsContexts(clock, trust_ca)
        self._resolver = ThreadResolver(resolve)
        self._proxy = None if proxy is None else EgressProxy(proxy)
        self._sessions: tuple[ClientSession, ClientSession] | None = None
        self._is_closed = False

    async def push(
        self, endpoint_url: str, token: bytes, authorization: str | None = None, tls: OpenedTls | None = None
    ) -> Outcome:
        """Push one SET: one request, or a second one on a new connection when a kept-alive one turns out closed.

        Args:
            endpoint_url: https, or http where the rules allow it; without user name and password.
            token: the compact JWS.
            authorization: sent verbatim as the `Authorization` header; None: no such header.
            tls: whom to trust and what to show at this receiver; None: the same as everywhere.

        Returns: what became of it. Once the status line is there it decides, whatever the body does; without one
            the reason says how far the push got. Redirects are never followed.
        Raises: nothing but CancelledError.
        Rule: RFC 8935 §2; faults 25, 28, 30, 31, 32.
        """
        return await self._attempt(endpoint_url, SetRequest(token, authorization), tls, self._exchange)

    async def reach(self, endpoint_url: str, tls: OpenedTls | None = None) -> Outcome | None:
        """Do what comes before the request of a push, on a connection of its own, and hang up: nothing is sent.

        Returns: what a push would have become; None: the receiver is there. Under TLS 1.3 it may still refuse our
            certificate, which it says only after that.
        """
        return await self._attempt(endpoint_url, SetRequest(b"", None), tls, self._knock)

    async def _attempt(
        self,
        endpoint_url: str,
        request: "SetRequest",
        tls: OpenedTls | None,
        work: Callable[["_Call", Progress], Awaitable[T]],
    ) -> T | Outcome:
        """What *work* makes of the call, or the outcome when it fails or must not be tried."""
        url = read_target(endpoint_url, self._rules)
        if isinstance(url, Outcome):
            return url
        if self._proxy is not None and url.scheme != "https":
            return refused("http_not_allowed", "RISKRELAY_EGRESS_PROXY tunnels https only")
        context = self._tls.of(tls)
        if isinstance(context, Outcome):
            return context
        progress = Progress(self._rules.trusts_host(url.raw_host or ""))
        mark = progress_of_task.set(progress)
        try:
            call = _Call(url, request, context, asyncio.get_running_loop().time() + self._seconds)
            if self._proxy is not None:
                return await self._through(self._proxy, call, work, progress)
            return await work(call, progress)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._is_closed or (task is not None and task.cancelling()):
                raise
            return SHUTTING_DOWN  # aiohttp cancels those who wait for a connection when it closes
        except Exception as error:  # noqa: BLE001  what went wrong is the outcome, whatever it is
            return SHUTTING_DOWN if self._is_closed else outcome_of_failure(error, progress)
        finally:
            progress_of_task.reset(mark)

    async def close(self) -> None:
        """Close every connection. Pushes that still run, and later ones, end with OURS `shutting_down`."""
        self._is_closed = True
        sessions, self._sessions = self._sessions, None
        for session in sessions or ():
            await session.close()
        await self._resolver.close()

    async def __aenter__(self) -> "HttpPusher":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _through(
        self, proxy: EgressProxy, call: "_Call", work: Callable[["_Call", Progress], Awaitable[T]], progress: Progress
    ) -> T:
        """Do the work through the proxy. It is asked for addresses that were judged, one after the other until it gets
        to one, never for a name."""
        seconds = min(self._connect_seconds, self._seconds)
        routes = await proxy.routes(call.url, self._resolver, self._rules, progress, seconds)
        for route in routes[:-1]:
            try:
                done = await work(call.through(proxy, route), progress)
            except Exception as error:
                if self._is_closed or not may_lead_elsewhere(error, progress):
                    raise
                progress.begin_again()
            else:
                proxy.remember(route)
                return done
        done = await work(call.through(proxy, routes[-1]), progress)
        proxy.remember(routes[-1])
        return done

    async def _knock(self, call: "_Call", _: Progress) -> None:
        async with self._session(keep=False, request_class=UnsentRequest) as session:
            with suppress(Reached):
                async with asyncio.timeout_at(call.ends):
                    await call.by(session)

    async def _exchange(self, call: "_Call", progress: Progress) -> Outcome:
        async with asyncio.timeout_at(call.ends):
            response = await self._post(call, progress)
        try:
            body = await _read_body(response, call.ends)
            now = self._clock.now()
            return call.request.outcome_of(response.status, response.headers, body, now, progress.phases)
        finally:
            response.close()  # keeps the connection if the whole answer was read

    async def _post(self, call: "_Call", progress: Progress) -> ClientResponse:
        """Send the request and wait for the answer's headers.

        A kept-alive connection that the receiver was just closing costs one more request, on a new connection: the
        receiver knows a SET it has seen by its jti.
        """
        pooled, unpooled = self._open_sessions()
        try:
            return await call.by(pooled)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientConnectionResetError):
            was_reused = not progress.dialled
            if not was_reused:
                raise
        return await call.by(unpooled)

    def _open_sessions(self) -> tuple[ClientSession, ClientSession]:
        """One session that keeps connections and one that never does."""
        if self._is_closed:
            raise RuntimeError("the push client is closed")
        if self._sessions is None:
            self._sessions = (self._session(keep=True), self._session(keep=False))
        return self._sessions

    def _session(self, keep: bool, request_class: type[aiohttp.ClientRequest] = aiohttp.ClientRequest) -> ClientSession:
        connector = Connector(
            limit=MAX_CONNECTIONS,
            limit_per_host=MAX_CONNECTIONS_PER_HOST,
            resolver=self._resolver,
            use_dns_cache=False,
            socket_factory=self._open_socket,
            force_close=not keep,
            proxy_tls=self._tls.default,
            keepalive_timeout=IDLE_SECONDS if keep else None,
        )
        return ClientSession(
            connector=connector,
            request_class=request_class,
            headers=HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_seconds, ceil_threshold=float("inf")),
            auto_decompress=False,
            trust_env=False,
        )

    def _open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        return open_socket(info, self._rules, progress_of_task.get())


@dataclass(frozen=True, slots=True)
class SetRequest:
    """What is sent."""

    token: bytes
    authorization: str | None

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.authorization is None else {"Authorization": self.authorization}

    def outcome_of(
        self, status: int, headers: Mapping[str, str], body: bytes, now: datetime, phases: Phases
    ) -> Outcome:
        """What an answer means (`ssf.push.outcome_of`), without what it echoes of the request."""
        if not body:
            return outcome_of(status, headers, body, now, phases)
        sent = self.token, self.authorization
        outcome = outcome_of(status, headers, without_echo(body, *sent), now, phases)
        return outcome_without_echo(outcome, *sent)


@dataclass(frozen=True, slots=True)
class _Call:
    """A request, and where and how it is sent. aiohttp shares connections among calls with the same *context* only.

    Attributes:
        ends: when, by the loop's clock, all of it has to be over.
        options: of aiohttp, for the way through a proxy.
    """

    url: URL
    request: SetRequest
    context: ssl.SSLContext
    ends: float
    options: Mapping[str, Any] = field(default_factory=dict)

    def through(self, proxy: EgressProxy, route: Route) -> "_Call":
        """The same, through the proxy."""
        way = {
            "proxy": proxy.url,
            "proxy_headers": dict(proxy.headers),
            "server_hostname": route.server_name,
            "headers": {"Host": route.host, **self.request.headers},
        }
        return replace(self, url=route.url, options=way)

    async def by(self, session: ClientSession) -> ClientResponse:
        """Send it; returns when the answer's headers are there."""
        options: dict[str, Any] = {"headers": self.request.headers, **self.options}
        return await session.post(self.url, data=self.request.token, ssl=self.context, allow_redirects=False, **options)


async def _read_body(response: ClientResponse, deadline: float) -> bytes:
    """What comes of the body within the limits of size and time. Never fails: a broken body ends where it broke."""
    if 200 <= response.status < 300:
        deadline = min(deadline, asyncio.get_running_loop().time() + ACCEPTED_BODY_WAIT.total_seconds())
    body = bytearray()
    if response.content.at_eof():
        return b""
    with suppress(Exception):
        async with asyncio.timeout_at(deadline):
            while len(body) < MAX_BODY_BYTES:
                piece = await response.content.read(MAX_BODY_BYTES - len(body))
                if not piece:
                    break
                body += piece
    return bytes(body)
