"""Security events and claims."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from okta.models.okta_user_risk_change_event import OktaUserRiskChangeEvent

from riskrelay.core import signals
from riskrelay.core.integrations import AccountId, Integration, IntegrationId, IntegrationType, tenant_url_problem
from riskrelay.core.products import okta
from riskrelay.core.risk.assessment import Cause, LevelChange
from riskrelay.core.risk.behaviors import BehaviorId, reason_for
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.ssf.event_rules import event_faults
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE, OKTA_USER_RISK_CHANGE
from riskrelay.core.ssf.event_types import EVENT_TYPES
from riskrelay.core.ssf.level_changes import caep_risk_level_change
from riskrelay.core.ssf.sets import complete_claims, fixed_claims
from riskrelay.core.ssf.streams import Stream, StreamId, StreamStatus
from riskrelay.core.ssf.subjects import email_subject
from support.services import NOON, CountingIds

SUBJECT = email_subject("kai@example.com")
LEVELS = [None, *RiskLevel]


def change(previous: RiskLevel | None, current: RiskLevel | None, cause: Cause = Cause.POLICY) -> LevelChange:
    behaviors = (BehaviorId("high_dlp"),) if current is not None else ()
    return LevelChange(
        user_id=UserId("u"),
        email="kai@example.com",
        previous=previous,
        current=current,
        behaviors=behaviors,
        reason=reason_for(behaviors, {}),
        cause=cause,
        changed_at=NOON,
    )


def stream(tenant_url: str = "https://acme.okta.com", stream_id: str = "s1", lanes: int = 1) -> Stream:
    integration = Integration(
        account_id=AccountId("acme"),
        integration_id=IntegrationId("i1"),
        integration_type=IntegrationType.OKTA,
        reference_id="ref",
        tenant_url=tenant_url,
        active=True,
        public_origin="https://risk.example.com",
        created_at=NOON,
    )
    return Stream(stream_id=StreamId(stream_id), integration=integration, status=StreamStatus.ENABLED, lanes=lanes)


@pytest.mark.parametrize("previous", LEVELS)
@pytest.mark.parametrize("current", LEVELS)
@pytest.mark.parametrize("cause", list(Cause))
def test_every_change_is_an_event_that_okta_documents(
    previous: RiskLevel | None, current: RiskLevel | None, cause: Cause
) -> None:
    """Okta's own model takes it and gives it back unchanged; nothing is invented."""
    event = okta.user_risk_change(change(previous, current, cause), SUBJECT)
    read = OktaUserRiskChangeEvent.from_dict(event)
    assert read is not None
    assert read.to_dict() == event
    assert event_faults(EVENT_TYPES[OKTA_USER_RISK_CHANGE], event) == []
    assert event["previous_level"] == ("none" if previous is None else previous.word)


@pytest.mark.parametrize("previous", LEVELS)
@pytest.mark.parametrize("current", LEVELS)
@pytest.mark.parametrize("cause", list(Cause))
def test_every_change_is_a_risk_level_change_of_caep(
    previous: RiskLevel | None, current: RiskLevel | None, cause: Cause
) -> None:
    """Valid by the table; no level counts as LOW; there is a risk_reason exactly when a behavior is one."""
    event = caep_risk_level_change(change(previous, current, cause), SUBJECT)
    assert event_faults(EVENT_TYPES[CAEP_RISK_LEVEL_CHANGE], event) == []
    assert event["previous_level"] == ("LOW" if previous is None else previous.name)
    assert event["current_level"] == ("LOW" if current is None else current.name)
    assert event["principal"] == "USER"
    assert event.get("risk_reason") == (None if current is None else "High Number of DLP Policies Triggered")
    assert event["initiating_entity"] == cause.value


def test_one_event_per_change_and_stream_with_one_txn_per_change() -> None:
    """jti differs everywhere; all SETs of one change have the txn of that change."""
    changes = [("first", change(None, RiskLevel.LOW)), ("second", change(RiskLevel.LOW, RiskLevel.HIGH))]
    made = signals.for_changes(changes, [stream(), stream(stream_id="s2")], CountingIds().uuid)
    assert len({signal.event.jti for signal in made}) == 4
    assert [signal.event.txn for signal in made] == ["first", "first", "second", "second"]
    assert signals.for_changes(changes, [], CountingIds().uuid) == []


def test_the_claims_are_exactly_these() -> None:
    """RFC 8417, SSF 1.0 §4: iss, aud, jti, iat, txn, sub_id, one event; never sub, exp, nbf."""
    (signal,) = signals.for_changes([("txn", change(None, RiskLevel.HIGH))], [stream()], CountingIds().uuid)
    owner = signal.stream
    claims: dict[str, Any] = json.loads(
        complete_claims(fixed_claims(signal.event), owner.integration.issuer, owner.audience)
    )
    assert set(claims) == {"iss", "aud", "jti", "iat", "txn", "sub_id", "events"}
    assert (claims["iss"], claims["aud"]) == ("https://risk.example.com/i1", "https://acme.okta.com")
    assert claims["iat"] == int(NOON.timestamp())
    assert list(claims["events"]) == [OKTA_USER_RISK_CHANGE]
    assert claims["sub_id"] == {"format": "email", "email": "kai@example.com"}


@given(st.text(), st.text())
def test_issuer_and_audience_cannot_break_out_of_the_claims(issuer: str, audience: str) -> None:
    """Whatever they hold, the payload is one JSON object with these values."""
    try:
        issuer.encode(), audience.encode()
    except UnicodeEncodeError:
        return
    claims = json.loads(complete_claims(b'{"jti":"1"}', issuer, audience))
    assert claims == {"iss": issuer, "aud": audience, "jti": "1"}


@pytest.mark.parametrize(
    ("tenant", "endpoint"),
    [
        ("https://acme.okta.com", "https://acme.okta.com/security/api/v1/security-events"),
        ("https://acme.okta.com/", "https://acme.okta.com/security/api/v1/security-events"),
        ("https://acme.example/t/1", "https://acme.example/t/1/security/api/v1/security-events"),
    ],
)
def test_the_endpoint_is_the_documented_path_of_the_tenant(tenant: str, endpoint: str) -> None:
    """And the audience is the tenant as it was written."""
    assert (stream(tenant).endpoint_url, stream(tenant).audience) == (endpoint, tenant)


@given(st.text(), st.integers(1, 16))
def test_a_subject_always_has_the_same_lane(subject: str, lanes: int) -> None:
    """So that order per subject holds."""
    subject = subject.encode(errors="replace").decode()
    assert stream(lanes=lanes).lane_of(subject) == stream(lanes=lanes).lane_of(subject) < lanes


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("https://example.com", False),
        ("http://127.0.0.1:8701", False),
        ("https://[::1]:8443/a%2Fb", False),
        ("HTTPS://Example.COM/", False),
        ("example.com", True),
        ("ftp://example.com", True),
        ("https://", True),
        ("https://user:pass@example.com", True),
        ("https://example.com:port", True),
        ("https://example.com/a b", True),
        ("https://example.com/\n", True),
        ("https://example.com?x=1", True),
        ("https://[::1", True),
    ],
)
def test_the_form_of_a_tenant_url(url: str, wrong: bool) -> None:
    """The form only: addresses are judged when something is sent (contract 12)."""
    assert (tenant_url_problem(url) is not None) is wrong
