"""What a stream's status means for its lanes (SSF 1.0 §8.1.2)."""

from dataclasses import replace

import pytest

from riskrelay.core.integrations import AccountId, IntegrationType, Pause
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE, OKTA_USER_RISK_CHANGE
from riskrelay.core.ssf.streams import CONTROL_LANE, Configuration, Poll, Stream, StreamId, StreamStatus, stream_row
from support.services import NOON
from support.ssf_streams import INTEGRATION

STREAM = Stream(
    stream_id=StreamId("s1"),
    integration=INTEGRATION,
    status=StreamStatus.ENABLED,
    lanes=2,
    configuration=Configuration(audience="https://receiver.example.com", delivery=Poll()),
)
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
INACTIVE = replace(INTEGRATION, active=False)
PAUSED = replace(INTEGRATION, pause=Pause(NOON))


@pytest.mark.parametrize(
    ("stream", "status", "reason"),
    [
        (STREAM, StreamStatus.ENABLED, None),
        (replace(STREAM, integration=INACTIVE), StreamStatus.PAUSED, "integration_inactive"),
        (replace(STREAM, integration=PAUSED), StreamStatus.PAUSED, "integration_paused"),
        (
            replace(STREAM, status=StreamStatus.DISABLED, status_reason="moved", integration=INACTIVE),
            StreamStatus.DISABLED,
            "moved",
        ),
    ],
)
def test_only_an_enabled_stream_sends_events(stream: Stream, status: StreamStatus, reason: str | None) -> None:
    """An inactive or paused integration pauses its streams. The control lane is sent in every status (§8.1.5)."""
    assert stream.effective_status == (status, reason)
    is_silent = status is not StreamStatus.ENABLED
    assert [stream.is_silent(lane) for lane in (CONTROL_LANE, 0, 1)] == [False, is_silent, is_silent]


def test_a_receivers_stream_has_a_control_lane() -> None:
    """It comes first; an implicit stream has none."""
    assert STREAM.all_lanes == (CONTROL_LANE, 0, 1)
    assert replace(STREAM, configuration=None).all_lanes == (0, 1)


def test_a_stream_carries_the_requested_types_that_are_supported() -> None:
    """An implicit stream carries the event type of its product only."""
    stream = replace(
        STREAM,
        configuration=Configuration(
            audience="https://receiver.example.com",
            delivery=Poll(),
            events_requested=(CAEP_RISK_LEVEL_CHANGE, "https://a.example/unknown"),
        ),
    )
    assert stream.carries(CAEP_RISK_LEVEL_CHANGE)
    assert not stream.carries("https://a.example/unknown")
    assert not stream.carries(SESSION_REVOKED)
    assert not STREAM.carries(CAEP_RISK_LEVEL_CHANGE)
    assert stream.events_delivered == (CAEP_RISK_LEVEL_CHANGE,)
    okta = replace(STREAM, configuration=None, integration=replace(INTEGRATION, integration_type=IntegrationType.OKTA))
    assert okta.carries(OKTA_USER_RISK_CHANGE)
    assert not okta.carries(CAEP_RISK_LEVEL_CHANGE)


def test_a_header_is_sealed_for_one_row() -> None:
    """The name of the row contains the account and the stream."""
    assert stream_row(AccountId("acme"), StreamId("s1")) == "streams/acme/s1"
    assert STREAM.row == "streams/acme/s1"
