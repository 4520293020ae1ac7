"""Where the push client dials: never a forbidden address, and what it says when it cannot get there."""

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.push.addresses import TargetRules
from riskrelay.push.pool import MAX_CONNECTIONS_PER_HOST
from support.receivers import LOCAL, NOTHING_LISTED, TOKEN, answer, push_client, receiver

ACCEPTED, TRANSIENT, OURS = OutcomeKind.ACCEPTED, OutcomeKind.TRANSIENT, OutcomeKind.LOCAL


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "127.1",
        "0177.0.0.1",
        "①②⑦.0.0.1",
        "0.0.0.0",
        "private.example",
    ],
)
async def test_a_forbidden_target_sees_no_connection(host: str) -> None:
    """Rule: faults 30, C6. The listener behind the target stays untouched, over http and https."""
    async with receiver() as it, push_client(NOTHING_LISTED, resolve=local_resolver) as client:
        for scheme in ("http", "https"):
            outcome = await client.push(f"{scheme}://{host}:{it.port}/", TOKEN)
            assert (outcome.kind, outcome.reason) == (TRANSIENT, "blocked_address")
        assert it.connections == 0


def local_resolver(host: str) -> Sequence[str]:
    """`*.example` is this machine; other names are the system's business."""
    if host.endswith(".example"):
        return ["127.0.0.1"]
    return [str(info[4][0]) for info in socket.getaddrinfo(host, None)]


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "168.63.129.16", "100.100.100.200", "10.0.0.1"],
)
async def test_nothing_is_dialled_for_a_metadata_service(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There can be no listener here, so the loop's own way to connect is watched."""
    dials: list[object] = []

    async def refuse(_: object, address: object) -> None:
        dials.append(address)
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused by the test")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse)
    async with push_client(NOTHING_LISTED) as client:
        assert (await client.push(f"http://{host}/latest/meta-data", TOKEN)).reason == "blocked_address"
        assert dials == []
        assert (await client.push("http://8.8.8.8/", TOKEN)).reason == "connection_refused"  # the watch works
        assert dials != []


@pytest.mark.fault(30)
async def test_a_name_that_moves_to_a_private_address_is_blocked() -> None:
    """Rule: faults 30 (rebinding). Each new connection is judged by the address that it dials."""
    addresses = iter(["127.0.0.2", "127.0.0.1"])
    rules = TargetRules(["127.0.0.2"], allow_http=True)
    async with (
        receiver("127.0.0.2", answer=answer("202 A", b"", "Connection: close")) as allowed,
        receiver("127.0.0.1", allowed.port) as forbidden,
        push_client(rules, resolve=lambda _: [next(addresses)]) as client,
    ):
        outcomes = [await client.push(f"http://moving.example:{allowed.port}/", TOKEN) for _ in range(2)]
    assert [outcome.reason for outcome in outcomes] == ["accepted", "blocked_address"]
    assert (allowed.connections, forbidden.connections) == (1, 0)


@pytest.mark.parametrize("addresses", [["127.0.0.1", "127.0.0.2"], ["::1", "127.0.0.1", "127.0.0.2"]])
async def test_the_permitted_addresses_of_a_name_are_still_dialled(addresses: list[str]) -> None:
    """A name with a forbidden and a permitted address is reached at the permitted one only; the name stays the Host."""
    rules = TargetRules(["127.0.0.2"], allow_http=True)
    async with (
        receiver("127.0.0.2") as allowed,
        receiver("127.0.0.1", allowed.port) as forbidden,
        push_client(rules, resolve=lambda _: addresses) as client,
    ):
        outcome = await client.push(f"http://two.example:{allowed.port}/", TOKEN)
    assert outcome.kind is ACCEPTED
    assert (allowed.connections, forbidden.connections) == (1, 0)
    assert f"Host: two.example:{allowed.port}\r\n".encode() in allowed.requests[0]


async def test_the_outcome_is_that_of_the_permitted_address() -> None:
    """When a permitted address was dialled in vain, the outcome is about that dial and not about the blocked one."""
    async with receiver("127.0.0.1") as forbidden:
        rules = TargetRules(["127.0.0.2"], allow_http=True)
        async with push_client(rules, resolve=lambda _: ["127.0.0.1", "127.0.0.2"]) as client:
            outcome = await client.push(f"http://two.example:{forbidden.port}/", TOKEN)
    assert outcome.reason in ("connection_refused", "connection_failed")
    assert forbidden.connections == 0


async def test_a_listed_host_name_opens_that_name_only() -> None:
    """Two names lead to one private address; the list names one of them."""
    rules = TargetRules(["listed.example"], allow_http=True)
    async with receiver() as it, push_client(rules, resolve=lambda _: ["127.0.0.1"]) as client:
        targets = ["listed.example", "LISTED.example", "other.example", "127.0.0.1"]
        outcomes = [await client.push(f"http://{host}:{it.port}/", TOKEN) for host in targets]
    assert [outcome.reason for outcome in outcomes] == ["accepted", "accepted", "blocked_address", "blocked_address"]


async def test_pushes_to_listed_and_other_names_do_not_mix() -> None:
    """Many at once: what one push may dial never leaks into another."""
    rules = TargetRules(["listed.example"], allow_http=True)
    async with receiver() as it, push_client(rules, resolve=lambda _: ["::1", "127.0.0.1"]) as client:
        hosts = ["listed.example", "other.example"] * 20
        outcomes = await asyncio.gather(*(client.push(f"http://{host}:{it.port}/", TOKEN) for host in hosts))
    assert [outcome.reason for outcome in outcomes] == ["accepted", "blocked_address"] * 20


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:{port}/", "http_not_allowed"),
        ("HTTP://127.0.0.1:{port}/", "http_not_allowed"),
        ("https://user@127.0.0.1:{port}/", "userinfo_in_url"),
        ("https://user:pass@127.0.0.1:{port}/", "userinfo_in_url"),
        ("https://:pass@127.0.0.1:{port}/", "userinfo_in_url"),
        ("https://a.example@127.0.0.1:{port}/", "userinfo_in_url"),
        ("https://a.example\\@127.0.0.1:{port}/", "bad_url"),
        ("ftp://127.0.0.1:{port}/", "bad_url"),
        ("127.0.0.1:{port}", "bad_url"),
        ("//127.0.0.1:{port}/", "bad_url"),
        ("https://", "bad_url"),
        ("https://a.example:99999/", "bad_url"),
        ("https://[::1", "bad_url"),
        ("", "bad_url"),
    ],
)
async def test_a_url_that_may_not_be_pushed_to_is_refused(url: str, reason: str) -> None:
    """Nothing is dialled, and the backlog is kept."""
    rules = TargetRules(["127.0.0.0/8"], allow_http=False)
    async with receiver() as it, push_client(rules) as client:
        outcome = await client.push(url.format(port=it.port), TOKEN)
        assert (outcome.kind, outcome.reason) == (TRANSIENT, reason)
        assert it.connections == 0


