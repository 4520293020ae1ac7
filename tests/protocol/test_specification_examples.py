"""The specifications' examples, read and written again; and one bad document per way to be wrong."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from riskrelay.core.errors import Fault
from riskrelay.core.ssf.event_fields import LANGUAGE_MAP
from riskrelay.core.ssf.event_rules import event_faults, event_subject_faults
from riskrelay.core.ssf.event_types import EVENT_TYPES
from riskrelay.core.ssf.events import Jti, SecurityEvent
from riskrelay.core.ssf.sets import complete_claims, fixed_claims
from riskrelay.core.ssf.subjects import matches, subject_faults
from riskrelay.receiver import InvalidSet, SecurityEventToken, verify_set
from support.specifications import documents, examples_of_the_texts

KEY = RSAKey.generate_key(2_048, {"kid": "example"})
HEADER = {"alg": "RS256", "kid": "example", "typ": "secevent+jwt"}
LATER = datetime(2500, 1, 1, tzinfo=UTC)  # one example was issued in the year 2451

SETS = documents("examples/sets")

# What the texts show and this transmitter does not send, with the faults that it finds.
NOT_SENT = {
    "caep-3.1.2-1-session-revoked-simple-subject": ["/event/reason_admin"],  # IOP 1.0 §3.1 demands it
    "ssf-5-2-phone-number-with-spaces": ["/subject/phone_number"],  # RFC 9493 §3.2.5: E.164
    "ssf-5-6-proprietary-subject-format": ["/subject/format"],  # nobody agreed on it
}


def received(claims: dict[str, Any]) -> SecurityEventToken:
    """What the receiver library makes of a SET with these claims."""
    token = jws.serialize_compact(HEADER, json.dumps(claims), KEY).encode()
    audience = claims["aud"] if isinstance(claims["aud"], str) else claims["aud"][0]
    return verify_set(token, {"example": KEY}, issuer=claims["iss"], audience=audience, now=LATER)


def sent(read: SecurityEventToken) -> dict[str, Any]:
    """What the transmitter makes of a SET that says the same."""
    assert read.sub_id is not None
    event = SecurityEvent(
        jti=Jti(read.jti),
        txn=read.txn or "",
        issued_at=read.issued_at,
        event_type=read.event_type,
        event=read.event,
        sub_id=read.sub_id,
    )
    claims: dict[str, Any] = json.loads(complete_claims(fixed_claims(event), read.issuer, read.audience[0]))
    return claims


def faults_of_set(claims: dict[str, Any]) -> list[Fault]:
    """What the table of event types says to a SET."""
    ((uri, event),) = claims["events"].items()
    row = EVENT_TYPES[uri]
    return event_subject_faults(row, claims["sub_id"], ("subject",)) + event_faults(row, event, ("event",))


@pytest.mark.parametrize("name", SETS)
def test_a_set_of_the_texts_is_read_and_written_again(name: str) -> None:
    """Identical, but for what this transmitter never leaves out (txn) or spreads (the audience)."""
    claims = SETS[name]
    expected = {"txn": "", **claims}
    if isinstance(claims["aud"], list):
        expected["aud"] = claims["aud"][0]
    assert sent(received(claims)) == expected


@pytest.mark.parametrize("name", SETS)
def test_a_set_of_the_texts_is_valid_by_the_table(name: str) -> None:
    """All, but for those that another text forbids."""
    assert [fault.pointer for fault in faults_of_set(SETS[name])] == NOT_SENT.get(name, [])


@pytest.mark.parametrize("name", documents("examples/members"))
def test_a_member_of_the_texts_is_valid(name: str) -> None:
    """CAEP 1.0 §2."""
    ((member, value),) = documents("examples/members")[name].items()
    assert list(LANGUAGE_MAP.check(value, (member,))) == []


@pytest.mark.parametrize("name", documents("examples/subjects"))
def test_a_subject_of_the_texts_is_valid(name: str) -> None:
    """And matches itself."""
    subject = documents("examples/subjects")[name]
    assert subject_faults(subject) == []
    assert matches(subject, subject)


@pytest.mark.parametrize("name", documents("examples/matching"))
def test_subjects_match_as_the_text_says(name: str) -> None:
    """SSF 1.0 §8.1.3.1."""
    shown = documents("examples/matching")[name]
    assert matches(shown["stream_subject"], shown["event_subject"]) is shown["matches"]


def found(faults: list[Fault]) -> list[dict[str, str]]:
    return [{"pointer": fault.pointer, "kind": fault.kind.value} for fault in faults]


@pytest.mark.parametrize("name", documents("bad/subjects"))
def test_a_bad_subject_is_refused(name: str) -> None:
    """With the faults that its document names, at their places."""
    bad = documents("bad/subjects")[name]
    assert found(subject_faults(bad["subject"])) == bad["faults"]


@pytest.mark.parametrize("name", documents("bad/sets"))
def test_a_bad_set_is_refused_by_a_receiver(name: str) -> None:
    """With the code that its document names (RFC 8935 §2.4); the same SET without the fault is taken."""
    bad = documents("bad/sets")[name]
    good = SETS["caep-3.2.2-1-token-claims-change-jwt-required"]
    claims = {key: value for key, value in {**good, **bad["claims"]}.items() if key not in bad["without"]}
    keys, now = {"example": KEY}, datetime.fromtimestamp(good["iat"] + 10, UTC)

    def verify(header: dict[str, Any], claims: dict[str, Any]) -> SecurityEventToken:
        token = jws.serialize_compact({**HEADER, **header}, json.dumps(claims), KEY).encode()
        return verify_set(token, keys, issuer=good["iss"], audience=good["aud"], now=now)

    assert verify({}, good).jti == good["jti"]
    with pytest.raises(InvalidSet) as refused:
        verify(bad["header"], claims)
    assert refused.value.err == bad["err"]


def test_the_texts_themselves() -> None:
    """Every example in a checkout of github.com/openid/sharedsignals, where RISKRELAY_SPECIFICATIONS names one.

    Each SET is read and written again; which ones the table refuses is known.
    """
    checkout = os.environ.get("RISKRELAY_SPECIFICATIONS")
    if not checkout:
        pytest.skip("RISKRELAY_SPECIFICATIONS names no checkout of the specifications")
    refused, sets = {}, 0
    for place, document in examples_of_the_texts(Path(checkout)):
        subject = document.get("sub_id", document if "format" in document else None)
        if "events" not in document:
            assert subject is None or subject_faults(subject) == [], place
            continue
        sets += 1
        read = received(document)
        assert {**sent(read), "aud": document["aud"]} == {"txn": "", **document}, place
        faults = [fault.pointer for fault in faults_of_set(document)]
        if faults:
            refused[place] = faults
    assert sets > 25
    assert sorted(refused.values()) == sorted(NOT_SENT.values())
