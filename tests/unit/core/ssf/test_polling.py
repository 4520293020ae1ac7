"""What a poll reports about earlier SETs (RFC 8936)."""

from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.polling import PollRequest, outcomes
from riskrelay.core.ssf.receiver_errors import SetError

ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="acknowledged")


def test_a_poll_settles_the_sets_that_it_names() -> None:
    """An error counts before an acknowledgement; an unknown jti and an unnamed SET are left out."""
    request = PollRequest(
        acknowledged=frozenset({Jti("a"), Jti("b"), Jti("unknown")}),
        refused={Jti("b"): SetError("invalid_key", "no such kid"), Jti("c"): SetError("authentication_failed", "")},
    )
    found = outcomes(request, [(1, Jti("a")), (2, Jti("b")), (3, Jti("c")), (4, Jti("d"))])
    assert found.pop(1) == ACCEPTED
    assert {seq: (outcome.kind, outcome.reason) for seq, outcome in found.items()} == {
        2: (OutcomeKind.REJECTED, "invalid_key"),
        3: (OutcomeKind.REJECTED, "authentication_failed"),
    }
    assert "no such kid" in found[2].detail


def test_a_poll_without_reports_settles_nothing() -> None:
    """A poll without reports waits for events, unless it asks for an immediate response."""
    request = PollRequest()
    assert not request.settles
    assert request.waits
    assert not PollRequest(return_immediately=True).waits
    assert PollRequest(acknowledged=frozenset({Jti("a")})).settles
    assert PollRequest(refused={Jti("a"): SetError("invalid_key", "")}).settles
    assert outcomes(request, [(1, Jti("a"))]) == {}
