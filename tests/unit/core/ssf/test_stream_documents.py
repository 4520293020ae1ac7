"""The document of a receiver's stream: create, PATCH, PUT (SSF 1.0 §8.1.1)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.errors import FaultKind, Invalid
from riskrelay.core.ssf.event_type import OKTA_USER_RISK_CHANGE
from riskrelay.core.ssf.event_types import EVENTS_SUPPORTED
from riskrelay.core.ssf.stream_documents import (
    MAX_AUTHORIZATION_CHARACTERS,
    MAX_DESCRIPTION_CHARACTERS,
    PushRules,
    created,
    document,
    patched,
    replaced,
)
from riskrelay.core.ssf.streams import Configuration, Party, Poll, Push, Spelling, Stream, StreamId, StreamStatus
from support.ssf_streams import INTEGRATION

PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"
POLL_URL = "https://risk.example.com/ssf/i1/poll/s1"
HTTPS = PushRules(
    lambda url: None if url.startswith("https://") else "must be an https URL", lambda secret: secret[::-1]
)

Document = dict[str, Any]


def unseal(sealed: bytes) -> bytes:
    return sealed[::-1]


def stream(configuration: Configuration) -> Stream:
    return Stream(
        stream_id=StreamId("s1"),
        integration=INTEGRATION,
        status=StreamStatus.ENABLED,
        lanes=1,
        configuration=configuration,
        status_set_by=Party.RECEIVER,
    )


def made(body: Mapping[str, Any]) -> Stream:
    return stream(created(body, INTEGRATION, HTTPS))


def pointers(error: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [fault.pointer for fault in error.value.faults]


# The naive model: what SSF 1.0 §8.1.1 says, as a dictionary that is edited in place.

FIXED = {
    "stream_id": "s1",
    "iss": "https://risk.example.com/i1",
    "aud": "https://receiver.example.com",
    "events_supported": list(EVENTS_SUPPORTED),
    "min_verification_interval": 10,
    "inactivity_timeout": 30 * 24 * 3600,
}


def model(supplied: Mapping[str, Any]) -> Document:
    """The whole document of what a receiver supplied."""
    shown = {name: value for name, value in supplied.items() if value is not None}
    shown.setdefault("delivery", {"method": POLL})
    if shown["delivery"]["method"] == POLL:
        shown["delivery"] = {"method": POLL, "endpoint_url": POLL_URL}
    delivered = []
    for uri in shown.get("events_requested", []):
        if uri in EVENTS_SUPPORTED and uri not in delivered:
            delivered.append(uri)
    return {**FIXED, **shown, "events_delivered": delivered}


URIS = st.sampled_from([*EVENTS_SUPPORTED[:4], OKTA_USER_RISK_CHANGE, "urn:example:unknown"])
DELIVERIES = st.one_of(
    st.just({"method": POLL}),
    st.fixed_dictionaries(
        {"method": st.just(PUSH), "endpoint_url": st.sampled_from(["https://a.example/1", "https://b.example/2"])},
        optional={"authorization_header": st.sampled_from(["Bearer one", "Basic dHdvOnR3bw=="])},
    ),
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "delivery": DELIVERIES,
        "events_requested": st.lists(URIS, max_size=6) | st.none(),
        "description": st.sampled_from(["", "for tests", "für Menschen"]) | st.none(),
        "a_member_we_do_not_know": st.integers(),
    },
)
KNOWN = ("delivery", "events_requested", "description")


@given(BODIES, st.lists(st.tuples(st.sampled_from(["PATCH", "PUT"]), BODIES, st.booleans()), max_size=6))
def test_the_document_is_what_a_naive_model_says(first: Document, changes: list[tuple[str, Document, bool]]) -> None:
    """After any series of creates, PATCHes and PUTs, with and without our own members in the body."""
    supplied = {name: first.get(name) for name in KNOWN}
    now = made(first)
    for method, body, repeats_ours in changes:
        ours = {name: value for name, value in document(now, unseal).items() if name not in KNOWN}
        sent = {**ours, **body} if repeats_ours else body
        if method == "PATCH":
            now = stream(patched(sent, now, HTTPS))
            supplied.update({name: body[name] for name in KNOWN if name in body})
        else:
            now = stream(replaced(sent, now, HTTPS))
            supplied = {name: body.get(name) for name in KNOWN}
        assert document(now, unseal) == model(supplied)
    assert document(now, unseal) == model(supplied)


@given(BODIES)
def test_what_was_read_can_be_put_back(body: Document) -> None:
    """A receiver may read, change and replace (§8.1.1.4): the whole document is a valid body and changes nothing."""
    before = made(body)
    read = document(before, unseal)
    assert replaced(read, before, HTTPS) == before.configuration
    assert patched(read, before, HTTPS) == before.configuration


def test_without_delivery_the_receiver_polls_at_our_url() -> None:
    """§8.1.1.1: the method is poll, and the endpoint ours."""
    assert document(made({}), unseal)["delivery"] == {"method": POLL, "endpoint_url": POLL_URL}
    assert made({}).is_polled


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("iss", "https://risk.example.com/other"),
        ("iss", None),
        ("aud", "https://elsewhere.example.com"),
        ("aud", ["https://receiver.example.com", "https://elsewhere.example.com"]),
        ("events_supported", []),
        ("events_supported", "all"),
        ("min_verification_interval", 1),
        ("min_verification_interval", True),
        ("inactivity_timeout", 0),
        ("events_delivered", [EVENTS_SUPPORTED[1]]),
        ("stream_id", "s2"),
    ],
)
def test_our_members_must_be_right_when_they_are_sent(name: str, wrong: Any) -> None:
    """§8.1.1.3, §8.1.1.4: a wrong transmitter-supplied member is refused by name, and what is right is said."""
    now = made({"events_requested": [EVENTS_SUPPORTED[0]]})
    for change in (patched, replaced):
        with pytest.raises(Invalid) as caught:
            change({name: wrong}, now, HTTPS)
        assert pointers(caught) == [f"/{name}"]


def test_an_audience_may_stand_in_an_array_and_arrays_in_any_order() -> None:
    """The same value in another form is no contradiction."""
    now = made({"events_requested": list(EVENTS_SUPPORTED[:2])})
    sent = {"aud": [INTEGRATION.tenant_url], "events_delivered": list(reversed(EVENTS_SUPPORTED[:2]))}
    assert now.configuration is not None
    assert patched(sent, now, HTTPS) == replace(now.configuration, spelling=Spelling(audience_in_array=True))


def test_events_delivered_is_compared_with_what_was_before() -> None:
    """§8.1.1.3: it must match the value before the update, also when the update changes it."""
    now = made({"events_requested": [EVENTS_SUPPORTED[0]]})
    body = {"events_requested": [EVENTS_SUPPORTED[1]], "events_delivered": [EVENTS_SUPPORTED[0]]}
    assert patched(body, now, HTTPS).events_requested == (EVENTS_SUPPORTED[1],)


def test_the_audience_outlives_the_integrations_address() -> None:
    """`aud` cannot be updated (§8.1.1), not even by us."""
    moved = replace(made({}), integration=replace(INTEGRATION, tenant_url="https://new.example.com"))
    assert document(moved, unseal)["aud"] == "https://receiver.example.com"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"delivery": "push"}, ["/delivery"]),
        ({"delivery": {}}, ["/delivery/method"]),
        ({"delivery": {"method": "urn:ietf:rfc:8937"}}, ["/delivery/method"]),
        ({"delivery": {"method": PUSH}}, ["/delivery/endpoint_url"]),
        ({"delivery": {"method": PUSH, "endpoint_url": 5}}, ["/delivery/endpoint_url"]),
        ({"delivery": {"method": PUSH, "endpoint_url": "http://a.example"}}, ["/delivery/endpoint_url"]),
        ({"delivery": {"method": PUSH, "endpoint_url": "https://a.example/\0"}}, ["/delivery/endpoint_url"]),
        ({"delivery": {"method": PUSH, "endpoint_url": "https://" + "a" * 2_048}}, ["/delivery/endpoint_url"]),
        ({"events_requested": "all"}, ["/events_requested"]),
        ({"events_requested": ["urn:a", 5]}, ["/events_requested"]),
        ({"events_requested": ["urn:\n"]}, ["/events_requested"]),
        ({"events_requested": ["urn:a"] * 201}, ["/events_requested"]),
        ({"description": 5}, ["/description"]),
        ({"description": "\0"}, ["/description"]),
        ({"description": 5, "events_requested": 6}, ["/events_requested", "/description"]),
    ],
)
def test_wrong_members_are_refused_with_their_place(body: Document, where: list[str]) -> None:
    """All at once; nothing is made or changed."""
    now = made({})
    with pytest.raises(Invalid) as caught:
        created(body, INTEGRATION, HTTPS)
    assert pointers(caught) == where
    for change in (patched, replaced):
        with pytest.raises(Invalid) as caught:
            change(body, now, HTTPS)
        assert pointers(caught) == where


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (
            {"stream_id": "s9"},
            FaultKind.WRONG_VALUE,
            "the transmitter chooses the stream_id; leave it out, or PATCH the stream",
        ),
        (
            {"iss": "https://a.example"},
            FaultKind.WRONG_VALUE,
            f"is set by the transmitter: omit it, or send its current value: {INTEGRATION.issuer}",
        ),
        (
            {"delivery": {"method": PUSH}},
            FaultKind.REQUIRED,
            "is required for push delivery: the URL that events are pushed to",
        ),
        (
            {"delivery": {"method": PUSH, "endpoint_url": f"https://{'a' * 2_048}.example"}},
            FaultKind.TOO_LONG,
            "must not be longer than 2,048",
        ),
        (
            {"delivery": {"method": PUSH, "endpoint_url": "http://a.example"}},
            FaultKind.WRONG_VALUE,
            "must be an https URL",
        ),
        ({"events_requested": "urn:a"}, FaultKind.WRONG_TYPE, "must be an array of event type URIs"),
        ({"description": "\0"}, FaultKind.WRONG_VALUE, "must not contain control characters"),
    ],
)
def test_a_mistake_says_what_to_change(body: Document, kind: FaultKind, message: str) -> None:
    """Its message names the rule."""
    with pytest.raises(Invalid) as caught:
        created(body, INTEGRATION, HTTPS)
    assert [(fault.kind, fault.message) for fault in caught.value.faults] == [(kind, message)]


@pytest.mark.parametrize(
    "header", ["", " Bearer x", "Bearer x\r\nX: y", "Bearer ü", "x" * (MAX_AUTHORIZATION_CHARACTERS + 1)]
)
def test_an_authorization_header_must_be_one_and_is_never_repeated(header: str) -> None:
    """It is a secret also when it is wrong: no message holds it."""
    body = {"delivery": {"method": PUSH, "endpoint_url": "https://a.example", "authorization_header": header}}
    with pytest.raises(Invalid) as caught:
        created(body, INTEGRATION, HTTPS)
    assert pointers(caught) == ["/delivery/authorization_header"]
    assert not header or header not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization_header", 1),
        ("authorization_header", "x" * (MAX_AUTHORIZATION_CHARACTERS + 1)),
        ("endpoint_url", []),
        ("endpoint_url", "https://a.example/" + "x" * 2048),
    ],
)
def test_what_a_poll_does_not_need_must_be_right_all_the_same(name: str, value: object) -> None:
    """Of its type, and not too long."""
    with pytest.raises(Invalid) as caught:
        created({"delivery": {"method": POLL, name: value}}, INTEGRATION, HTTPS)
    assert pointers(caught) == [f"/delivery/{name}"]


def test_an_authorization_header_is_kept_sealed() -> None:
    """Only its sealed form is in the configuration."""
    delivery = {"method": PUSH, "endpoint_url": "https://a.example", "authorization_header": "Bearer secret"}
    now = made({"delivery": delivery})
    assert now.configuration is not None
    assert now.configuration.delivery == Push("https://a.example", b"terces reraeB")
    assert document(now, unseal)["delivery"] == delivery


def test_a_polled_streams_endpoint_is_ours_to_say() -> None:
    """Another one is refused in a change; when a stream is made there is none yet to compare with."""
    asked = {"delivery": {"method": POLL, "endpoint_url": "https://elsewhere.example"}}
    now = made(asked)
    assert isinstance(now.configuration.delivery, Poll)  # type: ignore[union-attr]
    with pytest.raises(Invalid) as caught:
        patched(asked, now, HTTPS)
    assert pointers(caught) == ["/delivery/endpoint_url"]


def test_a_new_stream_cannot_choose_what_is_ours() -> None:
    """A wrong aud, a wrong iss, a stream_id of its own."""
    with pytest.raises(Invalid) as caught:
        created({"stream_id": "mine", "aud": "me", "iss": "you"}, INTEGRATION, HTTPS)
    assert sorted(pointers(caught)) == ["/aud", "/iss", "/stream_id"]


def test_a_long_description_is_cut() -> None:
    """§8.1.1: the transmitter may truncate it."""
    assert len(document(made({"description": "x" * 5_000}), unseal)["description"]) == MAX_DESCRIPTION_CHARACTERS


AUDIENCE = INTEGRATION.tenant_url
EVENTS = "https://receiver.example.com/events"


def answered(body: Mapping[str, Any]) -> Document:
    return document(made(body), unseal)


def test_an_audience_is_answered_in_the_form_in_which_it_was_sent() -> None:
    """An array stays one through changes that do not name it; a text and none are a text."""
    assert [answered(body)["aud"] for body in ({}, {"aud": AUDIENCE}, {"aud": [AUDIENCE]})] == [
        AUDIENCE,
        AUDIENCE,
        [AUDIENCE],
    ]
    now = made({"aud": [AUDIENCE]})
    for change in (patched, replaced):
        kept = stream(change({"description": "x"}, now, HTTPS))
        assert document(kept, unseal)["aud"] == [AUDIENCE]
        assert change(document(kept, unseal), kept, HTTPS) == kept.configuration
        assert document(stream(change({"aud": AUDIENCE}, kept, HTTPS)), unseal)["aud"] == AUDIENCE


@pytest.mark.parametrize("empty", ["", None, [], 0])
def test_members_of_ours_that_are_left_empty_in_a_create_are_ignored(empty: Any) -> None:
    """Programs that write every member they know send "stream_id": "" and the like."""
    assert made(dict.fromkeys(FIXED, empty)) == made({})


@pytest.mark.parametrize("value", ["s1", " ", "https://other.example.com", 7, ["x"]])
def test_members_of_ours_that_say_something_else_are_refused(value: Any) -> None:
    """Only empty ones are ignored."""
    for name in FIXED:
        with pytest.raises(Invalid):
            made({name: value})


RISC = "https://schemas.openid.net/secevent/risc/delivery-method/"


@pytest.mark.parametrize("method_member", ["method", "delivery_method"])
@pytest.mark.parametrize("url_member", ["endpoint_url", "url"])
@pytest.mark.parametrize("method", [PUSH, RISC + "push"])
def test_a_push_delivery_in_the_older_form_is_answered_in_kind(
    method_member: str, url_member: str, method: str
) -> None:
    """RISC's older profile: other URIs, and delivery_method and url (docs/divergences.md, risc-delivery)."""
    delivery = {method_member: method, url_member: EVENTS, "authorization_header": "Bearer x"}
    now = made({"delivery": delivery})
    assert (now.is_polled, now.endpoint_url) == (False, EVENTS)
    assert document(now, unseal)["delivery"] == delivery
    assert patched(document(now, unseal), now, HTTPS) == now.configuration
    assert patched({"description": "x"}, now, HTTPS).spelling == Spelling(
        risc_methods=method != PUSH, method_member=method_member, url_member=url_member
    )


