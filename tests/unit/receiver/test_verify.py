"""Verifying a SET: what is believed, and each way to be wrong."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.receiver.verify import InvalidSet, Keys, SecurityEventToken, verify_set
from unit.receiver.transmitter_stand_in import (
    AUDIENCE,
    CLAIMS,
    EC,
    HEADER,
    ISSUER,
    NOW,
    OTHER_RSA,
    RSA,
    SECRET,
    signed,
    without,
)

KEYS: Keys = {"rsa-1": RSA, "ec-1": EC}
EVENT: dict[str, Any] = {"https://schemas.example/event": {}}


def verified(token: bytes) -> SecurityEventToken:
    return verify_set(token, KEYS, issuer=ISSUER, audience=AUDIENCE, now=NOW)


def test_a_good_set_is_read() -> None:
    """Everything that a handler needs."""
    token = verified(signed())
    assert (token.jti, token.txn, token.kid, token.issuer) == ("jti-1", "txn-1", "rsa-1", ISSUER)
    assert token.audience == (AUDIENCE,)
    assert token.issued_at < NOW
    assert token.sub_id == CLAIMS["sub_id"]
    assert (token.event_type, token.event) == ("https://schemas.example/event", {"current_level": "high"})


@pytest.mark.parametrize(
    "token",
    [
        signed(header={**HEADER, "alg": "ES256", "kid": "ec-1"}, key=EC),
        signed(header={**HEADER, "typ": "application/secevent+jwt"}),
        signed(header={**HEADER, "typ": "SecEvent+JWT"}),
        signed({**CLAIMS, "aud": ["https://other.example", AUDIENCE]}),
        signed(without("txn")),
        signed(without("sub_id")),
        signed({**CLAIMS, "nbf": int(NOW.timestamp()) - 1}),
        signed({**CLAIMS, "iat": int(NOW.timestamp()) + 50}),
    ],
)
def test_other_good_sets(token: bytes) -> None:
    """ES256, the type's other spellings, an audience list, optional claims, a clock slightly ahead, and what no
    text forbids (nbf)."""
    assert verified(token).jti == "jti-1"


@pytest.mark.parametrize(
    ("token", "err"),
    [
        (b"", "invalid_request"),
        (b"a.b", "invalid_request"),
        (b"!!!.###.$$$", "invalid_request"),
        (b"W10.e30.x", "invalid_request"),
        (b"x" * 70_000, "invalid_request"),
        (signed(header={**HEADER, "typ": "JWT"}), "invalid_request"),
        (signed(header={"alg": "RS256", "kid": "rsa-1"}), "invalid_request"),
        (signed(header={**HEADER, "alg": "HS256"}, key=SECRET), "invalid_request"),
        (signed(header={**HEADER, "alg": "PS256"}), "invalid_request"),
        (b"eyJhbGciOiJub25lIiwia2lkIjoicnNhLTEiLCJ0eXAiOiJzZWNldmVudCtqd3QifQ.e30.", "invalid_request"),
        (signed(header={"alg": "RS256", "typ": "secevent+jwt"}), "invalid_key"),
        (signed(header={**HEADER, "kid": "unknown"}), "invalid_key"),
        (signed(key=OTHER_RSA), "authentication_failed"),
        (signed(header={**HEADER, "kid": "ec-1"}), "authentication_failed"),
        (signed()[:-8] + b"AAAAAAAA", "authentication_failed"),
        (signed(b"[]"), "invalid_request"),
        (signed(b"\xff"), "invalid_request"),
        (signed(without("iss")), "invalid_issuer"),
        (signed({**CLAIMS, "iss": ISSUER + "/"}), "invalid_issuer"),
        (signed(without("aud")), "invalid_audience"),
        (signed({**CLAIMS, "aud": "https://other.example"}), "invalid_audience"),
        (signed({**CLAIMS, "aud": {"a": AUDIENCE}}), "invalid_audience"),
        (signed({**CLAIMS, "sub": "kai"}), "invalid_request"),
        (signed({**CLAIMS, "exp": 1}), "invalid_request"),
        (signed({**CLAIMS, "nbf": int(NOW.timestamp()) + 120}), "invalid_request"),
        (signed({**CLAIMS, "nbf": "now"}), "invalid_request"),
        (signed(without("jti")), "invalid_request"),
        (signed({**CLAIMS, "jti": 7}), "invalid_request"),
        (signed(without("iat")), "invalid_request"),
        (signed({**CLAIMS, "iat": True}), "invalid_request"),
        (signed({**CLAIMS, "iat": 10**30}), "invalid_request"),
        (signed({**CLAIMS, "iat": int(NOW.timestamp()) + 120}), "invalid_request"),
        (signed({**CLAIMS, "sub_id": "kai"}), "invalid_request"),
        (signed(without("events")), "invalid_request"),
        (signed({**CLAIMS, "events": {}}), "invalid_request"),
        (signed({**CLAIMS, "events": {**EVENT, "https://b.example": {}}}), "invalid_request"),
        (signed({**CLAIMS, "events": {"https://schemas.example/event": "high"}}), "invalid_request"),
    ],
)
def test_each_way_to_be_wrong_has_its_code(token: bytes, err: str) -> None:
    """RFC 8935 §2.4; the description says what is wrong."""
    with pytest.raises(InvalidSet) as caught:
        verified(token)
    assert caught.value.err == err
    assert caught.value.description


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_and_nothing_else_happens(token: bytes) -> None:
    """InvalidSet, never another exception."""
    with pytest.raises(InvalidSet):
        verified(token)


GOOD = signed()


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_changed_byte_is_never_believed_with_other_claims(place: int, byte: int) -> None:
    """A SET with a changed byte is rejected, or decodes to the same SET where base64 has unused bits."""
    changed = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    try:
        token: Any = verified(changed)
    except InvalidSet:
        return
    assert token.claims == CLAIMS


@pytest.mark.fault(47)
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused_like_any_other_mistake(opening: str) -> None:
    """In the header, where nothing is signed yet: no RecursionError reaches the receiver."""
    deep = urlsafe_b64encode((opening * 9_000).encode()).rstrip(b"=")
    for header in (deep, urlsafe_b64encode(b'{"a":' + b"[" * 990 + b"]" * 990 + b"}").rstrip(b"=")):
        with pytest.raises(InvalidSet):
            verified(header + b"." + deep + b".c2ln")
