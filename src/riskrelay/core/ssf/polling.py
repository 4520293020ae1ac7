"""Polling (RFC 8936): requests, acknowledgements and responses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.push import rejection
from riskrelay.core.ssf.receiver_errors import SetError

MAX_EVENTS = 256  # chosen: as many as one push batch, about 256 KiB of SETs


@dataclass(frozen=True, slots=True, kw_only=True)
class PollRequest:
    """A poll request.

    Attributes:
        max_events: the largest number of SETs to return; 0: the request only acknowledges.
        return_immediately: False: the request waits while there is no event.
        acknowledged: the SETs that the receiver has accepted.
        refused: the SETs that the receiver has refused.
    Rule: RFC 8936 §2.2.
    """

    max_events: int = MAX_EVENTS
    return_immediately: bool = False
    acknowledged: frozenset[Jti] = frozenset()
    refused: Mapping[Jti, SetError] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether the request waits until there is an event, even when it takes none.

        Rule: RFC 8936 §2.4.2 (only `returnImmediately` ends an acknowledge-only request at once).
        """
        return not self.return_immediately

    @property
    def settles(self) -> bool:
        """Whether the request reports the outcome of earlier SETs."""
        return bool(self.acknowledged or self.refused)


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """A poll response: signed SETs by jti, and whether there are more. Rule: RFC 8936 §2.3."""

    sets: Mapping[Jti, bytes]
    more_available: bool


def outcomes(request: PollRequest, waiting: Iterable[tuple[int, Jti]]) -> dict[int, Outcome]:
    """Return the outcomes that a poll request reports.

    Args:
        waiting: seq and jti of each undelivered event of a lane.

    Returns: the outcomes by seq. A jti that is not waiting is ignored: it is unknown, of another stream, or settled.
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