@pytest.mark.parametrize("sent", [{}, {"url": None}, {"url": ""}, {"url": POLL_URL}, {"endpoint_url": None}])
def test_a_poll_delivery_in_the_older_form_is_answered_in_kind(sent: Document) -> None:
    """With the URL to poll in the member that the receiver used."""
    now = made({"delivery": {"method": RISC + "poll", **sent}})
    member = "url" if "url" in sent else "endpoint_url"
    assert now.is_polled
    assert document(now, unseal)["delivery"] == {"method": RISC + "poll", member: POLL_URL}
    assert patched(document(now, unseal), now, HTTPS) == now.configuration


@pytest.mark.parametrize(
    ("delivery", "pointer"),
    [
        ({"method": RISC + "pull"}, "/delivery/method"),
        ({"delivery_method": RISC}, "/delivery/delivery_method"),
        ({"delivery_method": ["x"]}, "/delivery/delivery_method"),
        ({"method": RISC + "push"}, "/delivery/endpoint_url"),
        ({"method": RISC + "push", "url": None}, "/delivery/url"),
        ({"method": RISC + "push", "url": 7}, "/delivery/url"),
        ({"method": RISC + "push", "url": "http://receiver.example.com"}, "/delivery/url"),
    ],
)
def test_mistakes_in_the_older_form_are_named_in_it(delivery: Document, pointer: str) -> None:
    """The pointer names the member that the receiver sent."""
    with pytest.raises(Invalid) as error:
        made({"delivery": delivery})
    assert pointers(error) == [pointer]
