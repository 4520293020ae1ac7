"""The push client's answers: every outcome, no wait beyond the deadline, connections that are kept."""

import asyncio
import gzip
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest

from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.push.exchange import MAX_BODY_BYTES
from riskrelay.push.pool import MAX_CONNECTIONS_PER_HOST
from support.receivers import OK, TOKEN, answer, push_client, receiver

ACCEPTED, REJECTED, AUTH, GONE, THROTTLED, TRANSIENT, OURS = OutcomeKind
BROKEN_CHUNK = b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"


@pytest.mark.fault(28)
@pytest.mark.parametrize(
    ("raw", "kind", "reason", "status"),
    [
        (answer("202 Accepted"), ACCEPTED, "accepted", 202),
        (answer("200 OK", b"{}"), ACCEPTED, "accepted", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ACCEPTED, "accepted", 204),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", ACCEPTED, "accepted", 200),
        (b"HTTP/1.1 202 A\r\nContent-Length: 99\r\n\r\ncut", ACCEPTED, "accepted", 202),
        (b"HTTP/1.1 202 A\r\n" + BROKEN_CHUNK, ACCEPTED, "accepted", 202),
        (b"HTTP/1.1 103 Hints\r\n\r\n" * 5 + b"HTTP/1.1 202 A\r\n" + BROKEN_CHUNK, ACCEPTED, "accepted", 202),
        (answer("202 A", b"not gzip", "Content-Encoding: gzip"), ACCEPTED, "accepted", 202),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 500 + OK, ACCEPTED, "accepted", 202),
        (answer("400 Bad", b'{"err":"invalid_key","description":"x"}'), REJECTED, "invalid_key", 400),
        (answer("400 Bad", b"<html>"), TRANSIENT, "bad_request_without_err", 400),
        (answer("401 Who"), AUTH, "http_401", 401),
        (answer("403 No"), AUTH, "http_403", 403),
        (answer("410 Gone"), GONE, "http_410", 410),
        (answer("429 Slow"), THROTTLED, "http_429", 429),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n" + BROKEN_CHUNK, THROTTLED, "http_503", 503),
        (answer("500 Oops"), TRANSIENT, "http_500", 500),
        (answer("302 Found", b"", "Location: http://127.0.0.1:1/"), TRANSIENT, "http_302", 302),
        (b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nxx", TRANSIENT, "http_101", 101),
        (b"SSH-2.0-OpenSSH_9.6\r\n", TRANSIENT, "not_http", None),
        (b"<html>hello", TRANSIENT, "not_http", None),
        (b"HTTP/1.1 202 A\r\nX: " + b"a" * 1_000_000, TRANSIENT, "not_http", None),
        (b"HTTP/1.1 202 A\r\n" + b"X: y\r\n" * 100_000, TRANSIENT, "not_http", None),
        (b"HTTP/1.1 103 Hints\r\n\r\n" * 4_000, TRANSIENT, "not_http", None),
        (b"", TRANSIENT, "connection_lost", None),
        (b"HTTP/1.1 202 A\r\nContent-", TRANSIENT, "connection_lost", None),
    ],
)
async def test_an_answer_becomes_an_outcome(raw: bytes, kind: OutcomeKind, reason: str, status: int | None) -> None:
    """Rule: design 6; faults 28. A 2xx is delivered whatever follows its head, nothing else is, and none keeps us."""
    async with receiver(answer=raw, then="close") as it, push_client(deadline=60) as client:
        before = asyncio.get_running_loop().time()
        outcome = await client.push(f"http://127.0.0.1:{it.port}/events", TOKEN)
        assert asyncio.get_running_loop().time() - before < 30
    assert (outcome.kind, outcome.reason, outcome.status) == (kind, reason, status)
    assert (len(it.requests), it.connections) == (1, 1)
    assert len(outcome.detail) <= 500
    assert outcome.detail.isprintable()


