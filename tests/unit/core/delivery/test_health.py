"""Why a stream is as it is, and what to do, in words."""

from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.delivery.health import Condition, StreamHealth, in_words, what_next, why
from riskrelay.core.delivery.reasons import WITHHELD, shown_status_reason
from riskrelay.core.integrations import AccountId, Integration, IntegrationId, IntegrationType, Pause
from riskrelay.core.ssf.streams import Configuration, Party, Poll, Stream, StreamId, StreamStatus
from support.services import NOON

WEEK = timedelta(days=7)
INTEGRATION = Integration(
    account_id=AccountId("acme"),
    integration_id=IntegrationId("i"),
    integration_type=IntegrationType.OKTA,
    reference_id="r",
    tenant_url="https://acme.okta.com",
    active=True,
    public_origin="https://risk.example.com",
    created_at=NOON,
)
STREAM = Stream(stream_id=StreamId("s"), integration=INTEGRATION, status=StreamStatus.ENABLED, lanes=1)
QUIET = Ledger(
    stream_id=StreamId("s"),
    queued=10,
    delivered=10,
    pending=0,
    dead=0,
    expired=0,
    cancelled=0,
    superseded=0,
    oldest_pending=None,
)
BACKLOG = replace(QUIET, delivered=1, pending=9, oldest_pending=timedelta(hours=2))
HEALTHY = StreamHealth(
    stream=STREAM,
    ledger=QUIET,
    failures=0,
    next_attempt_in=None,
    status_since=None,
    last_outcome="accepted",
    last_reason="accepted",
    last_attempt_at=NOON,
)


def test_a_stopped_stream_says_what_the_endpoint_answered_and_how_to_go_on() -> None:
    """When, why, how much waits, how long it is kept, and the two ways to resume."""
    paused = replace(STREAM, status=StreamStatus.PAUSED, status_reason="http_401")
    health = replace(HEALTHY, stream=paused, ledger=BACKLOG, status_since=NOON)
    assert health.condition is Condition.PAUSED
    assert why(health) == "Paused since 2026-03-17 12:00 UTC: the endpoint answered 401."
    assert what_next(health, WEEK) == (
        "9 events are waiting. The oldest has waited 2 h; it expires in 6 d. Fix the receiver, then update or resume "
        "the "
        "integration."
    )


def test_a_receiver_that_does_not_accept_the_transmitter_is_named() -> None:
    """A 400 with a code about the transmitter pauses the stream; the sentence has the code."""
    paused = replace(STREAM, status=StreamStatus.PAUSED, status_reason="authentication_failed")
    health = replace(HEALTHY, stream=paused, ledger=BACKLOG, status_since=NOON)
    assert why(health) == ("Paused since 2026-03-17 12:00 UTC: the endpoint answered 400 with authentication_failed.")


def test_an_operators_pause_has_its_own_state() -> None:
    """With the operator's own words; only a resume ends it."""
    paused = replace(STREAM, integration=replace(INTEGRATION, pause=Pause(NOON, "maintenance")))
    health = replace(HEALTHY, stream=paused)
    assert health.condition is Condition.PAUSED
    assert why(health) == "Paused by an operator since 2026-03-17 12:00 UTC: maintenance."
    assert what_next(health, WEEK) == "No events are waiting. To continue delivery, resume the integration."


def test_a_failing_stream_says_when_it_is_tried_again() -> None:
    """The health of a failing stream has the time of the next attempt, and says that a resume need not wait for it."""
    health = replace(
        HEALTHY, ledger=BACKLOG, failures=5, next_attempt_in=timedelta(seconds=130), last_reason="timeout_connect"
    )
    assert health.condition is Condition.FAILING
    assert why(health) == "The last 5 batches failed. Last result: the connection timed out (timeout_connect)."
    assert (
        why(replace(health, failures=1))
        == "The last batch failed. Last result: the connection timed out (timeout_connect)."
    )
    assert "The next attempt is in 2 min." in what_next(health, WEEK)
    assert "due now" in what_next(replace(health, next_attempt_in=timedelta(0)), WEEK)


def test_what_a_receiver_wrote_about_its_status_needs_pii_read() -> None:
    """A receiver's text may name users, so it needs pii-read. A reason of this service is always shown."""
    disabled = replace(
        STREAM, status=StreamStatus.DISABLED, status_set_by=Party.RECEIVER, status_reason="kai@example.com left"
    )
    health = replace(HEALTHY, stream=disabled)
    assert why(health, may_see_subjects=True) == "Disabled by its receiver: kai@example.com left."
    assert why(health) == f"Disabled by its receiver: {WITHHELD}"
    assert shown_status_reason(replace(disabled, status_set_by=Party.TRANSMITTER), may_see_subjects=False) == (
        "kai@example.com left"
    )


