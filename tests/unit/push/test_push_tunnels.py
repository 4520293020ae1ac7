"""Tunnels of egress proxies over http and https, on both event loops: TLS to the receiver runs inside, on the loop of
production (uvloop) and on asyncio's own."""

import asyncio
import logging
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import uvloop

from riskrelay.bench.processes import free_port
from riskrelay.core.integrations import OpenedTls
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.push import pool
from riskrelay.push.addresses import TargetRules
from riskrelay.push.answer_heads import MAX_HEAD_BYTES
from riskrelay.push.client import PushClient
from support.certificates import Authority, new_authority
from support.receivers import LOCAL, TOKEN, answer, push_client, receiver

ACCEPTED, TRANSIENT = OutcomeKind.ACCEPTED, OutcomeKind.TRANSIENT
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a part of a test on each event loop."""

    def on_loop(part: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with asyncio.timeout(60):
                await part()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(whole())

    return on_loop


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that the client trusts."""
    return new_authority(tmp_path_factory.mktemp("authority"), "trusted")


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that only an integration names."""
    return new_authority(tmp_path_factory.mktemp("private"), "private")


@dataclass
class Proxy:
    """A proxy in this process.

    Attributes:
        says: its answer to CONNECT. It opens a tunnel when that is a 200 and nothing else.
        silent_for: an address for which it is asked in vain.
        heads: of the requests.
        open: connections that have not ended.
    """

    says: bytes = ESTABLISHED
    silent_for: str = ""
    heads: list[bytes] = field(default_factory=list)
    open: int = 0
    url: str = ""
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection."""
        self.open += 1
        self.connected.set()
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            is_silent = bool(self.silent_for) and self.silent_for.encode() in head
            if not is_silent:
                writer.write(self.says)
                await writer.drain()
            if self.says == ESTABLISHED and not is_silent:
                port = int(head.split(b" ")[1].rpartition(b":")[2])
                there = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
            await reader.read()  # until the client hangs up
        writer.transport.abort()
        self.open -= 1


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(65_536):
            target.write(piece)
            await target.drain()
    target.close()


@asynccontextmanager
async def proxying(tls: ssl.SSLContext | None = None, says: bytes = ESTABLISHED) -> AsyncIterator[Proxy]:
    """A running proxy; every connection to it has ended afterwards."""
    proxy = Proxy(says)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    proxy.url = f"{scheme}://user:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield proxy
    while proxy.open:
        await asyncio.sleep(0.001)
    server.close()


def through(proxy: Proxy, authority: Authority, rules: TargetRules = LOCAL, **options: Any) -> PushClient:
    """A client that goes through *proxy*; every name is this machine."""
    chosen = {"deadline": 20, "resolve": lambda _: ["127.0.0.1"], **options}
    return push_client(rules, trust_ca=authority.path, egress_proxy=proxy.url, **chosen)


@pytest.fixture(params=["http", "https"])
def proxy_tls(request: pytest.FixtureRequest, authority: Authority) -> ssl.SSLContext | None:
    """How the proxy is spoken to."""
    return authority.server("127.0.0.1") if request.param == "https" else None


def test_pushes_share_a_tunnel(run: Run, authority: Authority, proxy_tls: ssl.SSLContext | None) -> None:
    """The proxy is asked for the judged address, once, with its credentials, which the receiver does not see. Name and
    certificate are the receiver's, without the final dot."""
    names: list[object] = []
    tls = authority.server("receiver.test")
    tls.sni_callback = lambda _socket, name, _context: names.append(name)

    async def push_three() -> None:
        async with proxying(proxy_tls) as proxy, receiver(tls=tls) as it, through(proxy, authority) as client:
            url = f"https://receiver.test.:{it.port}/a?b=c"
            outcomes = [await client.push(url, TOKEN, "Bearer x") for _ in range(3)]
        assert [outcome.kind for outcome in outcomes] == [ACCEPTED] * 3
        assert (it.connections, names) == (1, ["receiver.test"])
        credentials = b64encode(b"user:p@ss")
        target = b"127.0.0.1:%d" % it.port
        assert proxy.heads == [
            b"CONNECT %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: riskrelay\r\nProxy-Authorization: Basic %b\r\n\r\n"
            % (target, target, credentials)
        ]
        assert all(request.startswith(b"POST /a?b=c HTTP/1.1\r\n") for request in it.requests)
        assert not any(b"Proxy-" in request or credentials in request for request in it.requests)
        assert None not in outcomes[0].phases
        assert outcomes[1].phases[:3] == (None, None, None)

    run(push_three)


