"""The push client, compared with an HTTP client that others wrote: both say the same of whatever a receiver answers."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from riskrelay.core.ssf.outcomes import Outcome
from support.receivers import TOKEN, push_client, receiver
from support.reference_client import push_by_aiohttp

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
        async with receiver(answer=answer, then="close") as it, push_client(deadline=5) as client:
            url = f"http://127.0.0.1:{it.port}/"
            outcome = await client.push(url, TOKEN)
            reference = await push_by_aiohttp(url, TOKEN, timedelta(seconds=5))
        assert _compared(outcome) == _compared(reference), answer[:300]
        assert len(it.requests) == 2

    asyncio.run(push_with_each())


def _compared(outcome: Outcome) -> tuple[object, ...]:
    return outcome.kind, outcome.reason, outcome.status, outcome.retry_after
