"""What each outcome leads to, and that the documentation says the same."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from riskrelay.core.delivery.decisions import Fate, Sign, cancels_backlog, decide, decide_lane, on_control_lane
from riskrelay.core.integrations import AccountId, Integration, IntegrationId, IntegrationType
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.push import outcome_of
from riskrelay.core.ssf.streams import Configuration, Poll, Stream, StreamId, StreamStatus
from support.services import NOON

CYCLE = Path(__file__).parents[4] / "docs" / "delivery-cycle.md"
RETRY_AFTER = {"Retry-After": "90"}
ERR = b'{"err": "invalid_audience"}'
STREAM = Stream(
    stream_id=StreamId("s"),
    integration=Integration(
        account_id=AccountId("acme"),
        integration_id=IntegrationId("i"),
        integration_type=IntegrationType.OKTA,
        reference_id="r",
        tenant_url="https://acme.okta.com",
        active=True,
        public_origin="https://risk.example.com",
        created_at=NOON,
    ),
    status=StreamStatus.ENABLED,
    lanes=1,
)


def outcome(kind: OutcomeKind, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(kind=kind, reason=kind.value, retry_after=retry_after)


@pytest.mark.parametrize(
    ("status", "headers", "body", "fate", "sign", "halts_after", "stream_status"),
    [
        (202, {}, b"", Fate.DELIVERED, Sign.WORKS, None, None),
        (400, {}, ERR, Fate.DEAD, Sign.WORKS, None, None),
        (401, {}, b"", Fate.RETRIED, Sign.FAILS, 1, StreamStatus.PAUSED),
        (403, {}, b"", Fate.RETRIED, Sign.FAILS, 1, StreamStatus.PAUSED),
        (400, {}, b'{"err": "access_denied"}', Fate.RETRIED, Sign.FAILS, 1, StreamStatus.PAUSED),
        (400, {}, b'{"err": "authentication_failed"}', Fate.RETRIED, Sign.FAILS, 1, StreamStatus.PAUSED),
        (400, {}, b'{"description": null, "err": "access_denied"}', Fate.RETRIED, Sign.FAILS, 1, StreamStatus.PAUSED),
        (400, {}, b'\xef\xbb\xbf{"err": "authentication_failed"}', Fate.RETRIED, Sign.FAILS, 1, StreamStatus.PAUSED),
        (400, {}, '{"err": "access_denied"}'.encode("utf-16"), Fate.RETRIED, Sign.FAILS, 1, StreamStatus.PAUSED),
        (410, {}, b"", Fate.RETRIED, Sign.FAILS, 1, StreamStatus.DISABLED),
        (429, {}, b"", Fate.RETRIED, Sign.OVERLOADED, 1, None),
        (429, RETRY_AFTER, b"", Fate.RETRIED, Sign.OVERLOADED, 1, None),
        (503, RETRY_AFTER, b"", Fate.RETRIED, Sign.OVERLOADED, 1, None),
        (503, {}, b"", Fate.RETRIED, Sign.FAILS, 3, None),
        (400, {}, b"", Fate.RETRIED, Sign.FAILS, 3, None),
        (500, RETRY_AFTER, b"", Fate.RETRIED, Sign.FAILS, 3, None),
    ],
)
def test_every_answer_has_one_decision(
    status: int,
    headers: dict[str, str],
    body: bytes,
    fate: Fate,
    sign: Sign,
    halts_after: int | None,
    stream_status: StreamStatus | None,
) -> None:
    """From the receiver's answer to the event, the lane, the batch and the stream."""
    decision = decide(outcome_of(status, headers, body, NOON))
    assert (decision.fate, decision.sign) == (fate, sign)
    assert (decision.halts_after, decision.stream_status) == (halts_after, stream_status)
    assert decision.retry_wait(20, 0) == timedelta(minutes=15)


def test_a_local_failure_ends_the_batch_and_says_nothing_about_the_receiver() -> None:
    """The event is tried again within 10 s, however often it failed."""
    decision = decide(outcome(OutcomeKind.LOCAL))
    assert (decision.fate, decision.sign, decision.halts_after) == (Fate.RETRIED, Sign.NOTHING, 1)
    assert decision.stream_status is None
    assert decision.retry_wait(20, 0) == timedelta(seconds=10)


