"""Subjects: which are valid, what is wrong with the others, and which match."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.errors import FaultKind
from riskrelay.core.ssf.subjects import (
    COMPLEX_MEMBERS,
    FORMATS,
    Format,
    email_subject,
    matches,
    opaque_subject,
    subject_faults,
    subject_key,
)

EMAIL = email_subject("kai@example.com")


def where(subject: Any) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.kind.value) for fault in subject_faults(subject, ("subject",))]


@pytest.mark.parametrize("row", FORMATS.values(), ids=FORMATS)
def test_each_format_takes_its_example(row: Format) -> None:
    """As it is, and as a member of a complex subject."""
    assert row.example["format"] == row.name
    assert where(row.example) == []
    assert where({"format": "complex", "user": row.example}) == []


@pytest.mark.parametrize("row", FORMATS.values(), ids=FORMATS)
def test_each_format_wants_all_its_members_and_no_other(row: Format) -> None:
    """RFC 9493 §3."""
    for name in row.members:
        lacking = {key: value for key, value in row.example.items() if key != name}
        assert where(lacking) == [(f"/subject/{name}", "required")]
        assert (f"/subject/{name}", "wrong_type") in where({**row.example, name: 7})
    assert where({**row.example, "a/b": "x"}) == [("/subject/a~1b", "wrong_value")]


@pytest.mark.parametrize(
    ("subject", "pointer", "kind"),
    [
        (None, "/subject", "wrong_type"),
        ("kai@example.com", "/subject", "wrong_type"),
        ([EMAIL], "/subject", "wrong_type"),
        ({}, "/subject/format", "required"),
        ({"format": 1}, "/subject/format", "wrong_value"),
        ({"format": "phone", "phone_number": "+12065550100"}, "/subject/format", "wrong_value"),
        ({"format": "Email", "email": "kai@example.com"}, "/subject/format", "wrong_value"),
        ({"format": "email", "email": "kai"}, "/subject/email", "wrong_value"),
        ({"format": "email", "email": "kai@"}, "/subject/email", "wrong_value"),
        ({"format": "email", "email": "kai @example.com"}, "/subject/email", "wrong_value"),
        ({"format": "email", "email": "k\0ai@example.com"}, "/subject/email", "wrong_value"),
        ({"format": "email", "email": "k\ud800@example.com"}, "/subject/email", "wrong_value"),
        ({"format": "email", "email": ""}, "/subject/email", "wrong_value"),
        ({"format": "email", "email": "k" * 2_048 + "@example.com"}, "/subject/email", "too_long"),
        ({"format": "phone_number", "phone_number": "+1 206 555 0123"}, "/subject/phone_number", "wrong_value"),
        ({"format": "phone_number", "phone_number": "12065550100"}, "/subject/phone_number", "wrong_value"),
        ({"format": "phone_number", "phone_number": "+1234567890123456"}, "/subject/phone_number", "wrong_value"),
        ({"format": "account", "uri": "kai@example.com"}, "/subject/uri", "wrong_value"),
        ({"format": "did", "url": "example:123456"}, "/subject/url", "wrong_value"),
        ({"format": "uri", "uri": "not a uri"}, "/subject/uri", "wrong_value"),
        ({"format": "opaque", "id": ""}, "/subject/id", "wrong_value"),
        ({"format": "ip-addresses", "ip-addresses": []}, "/subject/ip-addresses", "wrong_value"),
        ({"format": "ip-addresses", "ip-addresses": ["10.0.0.256"]}, "/subject/ip-addresses/0", "wrong_value"),
        ({"format": "ip-addresses", "ip-addresses": ["::1", 7]}, "/subject/ip-addresses/1", "wrong_type"),
        ({"format": "aliases", "identifiers": []}, "/subject/identifiers", "wrong_value"),
        ({"format": "aliases", "identifiers": [EMAIL] * 101}, "/subject/identifiers", "too_long"),
        (
            {"format": "aliases", "identifiers": [EMAIL, opaque_subject("1"), email_subject("Kai@example.com")]},
            "/subject/identifiers/2",
            "wrong_value",
        ),
        ({"format": "aliases", "identifiers": [EMAIL, {}]}, "/subject/identifiers/1/format", "required"),
        (
            {"format": "aliases", "identifiers": [FORMATS["aliases"].example]},
            "/subject/identifiers/0/format",
            "wrong_value",
        ),
        ({"format": "complex"}, "/subject", "required"),
        ({"format": "complex", "user": "kai"}, "/subject/user", "wrong_type"),
        ({"format": "complex", "user": {"format": "complex", "user": EMAIL}}, "/subject/user/format", "wrong_value"),
        ({"format": "complex", **{str(n): EMAIL for n in range(101)}}, "/subject", "too_long"),
    ],
)
def test_one_way_to_be_wrong(subject: Any, pointer: str, kind: str) -> None:
    """Each is exactly one fault, at its place."""
    assert where(subject) == [(pointer, kind)]


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("kai", "must be a subject identifier: an object with the member format"),
        ({"format": "email", "email": 7}, "must be a string"),
        ({"format": "email", "email": ""}, "must not be empty"),
        ({"format": "email", "email": "k" * 2_048 + "@a.example"}, "must not have more than 2048 characters"),
        ({"format": "opaque", "id": "a\x7f"}, "must not contain control characters or lone surrogates"),
        ({"format": "opaque"}, "the format opaque requires this member"),
        (
            {"format": "opaque", "id": "1", "x": "1"},
            "the format opaque does not define this member; its members are id",
        ),
        ({"format": "ip-addresses", "ip-addresses": "::1"}, "must be an array"),
        ({"format": "ip-addresses", "ip-addresses": []}, "must not be empty"),
        ({"format": "ip-addresses", "ip-addresses": ["::1"] * 101}, "must not have more than 100 items"),
        (
            {"format": "ip-addresses", "ip-addresses": ["10.0.0.256"]},
            "must be an IP address, such as 192.0.2.1 or 2001:db8::1",
        ),
        ({"format": "aliases", "identifiers": [EMAIL, EMAIL]}, "is a duplicate of another identifier in the list"),
        ({"format": "complex", **{str(n): EMAIL for n in range(101)}}, "must not have more than 100 members"),
    ],
)
def test_a_mistake_says_what_to_change(subject: Any, message: str) -> None:
    """Its message names the rule."""
    assert [fault.message for fault in subject_faults(subject, ("subject",))] == [message]


def test_a_hundred_identifiers_are_a_valid_list() -> None:
    """The limit itself is allowed."""
    assert where({"format": "ip-addresses", "ip-addresses": ["::1"] * 100}) == []


def test_all_faults_come_at_once() -> None:
    """Also those of several members."""
    subject = {"format": "complex", "user": {"format": "email"}, "device": {"format": "opaque", "id": 7}, "x": 1}
    assert where(subject) == [
        ("/subject/user/email", FaultKind.REQUIRED),
        ("/subject/device/id", FaultKind.WRONG_TYPE),
        ("/subject/x", FaultKind.WRONG_TYPE),
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
odd_subjects = st.dictionaries(
    st.sampled_from(["format", "email", "id", "iss", "identifiers", "user", "ip-addresses"]),
    st.sampled_from([*FORMATS, "complex"]) | json_values,
)


@given(json_values | odd_subjects)
def test_any_json_is_judged(value: Any) -> None:
    """Never an exception; and whatever is found valid has a key and matches itself."""
    if not subject_faults(value):
        assert subject_key(value)
        assert matches(value, value)


simple = st.one_of(
    st.sampled_from(["kai@example.com", "Kai@Example.COM", "lea@example.com"]).map(email_subject),
    st.sampled_from(["1", "2"]).map(opaque_subject),
    st.sampled_from([FORMATS[name].example for name in ("iss_sub", "aliases", "ip-addresses", "did")]),
)
subjects = simple | st.dictionaries(st.sampled_from(COMPLEX_MEMBERS[:3]), simple, min_size=1).map(
    lambda members: {"format": "complex", **members}
)


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Identical, spelt out: the same members with the same values, e-mails whatever their letter case."""
    if one["format"] == other["format"] == "email":
        return str(one["email"]).lower() == str(other["email"]).lower()
    return one == other


def matches_naively(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """SSF 1.0 §8.1.3.1, word for word."""
    if "complex" not in (one["format"], other["format"]):
        return alike(one, other)
    if one["format"] != other["format"]:
        return False
    for field in COMPLEX_MEMBERS:
        first_not_defined = field not in one
        second_not_defined = field not in other
        if not (first_not_defined or second_not_defined or alike(one[field], other[field])):
            return False
    return True


@given(subjects, subjects)
def test_matching_is_that_of_the_specification(one: dict[str, Any], other: dict[str, Any]) -> None:
    """As the naive model says; symmetric; and each matches itself."""
    assert matches(one, other) is matches(other, one) is matches_naively(one, other)
    assert matches(one, one)


@given(subjects, subjects)
def test_the_key_tells_identical_subjects(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two have one key exactly when they are identical, in whatever order their members stand."""
    if "complex" in (one["format"], other["format"]):
        identical = one.keys() == other.keys() and all(
            one[n] == other[n] if n == "format" else alike(one[n], other[n]) for n in one
        )
    else:
        identical = alike(one, other)
    assert (subject_key(one) == subject_key(other)) is identical
    assert subject_key(dict(reversed(one.items()))) == subject_key(one)