ODD_HEADS = [
    b"HTTP/1.1 %b\r\nContent-Length: 45\r\nTransfer-Encoding: chunked\r\n",
    b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\nContent-Length: 45\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\nContent-Length: 45\r\nContent-Length: 9\r\n",
    b"HTTP/1.1 %b\r\nContent-Length:\r\n",
    b"HTTP/1.1 %b\r\nContent-Length: \r\n",
    b"HTTP/1.1 %b\r\nContent-Length: 45, 45\r\n",
    b"HTTP/1.1 %b\r\nContent-Length: +45\r\n",
    b"HTTP/1.1 %b\r\nContent-Length: 0x2d\r\n",
    b"HTTP/1.1 %b\r\nContent-Length: 99999999999999999999999\r\n",
    b"HTTP/1.1 %b\r\nContent-Length : 45\r\n",
    b"HTTP/1.1 %b\r\nContent Length: 45\r\n",
    b"HTTP/1.1 %b\r\nX Y: z\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\nno colon\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\n: no name\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\nX: a\0b\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\nX\0: a\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\n\xc3\x9c: a\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\nX: a\rb\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\nX: a\r\n b\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\r\n folded\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 %b\nContent-Length: 45\n",
    b"HTTP/1.1 %b\r\n",
    b"HTTP/1.0 %b\r\n",
    b"HTTP/1.2 %b\r\nContent-Length: 45\r\n",
    b"HTTP/2 %b\r\nContent-Length: 45\r\n",
    b"http/1.1  %b\r\nContent-Length: 45\r\n",
    b"HTTP/1.1 100 Continue\r\nX Y: z\r\n\r\nHTTP/1.1 %b\r\nX Y: z\r\nContent-Length: 45\r\n",
]
REFUSAL = b'\r\n{"err":"invalid_key","description":"unknown"}'
assert len(REFUSAL.strip()) == 45


@pytest.mark.fault(28)
@pytest.mark.parametrize("head", ODD_HEADS)
async def test_the_status_line_decides_whatever_the_framing(head: bytes) -> None:
    """Rule: design 6. A 2xx is delivered, and the connection is not used again; other answers mean what they say."""
    async with receiver(answer=head % b"202 A" + REFUSAL, then="keep") as it, push_client(deadline=5) as client:
        outcomes = [await client.push(f"http://127.0.0.1:{it.port}/", TOKEN) for _ in range(2)]
        assert (len(it.requests), it.connections) == (2, 2)
    assert [(outcome.reason, outcome.status) for outcome in outcomes] == [("accepted", 202)] * 2
    expected = [(b"410", "http_410", None), (b"503 A\r\nRetry-After: 7", "http_503", timedelta(seconds=7))]
    if b"chunked" not in head and b"Length: 9\r" not in head:
        expected.append((b"400 A", "invalid_key", None))
    for status, reason, retry_after in expected:
        async with receiver(answer=head % status + REFUSAL, then="close") as it, push_client(deadline=5) as client:
            outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
        assert (outcome.reason, outcome.status, outcome.retry_after) == (reason, int(status[:3]), retry_after)


@pytest.mark.fault(28)
async def test_a_refusal_of_unknown_length_is_not_waited_for() -> None:
    """If the length of a 400 cannot be read and the connection stays open, the body received within a second counts."""
    head = b"HTTP/1.1 400 A\r\nContent-Length: 45, 9\r\n"
    async with receiver(answer=head + REFUSAL, then="hang") as it, push_client(deadline=60) as client:
        before = asyncio.get_running_loop().time()
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
        assert asyncio.get_running_loop().time() - before < 30
    assert outcome.reason == "invalid_key"


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("raw", "then", "drip", "reason"),
    [
        (b"", "hang", b"", "timeout"),
        (b"HTTP/1.1 202 A\r\n", "drip", b"X: y\r\n", "timeout"),
        (b"", "drip", b"HTTP/1.1 100 Continue\r\n\r\n", "timeout"),
        (b"", "drip", b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "not_http"),
        (b"", "drip", b"HTTP/1.1 100 Continue\r\nX Y: z\r\n\r\n" * 100, "not_http"),
        (b"HTTP/1.1 202 A\r\nX Y: z\r\n", "drip", b"X: y\r\n", "timeout"),
        (b"HTTP/1.1 202 A\r\nContent-Length: 9\r\n\r\n", "hang", b"", "accepted"),
        (b"HTTP/1.1 202 A\r\nContent-Length: 9999\r\n\r\n", "drip", b"x", "accepted"),
        (b"HTTP/1.1 202 A\r\n\r\n", "drip", b"x" * 10_000, "accepted"),
        (b"HTTP/1.1 401 A\r\nContent-Length: 9\r\n\r\nx", "hang", b"", "http_401"),
        (b"HTTP/1.1 500 A\r\nTransfer-Encoding: chunked\r\n\r\n", "drip", b"1\r\nx\r\n", "http_500"),
    ],
)
async def test_the_deadline_ends_everything(raw: bytes, then: str, drip: bytes, reason: str) -> None:
    """Rule: faults 25. Headers that never end are a timeout; a body that never ends changes nothing."""
    async with receiver(answer=raw, then=then, drip=drip) as it, push_client(deadline=0.3) as client:
        before = asyncio.get_running_loop().time()
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
        assert asyncio.get_running_loop().time() - before < 30  # the receiver goes on for a minute
    assert outcome.reason == reason


