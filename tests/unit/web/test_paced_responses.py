"""Large public documents are sent in pieces, at one rate for each client address."""

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from riskrelay.web.paced_responses import _MAX_ADDRESSES, _PIECE_BYTES, Pace, paced_response


def test_a_burst_is_sent_at_once_and_what_follows_at_the_rate() -> None:
    """10 bytes a second after 20 at once; the waits of one address add up, so more connections get no more."""
    pace = Pace(10, 20)
    assert [pace.reserve("a", 10, 100.0) for _ in range(5)] == [0, 0, 0, 1, 2]
    assert pace.reserve("a", 10, 103.0) == 0
    assert pace.reserve("a", 10, 103.0) == 1


def test_addresses_do_not_wait_for_each_other() -> None:
    """One that has used its rate up delays no other."""
    pace = Pace(10, 10)
    for _ in range(100):
        pace.reserve("flood", 10, 50.0)
    assert pace.reserve("other", 10, 50.0) == 0


def test_time_without_requests_gives_one_burst_back_and_no_more() -> None:
    """However long it was."""
    pace = Pace(10, 20)
    pace.reserve("a", 1_000, 0.0)
    assert [pace.reserve("a", 10, 1e9) for _ in range(4)] == [0, 0, 0, 1]


def test_the_number_of_remembered_addresses_is_bounded() -> None:
    """The one that has been silent for the longest time is dropped."""
    pace = Pace(10, 10)
    for number in range(_MAX_ADDRESSES + 5):
        pace.reserve(str(number), 10, 1.0)
    assert len(pace._paid_until) == _MAX_ADDRESSES
    assert "0" not in pace._paid_until


def _request(method: str) -> Request:
    return Request({"type": "http", "method": method, "headers": [], "client": None, "app": _App})


class _App:
    class state:  # noqa: N801  as Starlette names it
        trusted_proxies = ()


@pytest.mark.parametrize("size", [_PIECE_BYTES + 1, 3 * _PIECE_BYTES, 10 * _PIECE_BYTES + 7])
async def test_a_large_body_arrives_whole_in_small_pieces(size: int) -> None:
    """With its length ahead, and no piece larger than the limit."""
    body = bytes(range(256)) * (size // 256 + 1)
    response = paced_response(_request("GET"), body[:size], 200, {"ETag": '"x"'})
    assert isinstance(response, StreamingResponse)
    pieces = [bytes(piece) async for piece in response.body_iterator]  # type: ignore[arg-type]
    assert b"".join(pieces) == body[:size]
    assert max(map(len, pieces)) <= _PIECE_BYTES
    assert response.headers["Content-Length"] == str(size)


@pytest.mark.parametrize(("method", "size"), [("HEAD", 10 * _PIECE_BYTES), ("GET", _PIECE_BYTES)])
def test_what_sends_little_is_answered_in_one_piece(method: str, size: int) -> None:
    """A HEAD has no body to send."""
    assert not isinstance(paced_response(_request(method), bytes(size), 200, {}), StreamingResponse)