@pytest.mark.parametrize(
    ("stream", "condition", "said", "advised"),
    [
        (STREAM, Condition.HEALTHY, "Last result: accepted.", "No events are waiting."),
        (
            replace(STREAM, integration=replace(INTEGRATION, active=False)),
            Condition.INACTIVE,
            "The integration is not active.",
            "No events are waiting. No new events are queued. To continue, set the integration active.",
        ),
        (
            replace(STREAM, status=StreamStatus.DISABLED, status_set_by=Party.RECEIVER),
            Condition.DISABLED,
            "Disabled by its receiver.",
            "No events are waiting. Only the receiver can enable its stream again.",
        ),
        (
            replace(STREAM, configuration=Configuration(audience="aud", delivery=Poll())),
            Condition.HEALTHY,
            "The receiver polls its events.",
            "No events are waiting.",
        ),
    ],
    ids=["healthy", "inactive", "disabled", "polled"],
)
def test_each_condition_has_its_words(stream: Stream, condition: Condition, said: str, advised: str) -> None:
    """One sentence why, and what to do."""
    health = replace(HEALTHY, stream=stream)
    assert (health.condition, why(health), what_next(health, WEEK)) == (condition, said, advised)


def test_nothing_that_waits_is_called_kept_beyond_its_retention() -> None:
    """An event that is about to expire says so; a single one is counted in words."""
    old = replace(BACKLOG, pending=1, oldest_pending=WEEK)
    assert what_next(replace(HEALTHY, ledger=old), WEEK).startswith(
        "1 event is waiting. The oldest has waited 7 d; it expires now."
    )


@pytest.mark.parametrize(
    ("answers", "share"),
    [("r", "its last event"), ("ar", "1 of its last 2 events"), ("r" * 20, "20 of its last 20 events")],
)
def test_a_rejecting_stream_says_how_much_it_refused_and_what_to_compare(answers: str, share: str) -> None:
    """Refused events are not sent again by themselves, so the advice ends with the replay."""
    health = replace(HEALTHY, recent_answers=answers, last_reason="invalid_audience")
    assert health.condition is Condition.REJECTING
    assert why(health) == f"The receiver rejected {share}. Last response: wrong audience (invalid_audience)."
    assert what_next(health, WEEK).endswith("then replay the dead letters.")
    assert replace(health, failures=1).condition is Condition.FAILING


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.9, "0 s"), (59.9, "59 s"), (60, "1 min"), (3_599, "59 min"), (3_600, "1 h"), (86_399, "23 h"), (86_400, "1 d")],
)
def test_a_duration_has_its_largest_unit(seconds: float, words: str) -> None:
    """Rounded down."""
    assert in_words(timedelta(seconds=seconds)) == words


POLLED = replace(STREAM, configuration=Configuration(audience="aud", delivery=Poll()))
PAUSED = replace(STREAM, status=StreamStatus.PAUSED)


def paused_because(reason: str | None, set_by: Party = Party.TRANSMITTER) -> StreamHealth:
    return replace(HEALTHY, stream=replace(PAUSED, status_reason=reason, status_set_by=set_by))


def paused_by_operator(reason: str | None) -> StreamHealth:
    integration = replace(INTEGRATION, pause=Pause(NOON, reason))
    return replace(HEALTHY, stream=replace(STREAM, integration=integration))


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (replace(HEALTHY, last_outcome=None, last_reason=None), "No events have been sent yet."),
        (replace(HEALTHY, last_reason=None), "Last result: unknown."),
        (paused_because(None), "Paused: no reason is known."),
        (paused_because("wrong_audience"), "Paused: wrong_audience."),
        (paused_because("moving.", Party.RECEIVER), "Paused by its receiver: moving."),
        (paused_because("Xmoving...", Party.RECEIVER), "Paused by its receiver: Xmoving."),
        (paused_because(None, Party.RECEIVER), "Paused by its receiver."),
        (paused_by_operator(None), "Paused by an operator since 2026-03-17 12:00 UTC."),
        (paused_by_operator("..moving X."), "Paused by an operator since 2026-03-17 12:00 UTC: ..moving X."),
    ],
)
def test_a_sentence_ends_once_whatever_reason_is_known(health: StreamHealth, said: str) -> None:
    """With and without a reason; a reason that ends with a full stop gets no second one."""
    assert why(health, may_see_subjects=True) == said


@pytest.mark.parametrize(
    ("health", "advised"),
    [
        (
            replace(HEALTHY, failures=2, next_attempt_in=timedelta(minutes=5)),
            "No events are waiting. The next attempt is in 5 min. Fix the receiver. To retry at once, resume the "
            "integration.",
        ),
        (replace(HEALTHY, stream=POLLED), "No events are waiting."),
        (
            replace(HEALTHY, stream=POLLED, ledger=replace(BACKLOG, oldest_pending=None)),
            "9 events are waiting. The receiver fetches events when it polls.",
        ),
        (
            replace(HEALTHY, ledger=replace(BACKLOG, oldest_pending=None)),
            "9 events are waiting. No attempt is scheduled.",
        ),
        (
            replace(HEALTHY, ledger=replace(BACKLOG, oldest_pending=None), next_attempt_in=timedelta(0)),
            "9 events are waiting. The next attempt is due now.",
        ),
        (
            replace(HEALTHY, ledger=replace(BACKLOG, oldest_pending=WEEK - timedelta(microseconds=1)), failures=0),
            "9 events are waiting. The oldest has waited 6 d; it expires in 0 s. No attempt is scheduled.",
        ),
    ],
)
def test_what_happens_next_is_said_for_each_way_of_delivery(health: StreamHealth, advised: str) -> None:
    """Pushed and polled, with and without a backlog, with and without a next attempt."""
    assert what_next(health, WEEK) == advised