def test_a_kept_tunnel_that_was_closing_costs_one_retry(
    run: Run, authority: Authority, proxy_tls: ssl.SSLContext | None
) -> None:
    """A second tunnel delivers."""

    async def push_twice() -> None:
        async with (
            proxying(proxy_tls) as proxy,
            receiver(tls=authority.server("receiver.test"), answers_per_connection=1) as it,
            through(proxy, authority) as client,
        ):
            outcomes = [await client.push(f"https://receiver.test:{it.port}/", TOKEN) for _ in range(2)]
        assert [outcome.kind for outcome in outcomes] == [ACCEPTED] * 2
        assert (it.connections, len(proxy.heads)) == (2, 2)

    run(push_twice)


def test_an_integrations_certificate_is_shown_inside_the_tunnel(
    run: Run, authority: Authority, private: Authority, proxy_tls: ssl.SSLContext | None
) -> None:
    """Its authority judges the receiver and not the proxy."""
    files = private.files("client.test")
    own = OpenedTls(private.pem(), files.certificate.read_text(), files.key.read_bytes())
    wants = private.server("receiver.test")
    wants.load_verify_locations(private.path)
    wants.verify_mode = ssl.CERT_REQUIRED

    async def push_with_it() -> None:
        async with proxying(proxy_tls) as proxy, receiver(tls=wants) as it, through(proxy, authority) as client:
            outcome = await client.push(f"https://receiver.test:{it.port}/", TOKEN, None, own)
            without = await client.push(f"https://receiver.test:{it.port}/", TOKEN)
        assert (outcome.kind, without.reason, len(it.requests)) == (ACCEPTED, "tls_unknown_ca", 1)

    run(push_with_it)