@pytest.mark.fault(25)
async def test_at_most_64_kib_of_an_error_are_read() -> None:
    """An endless body is cut long before the deadline, and its connection is not used again."""
    raw = b"HTTP/1.1 500 A\r\n\r\n"
    async with receiver(answer=raw, then="drip", drip=b"x" * MAX_BODY_BYTES) as it, push_client(deadline=60) as client:
        before = asyncio.get_running_loop().time()
        outcomes = [await client.push(f"http://127.0.0.1:{it.port}/", TOKEN) for _ in range(3)]
        assert asyncio.get_running_loop().time() - before < 30
    assert {outcome.reason for outcome in outcomes} == {"http_500"}
    assert it.connections == 3


@pytest.mark.fault(26)
async def test_a_retry_after_date_is_read_by_the_clock() -> None:
    """The receiver's date counts from the clock that was passed in."""
    raw = answer("503 Busy", b"", "Retry-After: Tue, 17 Mar 2026 12:02:00 GMT")
    async with receiver(answer=raw) as it, push_client() as client:
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
    assert outcome.retry_after == timedelta(minutes=2)


async def test_the_request_is_what_rfc_8935_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: RFC 8935 §2.1. The SET is the body, byte for byte; no cookie, compression or proxy."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with receiver(answer=answer("202 A", b"", "Set-Cookie: a=b")) as it, push_client() as client:
        for _ in range(2):
            await client.push(f"http://127.0.0.1:{it.port}/a/b?c=d", TOKEN)
    head, _, body = it.requests[1].partition(b"\r\n\r\n")
    assert body == TOKEN
    request, *headers = head.decode().split("\r\n")
    assert request == "POST /a/b?c=d HTTP/1.1"
    assert dict(line.split(": ") for line in headers) == {
        "Host": f"127.0.0.1:{it.port}",
        "Content-Type": "application/secevent+jwt",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "riskrelay",
        "Content-Length": str(len(TOKEN)),
    }


@pytest.mark.fault(28, 30)
async def test_a_redirect_is_never_followed() -> None:
    """Rule: faults 28, 30. The place it points to sees no connection."""
    async with receiver() as other, push_client() as client:
        for status in (301, 302, 303, 307, 308):
            raw = answer(f"{status} Away", b"", f"Location: http://127.0.0.1:{other.port}/")
            async with receiver(answer=raw) as it:
                outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
            assert (outcome.kind, outcome.reason) == (TRANSIENT, f"http_{status}")
    assert other.connections == 0


@pytest.mark.fault(25)
async def test_a_compressed_body_stays_compressed() -> None:
    """Rule: faults 25. A bomb is a few bytes of unreadable text."""
    raw = answer("500 A", gzip.compress(b"x" * 50_000_000, 1)[:60_000], "Content-Encoding: gzip")
    async with receiver(answer=raw) as it, push_client() as client:
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
    assert outcome.reason == "http_500"
    assert "xxx" not in outcome.detail


@pytest.mark.parametrize(
    "raw", [answer("500 A", b"you sent " + TOKEN), TOKEN + b"\r\n\r\n", b"HTTP/1.1 20 A\r\n\0: " + TOKEN + b"\r\n\r\n"]
)
async def test_an_echoed_set_is_not_in_the_detail(raw: bytes) -> None:
    """What is stored and shown of an attempt holds no part of the SET."""
    async with receiver(answer=raw, then="close") as it, push_client() as client:
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
    assert outcome.detail
    assert "ppp" not in outcome.detail
    assert "eyJ" not in outcome.detail


async def test_a_connection_is_kept() -> None:
    """Twenty pushes, one connection."""
    async with receiver(answer=answer("202 A", b"{}")) as it, push_client() as client:
        outcomes = [await client.push(f"http://127.0.0.1:{it.port}/", TOKEN) for _ in range(20)]
    assert {outcome.kind for outcome in outcomes} == {ACCEPTED}
    assert (it.connections, len(it.requests)) == (1, 20)