def failing(error: Exception) -> Callable[[str], Sequence[str]]:
    """A resolver that fails in one way."""

    def resolve(_: str) -> Sequence[str]:
        raise error

    return resolve


@pytest.mark.fault(32)
@pytest.mark.parametrize(
    ("resolve", "kind", "reason"),
    [
        (failing(socket.gaierror(socket.EAI_AGAIN, "try again")), OURS, "resolver_unavailable"),
        (failing(socket.gaierror(socket.EAI_FAIL, "refused")), OURS, "resolver_unavailable"),
        (failing(socket.gaierror(socket.EAI_NONAME, "no name")), TRANSIENT, "name_not_found"),
        (failing(socket.gaierror(socket.EAI_NODATA, "no address")), TRANSIENT, "name_not_found"),
        (failing(UnicodeError("label too long")), TRANSIENT, "name_not_found"),
        (failing(ZeroDivisionError("a defect")), OURS, "push_failed"),
        (lambda _: [], TRANSIENT, "name_not_found"),
        (lambda _: ["not an address"], TRANSIENT, "blocked_address"),
    ],
)
async def test_a_name_that_cannot_be_resolved(
    resolve: Callable[[str], Sequence[str]], kind: OutcomeKind, reason: str
) -> None:
    """Rule: faults 32. A name that does not exist is the receiver's; a resolver that fails is ours."""
    async with push_client(resolve=resolve) as client:
        outcome = await client.push("https://a.example/", TOKEN)
    assert (outcome.kind, outcome.reason) == (kind, reason)


