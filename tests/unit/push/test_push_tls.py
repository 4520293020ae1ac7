"""The push client over TLS: it fails closed, and says precisely why."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from riskrelay.core.errors import Misconfigured
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.push.client import PushClient
from riskrelay.push.exchange import MAX_BODY_BYTES
from support.certificates import Authority, new_authority
from support.receivers import TOKEN, push_client, receiver


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that the client trusts."""
    return new_authority(tmp_path_factory.mktemp("authority"), "trusted")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that it does not."""
    return new_authority(tmp_path_factory.mktemp("stranger"), "stranger")


def trusting(authority: Authority) -> PushClient:
    """A client that trusts *authority*, and for which every name is this machine."""
    return push_client(deadline=0.6, trust_ca=authority.path, resolve=lambda _: ["127.0.0.1"])


@pytest.mark.fault(30)
async def test_the_name_is_verified_and_sent(authority: Authority) -> None:
    """Rule: faults 30. SNI and Host are the name, not the address; the connection is kept."""
    seen: list[str | None] = []
    tls = authority.server("receiver.test")
    tls.sni_callback = lambda _socket, server_name, _context: seen.append(server_name)
    async with receiver(tls=tls) as it, trusting(authority) as client:
        outcomes = [await client.push(f"https://receiver.test:{it.port}/", TOKEN) for _ in range(3)]
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.ACCEPTED}
    assert seen == ["receiver.test"]
    assert f"Host: receiver.test:{it.port}\r\n".encode() in it.requests[0]


@pytest.mark.fault(31)
@pytest.mark.parametrize("host", ["receiver.test.", "RECEIVER.TEST."])
async def test_an_absolute_name_is_verified_and_sent_without_its_final_dot(authority: Authority, host: str) -> None:
    """RFC 6066 §3: neither SNI nor a certificate has it. Another name is refused as without a dot."""
    context = authority.server("receiver.test")
    names: list[object] = []
    context.sni_callback = lambda connection, name, _: names.append(name)
    async with receiver(tls=context) as it, trusting(authority) as client:
        outcome = await client.push(f"https://{host}:{it.port}/", TOKEN)
        other = await client.push(f"https://other.test.:{it.port}/", TOKEN)
    assert (outcome.reason, other.reason) == ("accepted", "tls_wrong_host")
    assert names == ["receiver.test", "other.test"]
    assert f"\r\nhost: receiver.test:{it.port}\r\n".encode() in it.requests[0].lower()


async def test_an_address_is_verified(authority: Authority) -> None:
    """A target given by its address needs a certificate for that address."""
    async with receiver(tls=authority.server("127.0.0.1")) as it, trusting(authority) as client:
        outcome = await client.push(f"https://127.0.0.1:{it.port}/", TOKEN)
    assert outcome.kind is OutcomeKind.ACCEPTED


@pytest.mark.fault(31)
@pytest.mark.parametrize(
    ("host", "begins", "ends", "reason"),
    [
        ("receiver.test", -2, -1, "tls_expired"),
        ("receiver.test", 1, 2, "tls_failed"),
        ("other.test", -1, 1, "tls_wrong_host"),
        ("a.receiver.test", -1, 1, "tls_wrong_host"),
        ("127.0.0.1", -1, 1, "tls_wrong_host"),
    ],
)
async def test_a_wrong_certificate_is_refused(
    authority: Authority, host: str, begins: int, ends: int, reason: str
) -> None:
    """Rule: faults 31. Nothing is sent."""
    tls = authority.server("receiver.test", begins=begins, ends=ends)
    async with receiver(tls=tls) as it, trusting(authority) as client:
        outcome = await client.push(f"https://{host}:{it.port}/", TOKEN)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.TRANSIENT, reason)
    assert it.requests == []


@pytest.mark.fault(31)
async def test_an_unknown_authority_is_refused(authority: Authority, stranger: Authority) -> None:
    """Rule: faults 31. The system's authorities alone are not enough either."""
    async with receiver(tls=stranger.server("receiver.test")) as it:
        async with trusting(authority) as client:
            outcome = await client.push(f"https://receiver.test:{it.port}/", TOKEN)
        async with push_client(resolve=lambda _: ["127.0.0.1"]) as client:
            system_only = await client.push(f"https://receiver.test:{it.port}/", TOKEN)
    assert outcome.reason == system_only.reason == "tls_unknown_ca"
    assert it.requests == []


Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PROTOCOL_VERSION_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"  # RFC 5246 §7.2: what a server of TLS 1.0 and 1.1 answers
HANDSHAKE_FAILURE_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
INTERNAL_ERROR_ALERT = b"\x15\x03\x03\x00\x02\x02\x50"
TLS_1_1_HELLO = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02" + bytes(32) + b"\x00\xc0\x13\x00"


