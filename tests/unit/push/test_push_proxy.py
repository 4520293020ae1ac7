"""Pushing through an egress proxy: real tunnels of a proxy in another process."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from riskrelay.bench.processes import free_port
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.push.addresses import TargetRules
from riskrelay.push.client import PushClient
from support.certificates import Authority, new_authority
from support.fork_server import shared_fork_server
from support.receivers import LOCAL, TOKEN, receiver
from support.service import Process
from support.services import HandClock

ACCEPTED, TRANSIENT, OURS = OutcomeKind.ACCEPTED, OutcomeKind.TRANSIENT, OutcomeKind.LOCAL


@dataclass
class Proxied:
    """A proxy that wants credentials, and an authority that clients trust."""

    port: int
    log: Path
    authority: Authority

    def client(self, url: str | None = None, rules: TargetRules = LOCAL, **options: Any) -> PushClient:
        """A client that goes through it; every name is this machine."""
        chosen = {"deadline": timedelta(seconds=20), "resolve": lambda _: ["127.0.0.1"], **options}
        proxy = url or f"http://user:secret@127.0.0.1:{self.port}"
        return PushClient(rules, HandClock(), trust_ca=self.authority.path, egress_proxy=proxy, **chosen)

    @property
    def asked(self) -> list[str]:
        """What it was asked for."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    log = folder / "asked"
    arguments, forking = [str(port), str(log), "user:secret"], shared_fork_server()
    process = Process(arguments, port, {}, folder / "log", forking, module="support.connect_proxy")
    yield Proxied(port, log, new_authority(folder))
    process.kill()


@pytest.fixture
def proxied(running: Proxied) -> Proxied:
    running.log.unlink(missing_ok=True)
    return running


async def test_the_proxy_is_asked_for_the_address_that_was_judged(proxied: Proxied) -> None:
    """Host and SNI stay the name, the certificate is the receiver's, the tunnel is kept."""
    seen: list[str | None] = []
    tls = proxied.authority.server("receiver.test")
    tls.sni_callback = lambda _socket, server_name, _context: seen.append(server_name)
    async with receiver(tls=tls) as it, proxied.client() as client:
        outcomes = [await client.push(f"https://receiver.test:{it.port}/a?b=c", TOKEN, "Bearer x") for _ in range(3)]
    assert {outcome.kind for outcome in outcomes} == {ACCEPTED}
    assert (it.connections, seen, proxied.asked) == (1, ["receiver.test"], [f"127.0.0.1:{it.port}"])
    assert it.requests[0].startswith(b"POST /a?b=c HTTP/1.1\r\nHost: receiver.test:%d\r\n" % it.port)
    assert b"Bearer x" in it.requests[0]
    assert b"secret" not in it.requests[0]
    assert b"Proxy-Authorization" not in it.requests[0]
    connected, reused = outcomes[0].phases, outcomes[1].phases
    assert None not in connected
    assert (reused.connect, reused.tls) == (None, None)


async def test_two_names_at_one_address_share_no_tunnel(proxied: Proxied) -> None:
    """A connection that was verified for one name is not used for another."""
    async with receiver(tls=proxied.authority.server("one.test")) as it, proxied.client() as client:
        one = await client.push(f"https://one.test:{it.port}/", TOKEN)
        two = await client.push(f"https://two.test:{it.port}/", TOKEN)
    assert (one.reason, two.reason) == ("accepted", "tls_wrong_host")
    assert len(it.requests) == 1


@pytest.mark.fault(30)
@pytest.mark.parametrize("host", ["127.0.0.1", "private.test", "[::ffff:127.0.0.1]", "2130706433", "169.254.169.254"])
async def test_the_proxy_is_not_asked_for_what_may_not_be_reached(proxied: Proxied, host: str) -> None:
    """Literal addresses and names alike: it hears nothing of them."""
    async with proxied.client(rules=TargetRules([], allow_http=False)) as client:
        outcome = await client.push(f"https://{host}/", TOKEN)
    assert (outcome.kind, outcome.reason) == (TRANSIENT, "blocked_address")
    assert proxied.asked == []


@pytest.mark.fault(30)
async def test_the_proxy_is_asked_for_one_judged_address_after_the_other(proxied: Proxied) -> None:
    """It does not get to the first; it hears nothing of the one that may not be reached; the third is kept, and asked
    for first from then on."""
    addresses = ["127.0.0.9", "10.1.2.3", "127.0.0.1"]
    tls = proxied.authority.server("receiver.test")
    async with receiver(tls=tls) as it, proxied.client(resolve=lambda _: addresses) as client:
        url = f"https://receiver.test:{it.port}/"
        outcomes = [await client.push(url, TOKEN) for _ in range(2)]
        assert (await client.reach(url)) is None
    assert [outcome.kind for outcome in outcomes] == [ACCEPTED, ACCEPTED]
    assert proxied.asked == [f"127.0.0.9:{it.port}", f"127.0.0.1:{it.port}", f"127.0.0.1:{it.port}"]
    assert (it.connections, len(it.requests)) == (2, 2)


