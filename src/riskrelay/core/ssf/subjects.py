"""Subject identifiers (RFC 9493) and SSF's complex subjects: the subjects of security events."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import msgspec

from riskrelay.core.email_addresses import email_key, email_problem, user_key
from riskrelay.core.errors import Fault, FaultKind, pointer

COMPLEX = "complex"
MAX_MEMBER_CHARACTERS = 2_048  # chosen: as long as the longest URL that this service takes
MAX_IDENTIFIERS = 100  # guessed: the identifiers of one subject, so that a body cannot have a million of them

COMPLEX_MEMBERS = ("user", "device", "session", "application", "tenant", "org_unit", "group")
"""The member names that SSF 1.0 §3.3 defines; others are allowed."""

Part = str | int
Check = Callable[[Any, tuple[Part, ...]], Iterator[Fault]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """An identifier format: one row of FORMATS.

    Attributes:
        name: the value of the member `format`.
        source: where it is defined.
        members: what it must have besides `format`, and nothing else; each with its check.
        example: a valid identifier.
    """

    name: str
    source: str
    members: Mapping[str, Check]
    example: Mapping[str, Any]


def email_subject(email: str) -> dict[str, Any]:
    """Return an identifier of format email.

    Rule: RFC 9493 §3.2.2.

    >>> email_subject("kai@example.com")
    {'format': 'email', 'email': 'kai@example.com'}
    """
    return {"format": "email", "email": email}


def opaque_subject(identifier: str) -> dict[str, Any]:
    """Return an identifier of format opaque.

    Rule: RFC 9493 §3.2.4.
    """
    return {"format": "opaque", "id": identifier}


def subject_faults(subject: Any, at: tuple[Part, ...] = ()) -> list[Fault]:
    """Return the faults of a subject, simple or complex.

    Args:
        subject: any JSON value.
        at: its place in the request, for the pointers.

    Returns: one fault per mistake; empty when it is a valid subject.
    Rule: SSF 1.0 §3.2 to 3.5; RFC 9493 §3 (all members that the format requires, and no other).

    >>> [fault.pointer for fault in subject_faults({"format": "email", "mail": "kai@example.com"}, ("subject",))]
    ['/subject/email', '/subject/mail']
    """
    if isinstance(subject, dict) and subject.get("format") == COMPLEX:
        return list(_complex_faults(subject, at))
    return list(_simple_faults(subject, at))


def subject_key(subject: Mapping[str, Any]) -> str:
    """Return a text that is equal for two valid subjects exactly if they are identical.

    The order of members does not matter, and e-mail addresses are compared by `email_key`, like users. All other values
    are compared exactly.

    >>> subject_key({"format": "email", "email": "Kai@Example.com"}) == subject_key(email_subject("kai@example.com"))
    True
    """
    if subject["format"] == "email":  # the format of most events, handled without a search for nested members
        return msgspec.json.encode({"email": user_key(subject["email"]), "format": "email"}).decode()
    return msgspec.json.encode(_comparable(subject), order="sorted").decode()


def matches(stream_subject: Mapping[str, Any], event_subject: Mapping[str, Any]) -> bool:
    """Return whether an event about *event_subject* matches *stream_subject*, which a receiver added or removed.

    Two simple subjects match if they are identical. Two complex subjects match if each member that both have is
    identical. A simple and a complex subject never match, because no specification defines this (docs/choices.md).

    Args: two valid subjects.
    Rule: SSF 1.0 §8.1.3.1.

    >>> tenant = {"format": "complex", "tenant": {"format": "opaque", "id": "1"}}
    >>> matches(tenant, {**tenant, "user": email_subject("kai@example.com")})
    True
    """
    one: dict[str, Any] = _comparable(stream_subject)
    other: dict[str, Any] = _comparable(event_subject)
    if one["format"] != COMPLEX or other["format"] != COMPLEX:
        return one == other
    return all(one[name] == other[name] for name in one.keys() & other.keys())


def _comparable(value: Any) -> Any:
    """Return the subject with the keys of its e-mail addresses."""
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    is_email = value.get("format") == "email"
    return {
        name: email_key(member) if is_email and name == "email" else _comparable(member)
        for name, member in value.items()
    }


def _complex_faults(subject: Mapping[str, Any], at: tuple[Part, ...]) -> Iterator[Fault]:
    """Return the faults of a complex subject: a format, and one or more simple subjects. Rule: SSF 1.0 §3.3."""
    members = {name: member for name, member in subject.items() if name != "format"}
    if not members:
        message = f"a complex subject needs at least one member, such as {', '.join(COMPLEX_MEMBERS)}"
        yield Fault(FaultKind.REQUIRED, pointer(at), message)
    if len(members) > MAX_IDENTIFIERS:
        yield Fault(FaultKind.TOO_LONG, pointer(at), f"must not have more than {MAX_IDENTIFIERS} members")
    for name, member in members.items():
        yield from _simple_faults(member, (*at, name))


def _simple_faults(subject: Any, at: tuple[Part, ...], *, nested: bool = False) -> Iterator[Fault]:
    """Return the faults of a simple subject. *nested*: it is part of an aliases identifier."""
    if not isinstance(subject, dict):
        yield Fault(FaultKind.WRONG_TYPE, pointer(at), "must be a subject identifier: an object with the member format")
        return
    if "format" not in subject:
        yield Fault(FaultKind.REQUIRED, pointer((*at, "format")), f"add the format: one of {', '.join(FORMATS)}")
        return
    row = FORMATS.get(subject["format"]) if isinstance(subject["format"], str) else None
    if row is None or (nested and row.name == "aliases"):
        known = ", ".join(name for name in FORMATS if not (nested and name == "aliases"))
        yield Fault(FaultKind.WRONG_VALUE, pointer((*at, "format")), f"must be one of {known} here")
        return
    for name, check in row.members.items():
        if name in subject:
            yield from check(subject[name], (*at, name))
        else:
            yield Fault(FaultKind.REQUIRED, pointer((*at, name)), f"the format {row.name} requires this member")
    for name in [name for name in subject if name not in row.members and name != "format"]:
        message = f"the format {row.name} does not define this member; its members are {', '.join(row.members)}"
        yield Fault(FaultKind.WRONG_VALUE, pointer((*at, name)), message)


def _text(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(FaultKind.WRONG_TYPE, pointer(at), "must be a string")
    elif not value:
        yield Fault(FaultKind.WRONG_VALUE, pointer(at), "must not be empty")
    elif len(value) > MAX_MEMBER_CHARACTERS:
        yield Fault(FaultKind.TOO_LONG, pointer(at), f"must not have more than {MAX_MEMBER_CHARACTERS} characters")
    elif any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in value):
        yield Fault(FaultKind.WRONG_VALUE, pointer(at), "must not contain control characters or lone surrogates")


def _matching(pattern: str, what: str) -> Check:
    """Return a check that a whole text has the form *pattern*."""
    form = re.compile(pattern)

    def check(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
        faults = list(_text(value, at))
        yield from faults
        if not faults and form.fullmatch(value) is None:
            yield Fault(FaultKind.WRONG_VALUE, pointer(at), f"must be {what}")

    return check


def _email(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    faults = list(_text(value, at))
    yield from faults
    problem = None if faults else email_problem(value)
    if problem is not None:
        yield Fault(FaultKind.WRONG_VALUE, pointer(at), problem)


def _listing(item_faults: Check) -> Check:
    """Return a check that a value is an array of at least one valid item."""

    def check(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield Fault(FaultKind.WRONG_TYPE, pointer(at), "must be an array")
        elif not value:
            yield Fault(FaultKind.WRONG_VALUE, pointer(at), "must not be empty")
        elif len(value) > MAX_IDENTIFIERS:
            yield Fault(FaultKind.TOO_LONG, pointer(at), f"must not have more than {MAX_IDENTIFIERS} items")
        else:
            for place, item in enumerate(value):
                yield from item_faults(item, (*at, place))

    return check


def _address(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    faults = list(_text(value, at))
    yield from faults
    if not faults:
        try:
            ip_address(value)
        except ValueError:
            yield Fault(FaultKind.WRONG_VALUE, pointer(at), "must be an IP address, such as 192.0.2.1 or 2001:db8::1")


def _aliases(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    faults = list(_listing(_alias)(value, at))
    yield from faults
    seen: set[str] = set()
    for place, identifier in enumerate([] if faults else value):
        key = subject_key(identifier)
        if key in seen:
            yield Fault(
                FaultKind.WRONG_VALUE, pointer((*at, place)), "is a duplicate of another identifier in the list"
            )
        seen.add(key)


def _alias(value: Any, at: tuple[Part, ...]) -> Iterator[Fault]:
    yield from _simple_faults(value, at, nested=True)


_URI_CHARACTERS = r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]"
_PHONE = _matching(r"\+[1-9][0-9]{1,14}", "an E.164 number: +, then 2 to 15 digits, such as +4930901820")
_ACCOUNT = _matching(r"acct:[A-Za-z0-9\-._~!$&'()*+,;=%]+@[^\s@/?#]+", "an acct URI, such as acct:kai@example.com")
_DID = _matching(rf"did:[a-z0-9]+:{_URI_CHARACTERS}+", "a DID URL, such as did:example:17")
_URI = _matching(rf"[A-Za-z][A-Za-z0-9+.\-]*:{_URI_CHARACTERS}+", "a URI, such as urn:uuid:… or https://…")

_ROWS = (
    Format(
        name="account",
        source="RFC 9493 §3.2.1",
        members={"uri": _ACCOUNT},
        example={"format": "account", "uri": "acct:kai@example.com"},
    ),
    Format(
        name="email",
        source="RFC 9493 §3.2.2",
        members={"email": _email},
        example={"format": "email", "email": "kai@example.com"},
    ),
    Format(
        name="iss_sub",
        source="RFC 9493 §3.2.3",
        members={"iss": _text, "sub": _text},
        example={"format": "iss_sub", "iss": "https://idp.example.com/", "sub": "00u1a2b3c4"},
    ),
    Format(
        name="opaque",
        source="RFC 9493 §3.2.4",
        members={"id": _text},
        example={"format": "opaque", "id": "66667777888899990000"},
    ),
    Format(
        name="phone_number",
        source="RFC 9493 §3.2.5",
        members={"phone_number": _PHONE},
        example={"format": "phone_number", "phone_number": "+4930901820"},
    ),
    Format(
        name="did",
        source="RFC 9493 §3.2.6",
        members={"url": _DID},
        example={"format": "did", "url": "did:example:17"},
    ),
    Format(
        name="uri",
        source="RFC 9493 §3.2.7",
        members={"uri": _URI},
        example={"format": "uri", "uri": "urn:uuid:9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"},
    ),
    Format(
        name="aliases",
        source="RFC 9493 §3.2.8",
        members={"identifiers": _aliases},
        example={
            "format": "aliases",
            "identifiers": [
                {"format": "email", "email": "kai@example.com"},
                {"format": "phone_number", "phone_number": "+4930901820"},
            ],
        },
    ),
    Format(
        name="jwt_id",
        source="SSF 1.0 §3.5.1",
        members={"iss": _text, "jti": _text},
        example={"format": "jwt_id", "iss": "https://idp.example.com/", "jti": "4c1f6a52e0f94c0b"},
    ),
    Format(
        name="saml_assertion_id",
        source="SSF 1.0 §3.5.2",
        members={"issuer": _text, "assertion_id": _text},
        example={"format": "saml_assertion_id", "issuer": "https://idp.example.com/", "assertion_id": "_5f2d0c7be1"},
    ),
    Format(
        name="ip-addresses",
        source="SSF 1.0 §3.5.3",
        members={"ip-addresses": _listing(_address)},
        example={"format": "ip-addresses", "ip-addresses": ["192.0.2.1", "2001:db8::1"]},
    ),
)

FORMATS: Mapping[str, Format] = {row.name: row for row in _ROWS}
"""Every identifier format of a simple subject: those of RFC 9493 and those that SSF adds."""

MEMBER_NAMES = frozenset({"format", *COMPLEX_MEMBERS, *(name for row in _ROWS for name in row.members)})
"""The member names that subjects have by the specifications; a complex subject may have others."""