@pytest.mark.fault(31)
@pytest.mark.parametrize(
    ("first_bytes", "reason"),
    [
        (PROTOCOL_VERSION_ALERT, "tls_protocol"),
        (HANDSHAKE_FAILURE_ALERT, "tls_protocol"),
        (TLS_1_1_HELLO, "tls_protocol"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "tls_protocol"),
        (INTERNAL_ERROR_ALERT, "tls_failed"),
        (b"", "connection_lost"),
    ],
)
async def test_a_server_without_current_tls_is_a_transient_failure(first_bytes: bytes, reason: str) -> None:
    """Rule: faults 31. Old versions, no TLS at all, a server that hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.write(first_bytes)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, push_client() as client:
        outcome = await client.push(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/", TOKEN)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.TRANSIENT, reason)


@pytest.mark.fault(31)
async def test_a_stalled_handshake_ends_at_the_connect_deadline() -> None:
    """Rule: faults 31. The server accepts and says nothing."""
    limit = timedelta(seconds=0.2)
    async with receiver() as it, push_client(connect_deadline=limit, resolve=lambda _: ["127.0.0.1"]) as client:
        outcome = await client.push(f"https://receiver.test:{it.port}/", TOKEN)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.TRANSIENT, "timeout_connect")


async def push_to(authority: Authority, tls: ssl.SSLContext, play: Callable[[ssl.SSLSocket], None]) -> Outcome:
    """Push to a server whose part *play* plays on a blocking socket, until the client hangs up."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.settimeout(60)
        with tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as server:
            play(server)
            with suppress(ConnectionError):
                while socket.socket.recv(server, 10_000):  # not as TLS: a farewell is no end
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(asyncio.to_thread(serve, listener))
        async with trusting(authority) as client:
            outcome = await client.push(f"https://receiver.test:{listener.getsockname()[1]}/", TOKEN)
            await serving
    return outcome


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("answer", "reason"), [(b"", "timeout"), (b"HTTP/1.1 202 A\r\n\r\n" + b"x" * (MAX_BODY_BYTES + 1), "accepted")]
)
async def test_nothing_waits_for_a_farewell_over_tls(authority: Authority, answer: bytes, reason: str) -> None:
    """Rule: faults 25. What we give up is closed at once, though the server does not answer our farewell."""

    def give_no_whole_answer(server: ssl.SSLSocket) -> None:
        server.do_handshake()
        server.recv(10_000)
        server.sendall(answer)

    outcome = await push_to(authority, authority.server("receiver.test"), give_no_whole_answer)
    assert outcome.reason == reason


async def test_a_server_that_wants_our_certificate(authority: Authority) -> None:
    """TLS 1.3 tells only after the handshake, when we may be sending: the alert, unless a reset comes before it."""
    tls = authority.server("receiver.test")
    tls.load_verify_locations(authority.path)
    tls.verify_mode = ssl.CERT_REQUIRED

    def refuse(server: ssl.SSLSocket) -> None:
        with suppress(ssl.SSLError):
            server.do_handshake()

    outcome = await push_to(authority, tls, refuse)
    assert outcome.kind is OutcomeKind.TRANSIENT
    assert outcome.reason in ("tls_client_refused", "connection_lost")


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_unreadable_authorities_are_a_configuration_error(tmp_path: Path, content: str | None) -> None:
    """The message names the file."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        push_client(trust_ca=path)
