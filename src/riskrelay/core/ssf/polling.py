"""Polling (RFC 8936): what a receiver asks and acknowledges, and what it gets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.push import rejection
from riskrelay.core.ssf.receiver_errors import SetError

MAX_EVENTS = 256  # chosen: as many as one push batch, about 256 KiB of SETs


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRequest:
    """What a receiver asks.

    Attributes:
        max_events: at most so many SETs; 0: it takes none and only acknowledges.
        return_immediately: False: wait a while when there is nothing.
        acknowledged: SETs that it has taken.
        refused: SETs that it will never take.
    Rule: RFC 8936 §2.2.
    """

    max_events: int = MAX_EVENTS
    return_immediately: bool = False
    acknowledged: frozenset[Jti] = frozenset()
    refused: Mapping[Jti, SetError] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether it wants to wait until there is something to get, even if it takes nothing.

        Rule: RFC 8936 §2.4.2 (only `returnImmediately` ends an acknowledge-only request at once).
        """
        return not self.return_immediately

    @property
    def settles(self) -> bool:
        """Whether it says what became of earlier SETs."""
        return bool(self.acknowledged or self.refused)


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """What a receiver gets: signed SETs by jti, and whether there are more. Rule: RFC 8936 §2.3."""

    sets: Mapping[Jti, bytes]
    more_available: bool


def outcomes(request: PollRequest, waiting: Iterable[tuple[int, Jti]]) -> dict[int, Outcome]:
    """What a poll says about the events that wait.

    Args:
        waiting: number and jti of each undelivered event of a lane.

    Returns: by number; a jti of no waiting event is passed over: it is unknown, another stream's, or settled already.
    Rule: RFC 8936 §2.4 (acknowledging what is not outstanding is no error), §2.4.4 (every error settles its SET,
        authentication_failed too: the receiver has authenticated us by TLS and reports about one SET that it read).
    """
    found: dict[int, Outcome] = {}
    for seq, jti in waiting:
        if jti in request.refused:
            found[seq] = rejection(request.refused[jti])
        elif jti in request.acknowledged:
            found[seq] = Outcome(kind=OutcomeKind.ACCEPTED, reason="acknowledged")
    return found
