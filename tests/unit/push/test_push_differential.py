"""The two push clients, compared: whatever a receiver answers, both say the same of it."""

import asyncio
import time
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from riskrelay.push.aiohttp_client import HttpPusher
from riskrelay.push.client import DirectPusher
from support.receivers import TOKEN, Pushers, receiver

KINDS: tuple[type[HttpPusher] | type[DirectPusher], ...] = (HttpPusher, DirectPusher)

STATUS_LINES = st.sampled_from(
    [
        *(b"HTTP/1.1 %d Said" % status for status in (200, 202, 204, 302, 400, 401, 403, 404, 410, 429, 500, 503)),
        b"HTTP/1.0 202 Old",
        b"HTTP/1.1 202",
        b"HTTP/1.1  202 A",
        b"HTTP/1.2 202 A",
        b"HTTP/1.1 202 A\0B",
        b"HTTP/1.1 2020 A",
        b"HTTP/1.1 999 Odd",
        b"HTTP/1.1 20 Short",
        b"HTTP/2 202 Later",
        b"http/1.1 202 small",
        b"ICY 200 OK",
        b"",
    ]
)
HEADERS = st.lists(
    st.sampled_from(
        [
            b"Content-Length: 0",
            b"Content-Length: 5",
            b"Content-Length: 70000",
            b"Content-Length: -1",
            b"Content-Length: 5, 5",
            b"Content-Length:",
            b"Content-Length : 5",
            b"Content-Length: 99999999999999999999999",
            b"Content Length: 5",
            b"X-Nul: a\0b",
            b"X\0: a",
            b"X-Return: a\rb",
            b"\xc3\x9c: a",
            b"\tfolded",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip, chunked",
            b"Connection: close",
            b"Connection: keep-alive",
            b"Retry-After: 120",
            b"Retry-After: soon",
            b"Content-Type: application/json",
            b"X-Empty:",
            b"X-Latin: \xe9",
            b"No colon",
            b" folded",
            b": no name",
        ]
    ),
    max_size=4,
)
BODIES = st.sampled_from(
    [
        b"",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhel",
        b"zz\r\n",
        b'{"err":"invalid_key","description":"unknown"}',
        b"2d\r\n" + b'{"err":"invalid_key","description":"unknown"}' + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 500 Second\r\nContent-Length: 0\r\n\r\n",
        b"x" * 70_000,
    ]
)
INTERIM = st.sampled_from(
    [
        b"",
        b"",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n",
        b"HTTP/1.1 100 A\r\nX Y: z\r\n\r\n",
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Answers of receivers: good ones, odd ones, and what is none; sometimes cut off."""
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\n"]))
    head = end.join([draw(STATUS_LINES), *draw(HEADERS)])
    whole = draw(INTERIM) + head + end + end + draw(BODIES)
    cut = draw(st.none() | st.integers(0, len(whole)))
    return whole[:cut]


@pytest.mark.timeout(1800)  # thousands of examples, each with a receiver and two clients of its own
@settings(max_examples=min(settings().max_examples, 2_000))
@given(answers())
@example(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
def test_both_clients_say_the_same(answer: bytes) -> None:
    """Kind, reason, status and the time to wait: the outcome does not depend on which client pushed."""

    async def push_with_each() -> None:
        outcomes = []
        async with receiver(answer=answer, then="close") as it:
            for kind in KINDS:
                async with Pushers(kind)(deadline=5) as client:
                    outcome = await client.push(f"http://127.0.0.1:{it.port}/", TOKEN)
                outcomes.append((outcome.kind, outcome.reason, outcome.status, outcome.retry_after))
        assert outcomes[0] == outcomes[1], answer[:300]
        assert len(it.requests) == 2

    asyncio.run(push_with_each())


@pytest.mark.parametrize("looks_up_for", [0.0, 1.2])
async def test_both_clients_share_the_deadline_among_two_connections(looks_up_for: float) -> None:
    """A kept connection breaks long after the request: the second one has what is left of the time, its look-up too,
    and nothing is sent when it is over."""

    async def push_twice(kind: type[HttpPusher] | type[DirectPusher]) -> tuple[str, str, int]:
        waits = iter([0.0, looks_up_for])

        def resolve(host: str) -> Sequence[str]:
            time.sleep(next(waits))
            return ["127.0.0.1"]

        async with (
            receiver(answers_per_connection=1, closes_after=1.2) as it,
            Pushers(kind)(deadline=2, resolve=resolve) as client,
        ):
            first, second = [await client.push(f"http://receiver.test:{it.port}/", TOKEN) for _ in range(2)]
            await asyncio.sleep(looks_up_for)
        return first.reason, second.reason, len(it.requests)

    expected = ("accepted", "resolver_unavailable", 2) if looks_up_for else ("accepted", "accepted", 3)
    assert await asyncio.gather(*map(push_twice, KINDS)) == [expected, expected]
