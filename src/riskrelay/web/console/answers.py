"""The answer of the overview: how the account is doing, in one sentence, and how bad that is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from riskrelay.core.delivery.health import Condition, StreamHealth, in_words
from riskrelay.ports import Stock
from riskrelay.web.console.checkup import STALE

_LONG_WAIT = timedelta(minutes=1)  # guessed: a receiver that is up takes an event within seconds


class Mood(StrEnum):
    """How good or bad an answer is: the colors of the console."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One sentence, and how bad it is.

    Attributes:
        word: the mood in a word.
    """

    mood: Mood
    word: str
    sentence: str


def answer_of(
    stock: Stock | None,
    needing_attention: Sequence[StreamHealth],
    *,
    integrations: int,
    failing_sources: int,
    now: datetime,
) -> Answer:
    """Return how the account is doing.

    Args:
        integrations: the number of integrations.
        failing_sources: the number of sources that are silent or refuse everything.
    """
    if stock is not None and now - stock.taken_at > STALE:
        return Answer(
            mood=Mood.BAD,
            word="unknown",
            sentence=f"No delivery process has reported for {in_words(now - stock.taken_at)}. "
            "Start riskrelay serve or riskrelay worker. The figures below are from that time.",
        )
    if not integrations:
        sentence = "No receiver is connected yet, so risk levels are not sent to anyone."
        return Answer(mood=Mood.INFO, word="not set up", sentence=sentence)
    if needing_attention:
        return _of_integrations(needing_attention)
    if failing_sources:
        sources = "1 source sends" if failing_sources == 1 else f"{failing_sources} sources send"
        sentence = f"All receivers are healthy, but {sources} no usable events."
        return Answer(mood=Mood.WARN, word="check sources", sentence=sentence)
    if stock is not None and stock.ledger.pending and (stock.ledger.oldest_pending or timedelta(0)) > _LONG_WAIT:
        sentence = (
            f"{_waiting(stock.ledger.pending)}, the oldest for {in_words(stock.ledger.oldest_pending or _LONG_WAIT)}."
        )
        return Answer(mood=Mood.WARN, word="delayed", sentence=sentence)
    of_all = "The receiver is" if integrations == 1 else f"All {integrations} receivers are"
    sentence = f"{of_all} healthy, and every risk level change is delivered within seconds."
    return Answer(mood=Mood.OK, word="healthy", sentence=sentence)


def _of_integrations(needing_attention: Sequence[StreamHealth]) -> Answer:
    names = list(dict.fromkeys(one.stream.integration.reference_id for one in needing_attention))
    waiting = sum(one.ledger.pending for one in needing_attention)
    are_paused = all(one.condition is Condition.PAUSED for one in needing_attention)
    subject = names[0] if len(names) == 1 else f"{len(names)} integrations"
    state = (
        ("is paused" if len(names) == 1 else "are paused")
        if are_paused
        else ("needs attention" if len(names) == 1 else "need attention")
    )
    tail = f"; {_waiting(waiting).lower()}" if waiting else ""
    return Answer(
        mood=Mood.WARN if are_paused else Mood.BAD,
        word="paused" if are_paused else "needs attention",
        sentence=f"{subject} {state}{tail}.",
    )


def _waiting(events: int) -> str:
    return "1 event is waiting" if events == 1 else f"{events:,} events are waiting"