@pytest.mark.parametrize("kind", OutcomeKind)
def test_a_notice_that_is_refused_by_the_answer_that_stops_streams_is_not_retried(kind: OutcomeKind) -> None:
    """The stream is stopped already. Every other outcome of the control lane stays as it is."""
    pushed = outcome(kind, timedelta(seconds=5))
    stops = decide(pushed).stream_status is not None
    judged = on_control_lane(pushed)
    assert judged.kind is (OutcomeKind.REJECTED if stops else kind)
    assert (judged.reason, judged.retry_after) == (pushed.reason, pushed.retry_after)


@pytest.mark.parametrize(
    ("kinds", "failures", "seconds"),
    [
        ([], 5, 0),
        ([OutcomeKind.ACCEPTED], 0, 0),
        ([OutcomeKind.REJECTED], 0, 0),
        ([OutcomeKind.ACCEPTED, OutcomeKind.TRANSIENT], 0, 0),
        ([OutcomeKind.REJECTED, OutcomeKind.AUTH], 0, 0),
        ([OutcomeKind.ACCEPTED, OutcomeKind.LOCAL], 0, 0),
        ([OutcomeKind.TRANSIENT], 6, 40),
        ([OutcomeKind.AUTH], 6, 40),
        ([OutcomeKind.GONE], 6, 40),
        ([OutcomeKind.TRANSIENT, OutcomeKind.LOCAL], 6, 40),
        ([OutcomeKind.THROTTLED], 6, 40),
        ([OutcomeKind.THROTTLED, OutcomeKind.ACCEPTED], 6, 40),
        ([OutcomeKind.LOCAL], 5, 4),
    ],
)
def test_what_a_batch_leads_to_for_its_lane(kinds: list[OutcomeKind], failures: int, seconds: float) -> None:
    """Of a lane whose last five batches failed, and whose event was tried for the third time."""
    lane = decide_lane(5, map(outcome, kinds), 3, lambda: 0.0)
    assert (lane.failures, lane.quiet_for) == (failures, timedelta(seconds=seconds))
    assert lane.asked_for == timedelta(0)


def test_the_longer_of_two_waits_counts() -> None:
    """Retry-After neither shortens the wait of a lane that fails, nor is shortened by it."""
    short, long = timedelta(seconds=5), timedelta(seconds=90)
    lane = decide_lane(5, [outcome(OutcomeKind.THROTTLED, wait) for wait in (None, short)], 1, lambda: 0.0)
    assert (lane.asked_for, lane.quiet_for) == (short, timedelta(seconds=40))
    lane = decide_lane(5, [outcome(OutcomeKind.THROTTLED, wait) for wait in (long, short)], 1, lambda: 0.0)
    assert (lane.asked_for, lane.quiet_for) == (long, long)


def test_the_documentation_has_the_same_table() -> None:
    """One row for each outcome; the words about the event and the stream follow from the decision."""
    rows = [line.strip("| ").split(" | ") for line in CYCLE.read_text().splitlines() if line.startswith("| ")]
    written = {row[0]: row[2] for row in rows if row[0] in set(OutcomeKind)}
    assert set(written) == set(OutcomeKind)
    for kind in OutcomeKind:
        decision, words = decide(outcome(kind)), written[kind]
        assert ("dead letter" in words) == (decision.fate is Fate.DEAD), kind
        assert ("the cursor passes" in words) == (decision.fate is Fate.DELIVERED), kind
        for status in (StreamStatus.PAUSED, StreamStatus.DISABLED):
            assert (f"the stream is {status}" in words) == (decision.stream_status is status), kind
        assert ("the receiver is not blamed" in words) == (decision.sign is Sign.NOTHING), kind
        assert ("before the time" in words) == (decision.sign is Sign.OVERLOADED), kind


@pytest.mark.parametrize("status", StreamStatus)
@pytest.mark.parametrize("configuration", [None, Configuration(audience="aud", delivery=Poll())])
def test_only_a_receivers_own_stream_loses_its_backlog(
    status: StreamStatus, configuration: Configuration | None
) -> None:
    """When it is disabled; an implicit stream keeps its backlog, because its account may resume it."""
    stream = replace(STREAM, configuration=configuration)
    expected = status is StreamStatus.DISABLED and configuration is not None
    assert cancels_backlog(stream, status) is expected
