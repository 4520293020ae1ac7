"""What is wrong with an integration's addresses is said before an event is refused or never sent."""

from dataclasses import replace

import pytest

from riskrelay.core.delivery.target_warnings import target_warnings
from riskrelay.core.integrations import AccountId, Integration, IntegrationId, IntegrationType
from riskrelay.core.ssf.streams import Configuration, Poll, Push, Stream, StreamId, StreamStatus
from riskrelay.push.addresses import TargetRules
from riskrelay.push.targets import PushTargets
from support.services import NOON

OKTA = Integration(
    account_id=AccountId("acme"),
    integration_id=IntegrationId("i"),
    integration_type=IntegrationType.OKTA,
    reference_id="r",
    tenant_url="https://acme.okta.com",
    active=True,
    public_origin="https://risk.example.com",
    created_at=NOON,
)
STRICT = PushTargets(TargetRules([], allow_http=False)).problem


def warnings_of(tenant_url: str, kind: IntegrationType = IntegrationType.OKTA) -> list[str]:
    integration = replace(OKTA, tenant_url=tenant_url, integration_type=kind)
    implicit = (
        [Stream(stream_id=StreamId("s"), integration=integration, status=StreamStatus.ENABLED, lanes=1)]
        if kind is IntegrationType.OKTA
        else []
    )
    return target_warnings(integration, implicit, STRICT)


@pytest.mark.parametrize(
    ("tenant_url", "said", "instead"),
    [
        ("https://acme.okta.com/", "ends with a slash", "https://acme.okta.com"),
        ("https://acme.okta.com//", "has no path", "https://acme.okta.com"),
        ("https://acme.okta.com/oauth2/default", "has no path", "https://acme.okta.com"),
        ("https://acme.okta.com/admin/", "has no path", "https://acme.okta.com"),
        ("https://acme.okta.com?tenant=1", "has no path", "https://acme.okta.com"),
        ("https://acme.okta.com#top", "has no path", "https://acme.okta.com"),
        ("https://ACME.okta.com", "not spelled", "https://acme.okta.com"),
        ("https://acme.okta.com:443", "not spelled", "https://acme.okta.com"),
        ("https://acme.okta.com.", "not spelled", "https://acme.okta.com"),
    ],
)
def test_an_audience_that_okta_does_not_expect_is_named(tenant_url: str, said: str, instead: str) -> None:
    """The warning says what is unusual and what to write instead."""
    (warning,) = warnings_of(tenant_url)
    assert said in warning
    assert warning.endswith(f"update the integration with {instead}.")


@pytest.mark.parametrize(
    ("tenant_url", "said"),
    [
        ("http://acme.okta.com", "must be an https URL"),
        ("https://10.0.0.5", "private or special address"),
        ("https://[fd00::5]", "private or special address"),
        ("https://169.254.169.254", "private or special address"),
        ("https://127.0.0.1:8443", "private or special address"),
        ("https://0x7f000001", "usual form"),
        ("https://user:pw@acme.okta.com", "user name or password"),
    ],
)
def test_an_address_that_the_settings_never_dial_is_named(tenant_url: str, said: str) -> None:
    """As the push client would judge it, before anything is queued."""
    assert any(said in warning for warning in warnings_of(tenant_url))


@pytest.mark.parametrize(
    ("tenant_url", "kind"),
    [
        ("https://acme.okta.com", IntegrationType.OKTA),
        ("https://acme.okta.com:8443", IntegrationType.OKTA),
        ("https://receiver.example.com/tenants/acme", IntegrationType.SSF),
        ("http://10.0.0.5", IntegrationType.SSF),
    ],
)
def test_what_can_work_is_not_warned_of(tenant_url: str, kind: IntegrationType) -> None:
    """The tenant URL of an SSF integration is only an audience: it may have a path, and is not dialed."""
    assert warnings_of(tenant_url, kind) == []


def test_a_final_slash_is_named_for_every_type() -> None:
    """It is the audience of each."""
    (warning,) = warnings_of("https://receiver.example.com/tenants/acme/", IntegrationType.SSF)
    assert "https://receiver.example.com/tenants/acme." in warning


def test_the_endpoint_of_a_receivers_stream_is_judged_by_the_settings_of_today() -> None:
    """It was allowed when the stream was made. A polled stream is not dialed."""
    integration = replace(OKTA, integration_type=IntegrationType.SSF)
    pushed = Configuration(
        audience="https://a.example.com",
        delivery=Push("https://10.0.0.5/events", None),
        events_requested=None,
        description=None,
    )
    streams = [
        Stream(
            stream_id=StreamId("one"),
            integration=integration,
            status=StreamStatus.ENABLED,
            lanes=1,
            configuration=pushed,
        ),
        Stream(
            stream_id=StreamId("two"),
            integration=integration,
            status=StreamStatus.ENABLED,
            lanes=1,
            configuration=replace(pushed, delivery=Poll()),
        ),
    ]
    (warning,) = target_warnings(integration, streams, STRICT)
    assert warning.startswith("The endpoint of stream one must not be a private")


def test_settings_that_allow_an_address_end_its_warning() -> None:
    """A test installation may push over http to this machine."""
    lax = PushTargets(TargetRules(["127.0.0.0/8"], allow_http=True)).problem
    integration = replace(OKTA, tenant_url="http://127.0.0.1:9000")
    stream = Stream(stream_id=StreamId("s"), integration=integration, status=StreamStatus.ENABLED, lanes=1)
    assert target_warnings(integration, [stream], lax) == []


@pytest.mark.parametrize(
    ("tenant_url", "kind", "what", "instead"),
    [
        ("https://a.okta.com/", IntegrationType.OKTA, "ends with a slash", "https://a.okta.com"),
        ("https://a.example.com/X/", IntegrationType.SSF, "ends with a slash", "https://a.example.com/X"),
        (
            "https://[2001:DB8::1]:8443/x",
            IntegrationType.OKTA,
            "has more than a host name",
            "https://[2001:db8::1]:8443",
        ),
        ("http://a.okta.com:80/x", IntegrationType.OKTA, "has more than a host name", "http://a.okta.com"),
        ("http://a.okta.com:443/x", IntegrationType.OKTA, "has more than a host name", "http://a.okta.com:443"),
        ("https://a.okta.com:99999999/x", IntegrationType.OKTA, "has more than a host name", "https://a.okta.com"),
    ],
)
def test_a_warning_repeats_the_tenant_url_as_written(
    tenant_url: str, kind: IntegrationType, what: str, instead: str
) -> None:
    """It says what is unusual, quotes the URL, and ends with the spelling that receivers expect."""
    integration = replace(OKTA, tenant_url=tenant_url, integration_type=kind)
    (warning,) = target_warnings(integration, [], STRICT)
    assert warning.startswith(f"The tenant URL {what}")
    assert f"exactly as written, {tenant_url}, and" in warning
    assert warning.endswith(f" with {instead}.")


def test_a_polled_stream_and_an_implicit_stream_have_different_warnings() -> None:
    """The address of an implicit stream is the tenant URL."""
    integration = replace(OKTA, tenant_url="https://10.0.0.5")
    implicit = Stream(stream_id=StreamId("s"), integration=integration, status=StreamStatus.ENABLED, lanes=1)
    assert any(text.startswith("The tenant URL must not") for text in target_warnings(integration, [implicit], STRICT))
    polled = replace(implicit, configuration=Configuration(audience="https://a.example.com", delivery=Poll()))
    refusing_all = target_warnings(replace(integration, integration_type=IntegrationType.SSF), [polled], lambda _: "x")
    assert refusing_all == []