async def test_an_answer_leaves_nothing_to_the_next() -> None:
    """On one connection, each response is read by itself: interim responses, status, Retry-After and body."""
    chunked = b"HTTP/1.1 202 A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    said = [
        (answer("503 A", b"first", "Retry-After: 7"), (THROTTLED, 503, timedelta(seconds=7), "first")),
        (answer("503 A", b"second"), (TRANSIENT, 503, None, "second")),
        (chunked, (ACCEPTED, 202, None, "")),
        (b"HTTP/1.1 103 H\r\nRetry-After: 9\r\n\r\n" + answer("503 A"), (TRANSIENT, 503, None, "")),
        (answer("204 A"), (ACCEPTED, 204, None, "")),
        (answer("500 A", b"last"), (TRANSIENT, 500, None, "last")),
    ]
    async with receiver() as it, push_client() as client:
        for raw, expected in said * 2:
            it.answer = raw
            outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
            assert (outcome.kind, outcome.status, outcome.retry_after, outcome.detail) == expected
    assert it.connections == 1


async def test_each_push_on_a_kept_connection_has_the_whole_time() -> None:
    """A receiver that answered once and then no more: the second push is given up when its own time is over."""
    async with receiver() as it, push_client(deadline=0.5) as client:
        await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
        await asyncio.sleep(0.3)
        it.answer, it.then = b"", "hang"
        began = time.monotonic()
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
        took = time.monotonic() - began
    assert (outcome.kind, outcome.reason) == (TRANSIENT, "timeout")
    assert took > 0.49
    assert it.connections == 1


async def test_a_kept_connection_that_was_closing_costs_one_retry() -> None:
    """Every second push finds its connection closed, and delivers with one more request on a new connection."""
    async with receiver(answers_per_connection=1) as it, push_client() as client:
        outcomes = [await client.push(f"http://127.0.0.1:{it.port}/", TOKEN) for _ in range(6)]
    assert {outcome.kind for outcome in outcomes} == {ACCEPTED}
    assert it.connections == 6


async def test_there_is_only_one_retry() -> None:
    """A receiver that stops answering gets the SET twice at most, and the outcome says so."""
    async with receiver(answers_per_connection=1) as it, push_client() as client:
        await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
        it.answers_per_connection = 0
        outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
    assert (outcome.kind, outcome.reason) == (TRANSIENT, "connection_lost")
    assert it.connections == 2


async def test_one_receiver_has_a_share_of_the_connections() -> None:
    """Beyond the share a push waits, and when none gets free, that is ours and not the receiver's."""
    surplus = 6
    async with (
        receiver(then="hang", answer=b"") as it,
        # So far apart that on a busy machine no connection gets free before the push that starts last has given up.
        push_client(deadline=6, connect_deadline=timedelta(seconds=1.5)) as client,
    ):
        pushes = [client.push(f"http://127.0.0.1:{it.port}/", TOKEN) for _ in range(MAX_CONNECTIONS_PER_HOST + surplus)]
        outcomes = [(outcome.kind, outcome.reason) for outcome in await asyncio.gather(*pushes)]
    assert it.connections == MAX_CONNECTIONS_PER_HOST
    assert outcomes.count((TRANSIENT, "timeout")) == MAX_CONNECTIONS_PER_HOST
    assert outcomes.count((OURS, "no_free_connection")) == surplus


@pytest.mark.parametrize(
    ("looks_up_for", "second", "requests"), [(0.0, "accepted", 3), (1.2, "resolver_unavailable", 2)]
)
async def test_two_connections_share_one_deadline(looks_up_for: float, second: str, requests: int) -> None:
    """A kept connection breaks long after the request: the second one has what is left of the time, its look-up too,
    and nothing is sent when it is over."""
    waits = iter([0.0, looks_up_for])

    def resolve(host: str) -> Sequence[str]:
        time.sleep(next(waits))
        return ["127.0.0.1"]

    async with (
        receiver(answers_per_connection=1, closes_after=1.2) as it,
        push_client(deadline=2, resolve=resolve) as client,
    ):
        reasons = [(await client.push(f"http://receiver.test:{it.port}/", TOKEN)).reason for _ in range(2)]
        await asyncio.sleep(looks_up_for)
    assert (reasons, len(it.requests)) == (["accepted", second], requests)
