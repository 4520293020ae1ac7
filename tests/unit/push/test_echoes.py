"""Receivers that answer with what they were sent."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.core.ssf.push import outcome_of
from riskrelay.push.echoes import outcome_without_echo, without_echo

PIECE = 24
TOKEN = ".".join(
    [
        "eyJraWQiOiJrMSIsImFsZyI6IlJTMjU2In0",
        "eyJqdGkiOiIxMjM0NTY3ODkwIiwiaWF0IjoxfQ" * 4,
        "c2lnbmF0dXJlLW9mLXRoZS1TRVQ" * 9,
    ]
)
CREDENTIAL = 'so "secret" / aGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8+/=='
AUTHORIZATION = f"Bearer {CREDENTIAL}"


def said_of(body: bytes) -> Outcome:
    """What is kept of a 400 with *body*."""
    outcome = outcome_of(400, {}, without_echo(body, TOKEN.encode(), AUTHORIZATION), datetime.now(UTC))
    return outcome_without_echo(outcome, TOKEN.encode(), AUTHORIZATION)


def is_told(secret: str, detail: str) -> bool:
    return any(secret[start : start + PIECE] in detail for start in range(len(secret) - PIECE + 1))


@st.composite
def pieces(draw: st.DrawFn) -> str:
    """A piece of the SET that is worth hiding."""
    start = draw(st.integers(0, len(TOKEN) - PIECE))
    return TOKEN[start : draw(st.integers(start + PIECE, len(TOKEN)))]


@given(piece=pieces(), before=st.text(max_size=600), behind=st.text(max_size=30), as_json=st.booleans())
def test_no_longer_piece_of_a_set_is_kept(piece: str, before: str, behind: str, as_json: bool) -> None:
    """No longer part of a SET is stored, wherever it begins and ends, in an error of RFC 8935 or in any other text."""
    text = f"{before}{piece}{behind}"
    body = json.dumps({"err": "invalid_request", "description": text}) if as_json else text
    assert not is_told(TOKEN, said_of(body.encode(errors="replace")).detail)


@given(before=st.text(max_size=600), spelled=st.sampled_from(["plain", "json", "slashes", "numbers"]))
def test_the_credential_is_not_kept(before: str, spelled: str) -> None:
    """As it is, and as JSON may spell it."""
    quoted = json.dumps(before + CREDENTIAL)
    description = {
        "plain": before + CREDENTIAL,
        "json": quoted,
        "slashes": quoted.replace("/", r"\/"),
        "numbers": '"' + "".join(f"\\u{ord(letter):04x}" for letter in CREDENTIAL) + '"',
    }[spelled]
    body = description if spelled == "plain" else f'{{"err": "access_denied", "description": {description}}}'
    detail = said_of(body.encode(errors="replace")).detail
    assert not is_told(CREDENTIAL, detail)
    assert "secret" not in detail.removeprefix(before)


def test_what_was_not_sent_is_kept() -> None:
    """Also long words."""
    said = "this receiver wants urn:example:an-audience-of-its-own/0123456789012345678901234567890123456789"
    assert said_of(said.encode()).detail == said
