"""How lanes share what a receiver is asked to bear."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.delivery.pacing import Pace, pace_of
from riskrelay.core.integrations import AccountId, DeliveryLimits, Integration, IntegrationId, IntegrationType
from riskrelay.core.ssf.streams import Stream, StreamId, StreamStatus
from support.services import NOON


def stream(lanes: int, rate: int | None = None, concurrency: int | None = None) -> Stream:
    integration = Integration(
        account_id=AccountId("acme"),
        integration_id=IntegrationId("i"),
        integration_type=IntegrationType.OKTA,
        reference_id="r",
        tenant_url="https://a",
        active=True,
        public_origin="https://o",
        created_at=NOON,
    )
    limited = replace(integration, limits=DeliveryLimits(rate, concurrency))
    return Stream(stream_id=StreamId("s"), integration=limited, status=StreamStatus.ENABLED, lanes=lanes)


def test_without_limits_the_services_own_hold() -> None:
    """Nothing is spaced."""
    assert pace_of(stream(1), 32) == Pace(32, 0.0, BATCH_EVENTS)


@given(st.integers(1, 10_000), st.integers(1, 256), st.integers(1, 16))
def test_lanes_together_stay_within_the_limits(rate: int, concurrency: int, lanes: int) -> None:
    """Their rates add up to the stream's; a limit of concurrency below the lanes is one each; no limit raises ours."""
    pace = pace_of(stream(lanes, rate, concurrency), 32)
    assert abs(lanes / pace.interval - rate) < 1e-6 * rate
    assert 1 <= pace.concurrency <= 32
    assert pace.concurrency * lanes <= max(concurrency, lanes)
    assert 1 <= pace.batch <= BATCH_EVENTS
    assert pace.batch * pace.interval <= max(1, pace.interval) + 1e-9
