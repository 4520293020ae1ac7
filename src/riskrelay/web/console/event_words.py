"""A security event in a few words: what it says, and about whom. Pure."""

from collections.abc import Mapping
from typing import Any

from riskrelay.core.ssf.level_changes import TEST_USER
from riskrelay.web.console.formats import sentence_case


def event_words(claims: Mapping[str, Any]) -> str:
    """Return what an event says: the change of a level, or the name of its type.

    >>> event_words({"events": {"https://example.com/verification": {"state": "x"}}})
    'Verification'
    """
    members = next(iter(claims["events"].values()))
    if event_subject(claims) == TEST_USER:
        return "Test event"
    if "current_level" in members:
        return f"{str(members.get('previous_level', 'none')).lower()} → {str(members['current_level']).lower()}"
    return sentence_case(event_type_name(next(iter(claims["events"]))))


def event_type_name(uri: str) -> str:
    """Return the name of an event type in words.

    >>> event_type_name("https://schemas.openid.net/secevent/caep/event-type/session-revoked")
    'session revoked'
    """
    return uri.rpartition("/")[2].replace("-", " ")


def event_subject(claims: Mapping[str, Any]) -> str:
    """Return the user that an event is about; empty: it names none, or the user was erased."""
    subject = claims.get("sub_id", {})
    return str(subject.get("email") or subject.get("id") or "")
