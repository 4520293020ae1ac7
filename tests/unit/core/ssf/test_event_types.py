"""The table of event types, and what it makes of an event."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.ssf.event_rules import event_faults, event_subject_faults, request_faults, with_subject
from riskrelay.core.ssf.event_type import CAEP, OKTA_USER_RISK_CHANGE, RISC, SSF, EventType
from riskrelay.core.ssf.event_types import EVENT_TYPES, EVENTS_SUPPORTED, OF_STREAMS
from riskrelay.core.ssf.subjects import FORMATS
from support.event_examples import full_example, minimal_example

ROWS = pytest.mark.parametrize("row", EVENT_TYPES.values(), ids=lambda row: row.name)


def row_of(name: str) -> EventType:
    return next(row for row in EVENT_TYPES.values() if row.uri in (CAEP + name, RISC + name, SSF + name, name))


def faults(row: EventType, event: Any) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.kind.value) for fault in event_faults(row, event, ("event",))]


def test_the_table_is_complete() -> None:
    """CAEP 1.0 §3, RISC 1.0 §2, SSF 1.0 §8.1.4 and §8.1.5, and Okta's."""
    names = {base: {row.name for row in EVENT_TYPES.values() if row.uri.startswith(base)} for base in (CAEP, RISC, SSF)}
    assert names[CAEP] == {
        "session-revoked",
        "token-claims-change",
        "credential-change",
        "assurance-level-change",
        "device-compliance-change",
        "session-established",
        "session-presented",
        "risk-level-change",
    }
    assert names[RISC] == {
        "account-credential-change-required",
        "account-purged",
        "account-disabled",
        "account-enabled",
        "identifier-changed",
        "identifier-recycled",
        "credential-compromise",
        "opt-in",
        "opt-out-initiated",
        "opt-out-cancelled",
        "opt-out-effective",
        "recovery-activated",
        "recovery-information-changed",
        "sessions-revoked",
    }
    assert names[SSF] == {"verification", "stream-updated"}
    assert len(EVENT_TYPES) == sum(map(len, names.values())) + 1
    assert set(EVENTS_SUPPORTED) == set(EVENT_TYPES) - {OKTA_USER_RISK_CHANGE}
    assert {SSF + "verification", SSF + "stream-updated"} == OF_STREAMS


@ROWS
def test_the_examples_of_each_type_are_valid(row: EventType) -> None:
    """The minimal and the full example of each type are valid with its subject. The minimal one has required members
    only."""
    for event in (minimal_example(row), full_example(row)):
        assert faults(row, event) == []
        assert event_subject_faults(row, row.subject_example) == []
    for name in minimal_example(row):
        lacking = {key: value for key, value in minimal_example(row).items() if key != name}
        assert faults(row, lacking) == [(f"/event/{name}", "required")]


@ROWS
def test_a_wrong_value_in_each_member_is_found(row: EventType) -> None:
    """Its type, and its allowed values where the type closes them."""
    for field in row.fields:
        assert (f"/event/{field.name}", "wrong_type") in faults(row, {**full_example(row), field.name: object()})
        if field.allowed:
            found = faults(row, {**full_example(row), field.name: "something else"})
            assert found == ([] if field.open else [(f"/event/{field.name}", "wrong_value")])


@ROWS
def test_only_members_with_a_uri_as_their_name_may_be_added(row: EventType) -> None:
    """A misspelt member is found; an extension is possible (SSF 1.0 §4.2.3)."""
    assert faults(row, {**full_example(row), "reason_adm": {"en": "x"}}) == [("/event/reason_adm", "wrong_value")]
    assert faults(row, {**full_example(row), "https://example.com/incident": 17}) == []
    assert faults(row, [full_example(row)]) == [("/event", "wrong_type")]


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"en": "a", "es-410": "b", "zh-Hant-TW": "c"}, []),
        ({}, [("/event/reason_admin", "wrong_value")]),
        ({"english language": "a"}, [("/event/reason_admin/english language", "wrong_value")]),
        ({"en": ""}, [("/event/reason_admin/en", "wrong_value")]),
        ({"en": None}, [("/event/reason_admin/en", "wrong_type")]),
        ("Policy 17", [("/event/reason_admin", "wrong_type")]),
    ],
)
def test_a_reason_is_a_language_tagged_map(value: Any, wrong: list[tuple[str, str]]) -> None:
    """CAEP 1.0 §2."""
    assert faults(row_of("session-revoked"), {"reason_admin": value}) == wrong


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0, None),
        (1_615_304_991, None),
        (1_615_304_991.5, None),
        (1_615_304_991_000, "wrong_value"),
        (-1, "wrong_value"),
        (float("nan"), "wrong_value"),
        ("1615304991", "wrong_type"),
        (True, "wrong_type"),
    ],
)
def test_a_time_is_a_number_of_seconds(value: Any, kind: str | None) -> None:
    """CAEP 1.0 §2 event_timestamp; Okta takes whole ones only."""
    expected = [] if kind is None else [("/event/event_timestamp", kind)]
    assert faults(row_of("session-presented"), {"event_timestamp": value}) == expected
    okta = row_of(OKTA_USER_RISK_CHANGE)
    if value == 1_615_304_991.5:
        expected = [("/event/event_timestamp", "wrong_type")]
    assert faults(okta, {**minimal_example(okta), "event_timestamp": value}) == expected