async def test_an_address_that_the_proxy_waits_for_leaves_time_for_the_next(proxied: Proxied) -> None:
    """It is given up after the time of a connection; when no address is reached that is ours."""
    addresses, limit = ["127.0.0.9", "127.0.0.1"], timedelta(seconds=0.5)
    async with proxied.client(resolve=lambda _: addresses, connect_deadline=limit) as client:
        outcome = await client.push("https://receiver.test:2/", TOKEN)
    assert (outcome.kind, outcome.reason) == (OURS, "proxy_timeout")
    assert proxied.asked == ["127.0.0.9:2", "127.0.0.1:2"]


async def test_credentials_that_the_proxy_refuses_are_shown_once(proxied: Proxied) -> None:
    """Another address would not change its mind; nor would it when it cannot be reached itself."""
    url = f"http://user:other@127.0.0.1:{proxied.port}"
    async with proxied.client(url, resolve=lambda _: ["127.0.0.9", "127.0.0.1"]) as client:
        outcome = await client.push("https://receiver.test/", TOKEN)
    assert (outcome.reason, proxied.asked) == ("proxy_authentication", ["127.0.0.9:443"])


async def test_plain_http_is_not_pushed_through_it(proxied: Proxied) -> None:
    """A proxy would be asked for a name then, and could answer itself."""
    async with receiver() as it, proxied.client() as client:
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
    assert (outcome.kind, outcome.reason, it.connections) == (TRANSIENT, "http_not_allowed", 0)


async def test_a_receiver_is_reached_through_it(proxied: Proxied) -> None:
    """The tunnel and the receiver's handshake are made; the receiver gets no byte of a request; a wrong certificate
    and a tunnel that is refused are told apart."""
    async with receiver(tls=proxied.authority.server("receiver.test")) as it, proxied.client() as client:
        assert await client.reach(f"https://receiver.test:{it.port}/") is None
        assert proxied.asked == [f"127.0.0.1:{it.port}"]
        reached = [await client.reach(url) for url in (f"https://other.test:{it.port}/", "https://receiver.test:1/")]
    assert [one and one.reason for one in reached] == ["tls_wrong_host", "proxy_refused"]
    assert it.requests == []


@pytest.mark.parametrize(
    ("url", "port", "reason"),
    [
        pytest.param(f"http://user:secret@127.0.0.1:{free_port()}", 443, "proxy_unreachable", id="nothing listens"),
        ("http://user:other@127.0.0.1:{proxy}", 443, "proxy_authentication"),
        ("http://127.0.0.1:{proxy}", 443, "proxy_authentication"),
        ("http://user:secret@127.0.0.1:{proxy}", 1, "proxy_refused"),
        ("http://user:secret@127.0.0.1:{proxy}", 2, "proxy_timeout"),
        ("https://user:secret@127.0.0.1:{proxy}", 443, "proxy_timeout"),  # it waits for plain HTTP
    ],
)
async def test_failures_of_the_proxy_are_local(proxied: Proxied, url: str, port: int, reason: str) -> None:
    """No receiver is blamed, and the detail says nothing of the proxy's credentials."""
    async with proxied.client(url.format(proxy=proxied.port), connect_deadline=timedelta(seconds=1)) as client:
        outcome = await client.push(f"https://receiver.test:{port}/", TOKEN)
    assert (outcome.kind, outcome.reason) == (OURS, reason)
    assert "secret" not in outcome.detail
    assert "user" not in outcome.detail


async def test_the_deadline_includes_the_name_resolution(proxied: Proxied) -> None:
    """Nothing that comes before the proxy is dialled has a time of its own."""
    over = threading.Event()

    def resolve(host: str) -> list[str]:
        over.wait(60)
        return ["127.0.0.1"]

    deadline, connect_deadline = timedelta(seconds=0.5), timedelta(seconds=60)
    async with proxied.client(deadline=deadline, connect_deadline=connect_deadline, resolve=resolve) as client:
        try:
            async with asyncio.timeout(30):
                outcome = await client.push("https://receiver.test/", TOKEN)
        finally:
            over.set()
    assert (outcome.kind, outcome.reason, proxied.asked) == (OURS, "resolver_unavailable", [])


async def test_failures_in_the_tunnel_are_the_receivers(proxied: Proxied) -> None:
    """A wrong certificate, a silent receiver and a kept tunnel that fails are no fault of the proxy's."""
    async with receiver(tls=proxied.authority.server("other.test")) as wrong, proxied.client() as client:
        outcome = await client.push(f"https://receiver.test:{wrong.port}/", TOKEN)
    assert (outcome.kind, outcome.reason) == (TRANSIENT, "tls_wrong_host")
    tls = proxied.authority.server("receiver.test")
    async with receiver(tls=tls) as it, proxied.client(deadline=timedelta(seconds=2)) as client:
        assert (await client.push(f"https://receiver.test:{it.port}/", TOKEN)).kind is ACCEPTED
        it.answer, it.then = b"", "hang"
        outcome = await client.push(f"https://receiver.test:{it.port}/", TOKEN)
    assert (outcome.kind, outcome.reason) == (TRANSIENT, "timeout")