@pytest.mark.fault(32)
async def test_a_silent_resolver_is_a_local_failure_and_stops_no_other_push() -> None:
    """Rule: faults 32. While lookups hang, the loop runs, literal targets are served, and the deadline holds."""
    release = threading.Event()

    def hang(_: str) -> Sequence[str]:
        release.wait(600)
        return []

    limit = timedelta(seconds=1.5)
    async with receiver() as it, push_client(deadline=10, resolve=hang, connect_deadline=limit) as client:
        before = asyncio.get_running_loop().time()
        hanging = asyncio.gather(*(client.push(f"https://{n}.example/", TOKEN) for n in range(40)))
        served = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
        assert not hanging.done()
        outcomes = await hanging
        assert asyncio.get_running_loop().time() - before < 20  # the lookups hang for ten minutes
        release.set()
    assert served.kind is ACCEPTED
    assert {(outcome.kind, outcome.reason) for outcome in outcomes} == {(OURS, "resolver_unavailable")}


async def test_a_refused_connection_is_transient() -> None:
    """The system's refusal has its own word."""
    async with receiver() as it:
        port = it.port
    async with push_client() as client:
        outcome = await client.push(f"http://127.0.0.1:{port}/", TOKEN)
    assert (outcome.kind, outcome.reason) == (TRANSIENT, "connection_refused")


@pytest.mark.parametrize(
    ("number", "kind", "reason"),
    [
        (errno.EHOSTUNREACH, TRANSIENT, "unreachable"),
        (errno.ENETUNREACH, TRANSIENT, "unreachable"),
        (errno.ETIMEDOUT, TRANSIENT, "timeout_connect"),
        (errno.ECONNRESET, TRANSIENT, "connection_lost"),
        (errno.EMFILE, OURS, "no_descriptors"),
        (errno.EACCES, TRANSIENT, "connection_failed"),
    ],
)
async def test_what_the_system_says_of_a_dial(
    number: int, kind: OutcomeKind, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of descriptors is ours; the network's faults are transient."""

    async def fail(*_: object) -> None:
        raise OSError(number, "as the test says")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", fail)
    async with push_client() as client:
        outcome = await client.push("http://127.0.0.1:9/", TOKEN)
    assert (outcome.kind, outcome.reason) == (kind, reason)


async def test_a_black_hole_ends_at_the_connect_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: faults 25. A SYN that nobody answers."""

    async def hang(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", hang)
    async with push_client(connect_deadline=timedelta(seconds=0.1)) as client:
        outcome = await client.push("http://127.0.0.1:9/", TOKEN)
    assert (outcome.kind, outcome.reason) == (TRANSIENT, "timeout_connect")


async def test_cancelling_a_push_cancels_it() -> None:
    """The only exception that leaves a push."""
    async with receiver(then="hang", answer=b"") as it, push_client() as client:
        task = asyncio.create_task(client.push(f"http://127.0.0.1:{it.port}/", TOKEN))
        await it.arrivals.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_closing_ends_running_and_later_pushes() -> None:
    """They end as ours: the receiver did nothing wrong. Those that wait for a connection end too."""
    async with receiver(then="hang", answer=b"") as it, push_client(LOCAL, deadline=5) as client:
        tasks = [asyncio.create_task(client.push(f"http://127.0.0.1:{it.port}/", TOKEN)) for _ in range(70)]
        for _ in range(MAX_CONNECTIONS_PER_HOST):
            await it.arrivals.get()
        await client.close()
        outcomes = [*await asyncio.gather(*tasks), await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)]
    assert {(outcome.kind, outcome.reason) for outcome in outcomes} == {(OURS, "shutting_down")}
