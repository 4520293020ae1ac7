"""How the error that a receiver reports about a SET is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.core.ssf.push import outcome_of
from riskrelay.core.ssf.receiver_errors import REGISTERED_ERRORS, SetError, read_set_error, set_error_of
from support.services import NOON

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "body",
    [
        b'{"err":"invalid_key"}',
        b'{"err":"invalid_key","description":null}',
        b'{"err":"invalid_key","description":{"en":"x"}}',
        b'{"err":"invalid_key","description":["x"]}',
        b'{"err":"invalid_key","description":7}',
        b'{"err":"invalid_key","description":' + b"7" * 5_000 + b"}",
        b'{"err":"invalid_key","description":true}',
        b'{"description":null,"err":"invalid_key","more":{}}',
        b'\xef\xbb\xbf{"err":"invalid_key","description":"x"}',
        b'\r\n \xef\xbb\xbf {"err":"invalid_key"}'.strip(),
        '{"err":"invalid_key","description":"clé"}'.encode("latin-1"),
        '{"err":"invalid_key","description":"ключ"}'.encode("cp1251"),
        '{"err":"invalid_key","description":"鍵"}'.encode("shift_jis"),
        '{"err":"invalid_key","description":"clé"}'.encode("utf-16"),
        '{"err":"invalid_key","description":"clé"}'.encode("utf-16-le"),
        '{"err":"invalid_key","description":"clé"}'.encode("utf-16-be"),
        '{"err":"invalid_key","description":"clé"}'.encode("utf-32"),
        b'{"err":"invalid_key","description":"\\ud800"}',
        b'{"err":"invalid_key","description":"line 1\nline 2\t"}',
        b'{"err":"invalid_key","description":"x"}</html>',
        b'{"err":"invalid_key"}\0',
        b'{"err":"invalid_key"}{"err":"invalid_issuer"}',
        b'{"err":"invalid_key","err":"invalid_key"}',
        b'{"err":"invalid_key","description":"a","description":"b"}',
        b'{"err":"INVALID_KEY"}',
        b'{"Err":"invalid_key","Description":"x"}',
        b'{"ERR":" Invalid_Key "}',
        b'{ "err" : "invalid_key", "description": "the "kid" is unknown" }',
        b'{"err":"invalid_key","description":"' + b"x" * 64_000,
        b'{"err":"invalid_key","description":NaN}',
        b'{"err":"invalid_key",}',
    ],
)
def test_a_code_counts_whatever_stands_beside_it(body: bytes) -> None:
    """RFC 8935 §2.3: only `err` decides. Nothing that is wrong with the description or the encoding hides it."""
    error = read_set_error(body)
    assert error is not None
    assert error.err == "invalid_key"
    assert (outcome_of(400, {}, body, NOON).kind, outcome_of(400, {}, body, NOON).reason) == (
        OutcomeKind.REJECTED,
        "invalid_key",
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Bad Request",
        b'"invalid_key"',
        b'["invalid_key"]',
        b'{"err":null}',
        b'{"err":7}',
        b'{"err":""}',
        b'{"err":" "}',
        b'{"err":["invalid_key"]}',
        b'{"err":{"code":"invalid_key"}}',
        b'{"error":"invalid_key"}',
        b'{"message":"send {\\"err\\":\\"invalid_key\\"}"}',
        b'{"message":"x","detail":{"err":"invalid_key"}}',
        b'{"err":"made_up","description":"the "kid""}',
        b"[" * 60_000,
        b'{"err":"x","a":' + b"[" * 60_000,
    ],
)
def test_a_body_without_a_code_is_no_refusal(body: bytes) -> None:
    """The event is kept and tried again."""
    assert read_set_error(body) is None
    assert outcome_of(400, {}, body, NOON).kind is OutcomeKind.TRANSIENT


@given(st.sampled_from(sorted(REGISTERED_ERRORS)), JSON, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_any_description_in_any_unicode_encoding(err: str, description: object, encoding: str) -> None:
    """The code is read and the description never makes it fail."""
    body = json.dumps({"err": err, "description": description}).encode(encoding)
    error = read_set_error(body)
    assert error is not None
    assert error.err == err


@given(JSON)
def test_any_member_of_set_errs_can_be_read(value: object) -> None:
    """An error, or None; never an exception."""
    error = set_error_of(value)
    assert error is None or isinstance(error, SetError)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"err": "INVALID_KEY", "description": "a"}', ("invalid_key", "a")),
        (b'{"err": "Made_Up"}', ("Made_Up", "")),
        (b'{"err": "invalid_key", "description": "cut of', ("invalid_key", 'description": "cut of')),
    ],
)
def test_a_refusal_has_its_code_and_description(body: bytes, error: tuple[str, str]) -> None:
    """Only registered codes are changed to lower case. Of an incomplete object the rest of the text is kept."""
    assert read_set_error(body) == error


def test_a_description_that_is_no_text_is_shown_as_json() -> None:
    """So that the operator sees what the receiver said."""
    assert set_error_of({"err": "invalid_key", "description": {"en": "clé"}}) == ("invalid_key", '{"en": "clé"}')


@pytest.mark.fault(45)
@pytest.mark.parametrize("err", ["authentication_failed", "access_denied", "Access_Denied"])
def test_codes_about_the_transmitter_are_no_refusal_of_the_set(err: str) -> None:
    """RFC 8935 §2.4: as 401 and 403, they pause the stream."""
    outcome = outcome_of(400, {}, json.dumps({"err": err, "description": None}).encode(), NOON)
    assert (outcome.kind, outcome.reason, outcome.status) == (OutcomeKind.AUTH, err.lower(), 400)
    assert outcome.detail == err.lower()