@pytest.mark.fault(25, 31)
def test_what_happens_behind_the_tunnel_is_the_receivers(
    run: Run, authority: Authority, proxy_tls: ssl.SSLContext | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong certificate, no TLS, a handshake that stalls, a receiver that is silent or speaks before it is asked: the
    reason is the same as without a proxy, and no connection to the proxy is left open."""
    early = authority.server("receiver.test")
    early.maximum_version = ssl.TLSVersion.TLSv1_2  # in which the server's message ends the handshake

    async def push_to_each() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.transport.abort()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            server = early.wrap_bio(incoming, outgoing, server_side=True)
            while True:
                try:
                    server.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65_536))
            server.write(b"220 receiver.test\r\n")
            writer.write(outgoing.read())  # in one piece with the end of the handshake
            with suppress(OSError):
                await reader.read()
            writer.transport.abort()

        reasons = {}
        limits: dict[str, Any] = {"deadline": 1.5, "connect_deadline": timedelta(seconds=1)}
        broken = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        talkative = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with (
            broken,
            talkative,
            receiver(tls=authority.server("other.test")) as wrong,
            receiver(tls=authority.server("receiver.test"), answer=b"", then="hang") as silent,
            receiver() as stalled,
        ):
            ports = {
                "wrong": wrong.port,
                "silent": silent.port,
                "stalled": stalled.port,
                "broken": broken.sockets[0].getsockname()[1],
                "talkative": talkative.sockets[0].getsockname()[1],
            }
            async with proxying(proxy_tls) as proxy, through(proxy, authority, **limits) as client:
                for name, port in ports.items():
                    outcome = await client.push(f"https://receiver.test:{port}/", TOKEN)
                    reasons[name] = (outcome.kind, outcome.reason)
                    while proxy.open:
                        await asyncio.sleep(0.001)
        # asyncio hands the greeting over with the end of the handshake, uvloop after it.
        assert reasons.pop("talkative") in [(TRANSIENT, "connection_lost"), (TRANSIENT, "not_http")]
        assert reasons == {
            "wrong": (TRANSIENT, "tls_wrong_host"),
            "silent": (TRANSIENT, "timeout"),
            "stalled": (TRANSIENT, "timeout_connect"),
            "broken": (TRANSIENT, "connection_lost"),
        }

    run(push_to_each)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.fault(31)
def test_the_certificate_of_an_https_proxy_is_verified(run: Run, authority: Authority, private: Authority) -> None:
    """A certificate for another name, and one of an authority that only an integration trusts: no CONNECT is sent."""
    own = OpenedTls(private.pem(), None, None)

    async def push_through_each() -> None:
        for tls in (authority.server("other.test"), private.server("127.0.0.1")):
            async with proxying(tls) as proxy, through(proxy, authority) as client:
                outcome = await client.push("https://receiver.test/", TOKEN, None, own)
            assert (outcome.kind, outcome.reason, proxy.heads) == (OutcomeKind.LOCAL, "proxy_unreachable", [])

    run(push_through_each)


REFUSALS = [
    (b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", "proxy_authentication"),
    (b"HTTP/1.1 403 No\r\n\r\n", "proxy_refused"),
    (b"HTTP/1.1 302 There\r\nLocation: https://receiver.test/\r\n\r\n", "proxy_refused"),
    (b"HTTP/1.1 101 Up\r\nUpgrade: x\r\n\r\n", "proxy_refused"),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n", "proxy_refused"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "proxy_refused"),
    (ESTABLISHED + answer("202 Accepted"), "proxy_refused"),
    (b"HTTP/1.1 200 A\r\nX: " + b"x" * MAX_HEAD_BYTES, "proxy_refused"),
    (b"HTTP/1.1 200 A\r\n", "proxy_timeout"),
]


@pytest.mark.parametrize(("says", "reason"), REFUSALS)
async def test_a_failed_connect_is_a_local_failure(authority: Authority, says: bytes, reason: str) -> None:
    """A 202 of the proxy's own is no delivery."""
    limit = timedelta(seconds=0.5)
    async with proxying(says=says) as proxy, through(proxy, authority, connect_deadline=limit) as client:
        outcome = await client.push("https://receiver.test/", TOKEN)
        reached = await client.reach("https://receiver.test/")
    assert (outcome.kind, outcome.reason) == (OutcomeKind.LOCAL, reason)
    assert reached is not None
    assert reached.reason == reason
    assert not any(TOKEN in head for head in proxy.heads)


@pytest.mark.parametrize(
    "says", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 100 A\r\n\r\nHTTP/1.1 200 A\r\n\r\n", b"HTTP/1.1 204 A\n\n"]
)
async def test_any_2xx_opens_a_tunnel(authority: Authority, says: bytes) -> None:
    """RFC 9110 §9.3.6. Behind it stands no receiver: what follows is no fault of the proxy's."""
    limit = timedelta(seconds=0.3)
    async with proxying(says=says) as proxy, through(proxy, authority, connect_deadline=limit) as client:
        outcome = await client.push("https://receiver.test/", TOKEN)
    assert (outcome.kind, outcome.reason) == (TRANSIENT, "timeout_connect")


async def test_an_ipv6_address_is_asked_for_in_brackets(authority: Authority) -> None:
    """RFC 3986 §3.2.2, with the port behind it."""
    rules = TargetRules(["::1"], allow_http=False)
    refuses = b"HTTP/1.1 502 Bad\r\n\r\n"
    async with proxying(says=refuses) as proxy, through(proxy, authority, rules, resolve=lambda _: ["::1"]) as client:
        await client.push("https://receiver.test/", TOKEN)
        await client.push("https://[::1]:8443/", TOKEN)
    assert [head.split(b"\r\n")[:2] for head in proxy.heads] == [
        [b"CONNECT [::1]:443 HTTP/1.1", b"Host: [::1]:443"],
        [b"CONNECT [::1]:8443 HTTP/1.1", b"Host: [::1]:8443"],
    ]


async def test_the_deadline_ends_the_search_for_an_address(authority: Authority) -> None:
    """Five addresses that the proxy waits for: there is time for three of them. The receiver is not blamed."""
    addresses = [f"127.0.0.{number}" for number in range(1, 6)]
    limits: dict[str, Any] = {"deadline": 1.0, "connect_deadline": timedelta(seconds=0.4)}
    async with (
        proxying(says=b"HTTP/1.1 200 A\r\n") as proxy,
        through(proxy, authority, resolve=lambda _: addresses, **limits) as client,
    ):
        outcome = await client.push("https://receiver.test/", TOKEN)
    assert (outcome.kind, outcome.reason, len(proxy.heads)) == (OutcomeKind.LOCAL, "proxy_timeout", 3)


async def test_closing_ends_a_tunnel_that_is_being_opened(authority: Authority) -> None:
    """As any push that still runs; no further address is tried."""
    async with (
        proxying(says=b"HTTP/1.1 200 A\r\n") as proxy,
        through(proxy, authority, resolve=lambda _: ["127.0.0.1", "127.0.0.2"]) as client,
    ):
        pushing = asyncio.create_task(client.push("https://receiver.test/", TOKEN))
        await proxy.connected.wait()
        await client.close()
        outcome = await pushing
    assert (outcome.kind, outcome.reason) == (OutcomeKind.LOCAL, "shutting_down")
    assert len(proxy.heads) <= 1


async def test_the_proxys_own_address_may_be_any(authority: Authority) -> None:
    """The rules are about receivers. A proxy whose name is unknown cannot be reached, and that is ours."""
    rules = TargetRules(["receiver.test"], allow_http=False)

    def resolve(host: str) -> Sequence[str]:
        if host == "unknown.test":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return ["127.0.0.1"]

    async with proxying() as proxy, receiver(tls=authority.server("receiver.test")) as it:
        url = f"https://receiver.test:{it.port}/"
        proxy.url = proxy.url.replace("127.0.0.1", "proxy.test")
        async with through(proxy, authority, rules, resolve=resolve) as client:
            assert (await client.push(url, TOKEN)).kind is ACCEPTED
            assert (await client.push("https://127.0.0.1/", TOKEN)).reason == "blocked_address"
        proxy.url = proxy.url.replace("proxy.test", "unknown.test")
        async with through(proxy, authority, rules, resolve=resolve) as client:
            outcome = await client.push(url, TOKEN)
    assert (outcome.kind, outcome.reason, len(proxy.heads)) == (OutcomeKind.LOCAL, "proxy_unreachable", 1)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_not_reached_is_tried_once(authority: Authority, scheme: str) -> None:
    """Another address of the receiver changes nothing about it: nobody listens there, or its handshake stalls."""
    asked: list[str] = []

    def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if host == "proxy.test" else ["127.0.0.1", "127.0.0.2"]

    limit = timedelta(seconds=0.3)
    async with receiver() as it:
        proxy = Proxy(url=f"{scheme}://proxy.test:{it.port if scheme == 'https' else free_port()}")
        async with through(proxy, authority, resolve=resolve, connect_deadline=limit) as client:
            outcome = await client.push("https://receiver.test/", TOKEN)
    reason = "proxy_timeout" if scheme == "https" else "proxy_unreachable"
    assert (outcome.kind, outcome.reason, asked) == (OutcomeKind.LOCAL, reason, ["receiver.test", "proxy.test"])


async def test_only_the_way_to_the_address_that_is_reached_is_measured(authority: Authority) -> None:
    """The connect phase of an attempt does not contain the wait for an address that the proxy does not reach."""
    limit = timedelta(seconds=1)
    addresses = ["127.0.0.9", "127.0.0.1"]
    async with (
        proxying() as proxy,
        receiver(tls=authority.server("receiver.test")) as it,
        through(proxy, authority, resolve=lambda _: addresses, connect_deadline=limit) as client,
    ):
        proxy.silent_for = "127.0.0.9"
        began = time.monotonic()
        outcome = await client.push(f"https://receiver.test:{it.port}/", TOKEN)
        took = timedelta(seconds=time.monotonic() - began)
    assert (outcome.kind, len(proxy.heads)) == (ACCEPTED, 2)
    assert outcome.phases.connect is not None
    assert outcome.phases.connect <= took - limit


async def test_a_push_that_waits_for_a_connection_is_no_fault_of_the_proxys(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver has its share of the connections. No other address is tried."""
    monkeypatch.setattr(pool, "MAX_CONNECTIONS_PER_HOST", 1)
    limits: dict[str, Any] = {"deadline": 4, "connect_deadline": timedelta(seconds=1.5)}
    addresses = ["127.0.0.1", "127.0.0.2"]
    async with (
        proxying() as proxy,
        receiver(tls=authority.server("receiver.test"), answer=b"", then="hang") as it,
        through(proxy, authority, resolve=lambda _: addresses, **limits) as client,
    ):
        url = f"https://receiver.test:{it.port}/"
        first = asyncio.create_task(client.push(url, TOKEN))
        await it.arrivals.get()
        second = await client.push(url, TOKEN)
        assert (await first).reason == "timeout"
    assert (second.kind, second.reason, len(proxy.heads)) == (OutcomeKind.LOCAL, "no_free_connection", 1)