@pytest.mark.parametrize(
    ("name", "subject", "pointer"),
    [
        ("identifier-changed", FORMATS["opaque"].example, "/subject/format"),
        ("identifier-recycled", {"format": "complex", "user": FORMATS["email"].example}, "/subject/format"),
        ("verification", FORMATS["email"].example, "/subject/format"),
        ("stream-updated", FORMATS["email"].example, "/subject/format"),
        (OKTA_USER_RISK_CHANGE, FORMATS["did"].example, "/subject/format"),
        ("session-revoked", {"format": "email"}, "/subject/email"),
    ],
)
def test_the_subject_rule_of_a_type_is_kept(name: str, subject: dict[str, Any], pointer: str) -> None:
    """RISC 1.0 §2.5, §2.6; SSF 1.0 §8.1.4.1, §8.1.5."""
    assert [fault.pointer for fault in event_subject_faults(row_of(name), subject, ("subject",))] == [pointer]


def test_a_phone_number_can_be_recycled() -> None:
    """What RISC 1.0 calls phone is RFC 9493's phone_number."""
    assert event_subject_faults(row_of("identifier-recycled"), FORMATS["phone_number"].example) == []


def test_what_the_interoperability_profile_demands_is_required() -> None:
    """IOP 1.0 §3.1, §3.2: reason_admin is populated, and the fault names the section."""
    for name, section in (("session-revoked", "§3.1"), ("credential-change", "§3.2")):
        (fault,) = (
            f
            for f in event_faults(
                row_of(name), {"credential_type": "app", "change_type": "create"} if name == "credential-change" else {}
            )
        )
        assert fault.pointer == "/reason_admin"
        assert section in fault.message


def test_okta_reads_the_subject_in_the_event() -> None:
    """And only Okta's type has it there."""
    email = FORMATS["email"].example
    assert with_subject(row_of(OKTA_USER_RISK_CHANGE), {}, email) == {"subject": {"user": email}}
    assert with_subject(row_of("session-revoked"), {}, email) == {}


@given(st.sampled_from(list(EVENT_TYPES.values())), st.data())
def test_any_subset_of_members_is_judged_by_what_is_required(row: EventType, data: st.DataObject) -> None:
    """A part of the full example lacks exactly the required members that were left out."""
    kept = data.draw(st.sets(st.sampled_from(sorted(full_example(row))))) if row.fields else set()
    event = {name: value for name, value in full_example(row).items() if name in kept}
    lacking = {f"/event/{field.name}" for field in row.fields if field.required and field.name not in kept}
    if row.one_of and not kept & set(row.one_of):
        lacking.add(f"/event/{row.one_of[0]}")
    assert set(faults(row, event)) == {(pointer, "required") for pointer in lacking}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*EVENT_TYPES, "urn:x"]) | json_values, st.data())
def test_any_request_is_judged(event_type: Any, data: st.DataObject) -> None:
    """Never an exception; what is found valid carries its subject where its receivers read it."""
    names = [field.name for field in EVENT_TYPES[event_type].fields] if event_type in list(EVENT_TYPES) else []
    events = st.dictionaries(st.sampled_from(names or ["x"]), json_values)
    subject = data.draw(st.sampled_from([row.example for row in FORMATS.values()]) | json_values)
    event = data.draw(events | json_values)
    if not request_faults(event_type, subject, event) and event_type in list(EVENT_TYPES) and isinstance(event, dict):
        row = EVENT_TYPES[event_type]
        if isinstance(subject, dict):
            assert event_faults(row, with_subject(row, event, subject)) == []
