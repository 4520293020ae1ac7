"""The sentence of the overview."""

from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports import Stock
from riskrelay.web.console.answers import answer_of
from support.services import NOON

LEDGER = Ledger(
    stream_id=StreamId(""),
    queued=0,
    delivered=0,
    pending=0,
    dead=0,
    expired=0,
    cancelled=0,
    erased=0,
    superseded=0,
    oldest_pending=None,
)
STOCK = Stock(taken_at=NOON, ledger=LEDGER, standings=(), receipts=0, latency_p50=None, latency_p99=None, known_users=0)
WAITING = replace(STOCK, ledger=replace(LEDGER, pending=2, oldest_pending=timedelta(minutes=3)))


@pytest.mark.parametrize(
    ("stock", "integrations", "failing_sources", "mood", "words"),
    [
        (STOCK, 2, 0, "ok", "All 2 receivers are healthy"),
        (STOCK, 1, 0, "ok", "The receiver is healthy"),
        (None, 1, 0, "ok", "The receiver is healthy"),
        (STOCK, 0, 0, "info", "No receiver is connected"),
        (STOCK, 1, 1, "warn", "1 source sends no usable events"),
        (STOCK, 1, 2, "warn", "2 sources send no usable events"),
        (WAITING, 1, 0, "warn", "2 events are waiting, the oldest for 3 min."),
        (replace(STOCK, taken_at=NOON - timedelta(minutes=9)), 1, 0, "bad", "has reported for 9 min"),
    ],
)
def test_the_worst_problem_is_the_answer(
    stock: Stock | None, integrations: int, failing_sources: int, mood: str, words: str
) -> None:
    """Old counts first, because nothing else is known then."""
    answer = answer_of(stock, [], integrations=integrations, failing_sources=failing_sources, now=NOON)
    assert (answer.mood.value, words in answer.sentence) == (mood, True), answer
