"""One row of the table of event types, and the members that most events share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NewType

from riskrelay.core.products import okta
from riskrelay.core.ssf.event_fields import (
    LANGUAGE_MAP,
    SECONDS,
    SUBJECT_MEMBERS,
    TEXT,
    Field,
)
from riskrelay.core.ssf.subjects import FORMATS

EventTypeUri = NewType("EventTypeUri", str)

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"

CAEP_RISK_LEVEL_CHANGE = EventTypeUri(CAEP + "risk-level-change")
CAEP_SESSION_REVOKED = EventTypeUri(CAEP + "session-revoked")
OKTA_USER_RISK_CHANGE = EventTypeUri(okta.USER_RISK_CHANGE)
VERIFICATION = EventTypeUri(SSF + "verification")
STREAM_UPDATED = EventTypeUri(SSF + "stream-updated")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """A kind of security event: one row of EVENT_TYPES.

    Attributes:
        source: the section that defines it.
        meaning: its meaning for a receiver, a sentence.
        subject_example: a valid subject.
        fields: its members.
        subject_formats: the valid identifier formats of its subject; None: any, also complex subjects.
        one_of: at least one of these members is required.
        deprecated: the event type that replaces it, if its specification deprecates it; empty: it is not deprecated.
    """

    uri: EventTypeUri
    source: str
    meaning: str
    subject_example: Mapping[str, Any]
    fields: tuple[Field, ...] = ()
    subject_formats: tuple[str, ...] | None = None
    one_of: tuple[str, ...] = ()
    deprecated: str = ""

    @property
    def name(self) -> str:
        """The last segment of the URI."""
        return self.uri.rpartition("/")[2]

    @property
    def subject_in_event(self) -> bool:
        """Whether receivers read the subject in the event, in addition to `sub_id`."""
        return any(field.kind is SUBJECT_MEMBERS for field in self.fields)


_WHO = ("admin", "user", "policy", "system")
TIMESTAMP = Field(name="event_timestamp", kind=SECONDS, meaning="when it happened", example=1_773_735_100)
INITIATING_ENTITY = Field(
    name="initiating_entity", kind=TEXT, meaning="what kind of actor brought it about", example="policy", allowed=_WHO
)
REASON_ADMIN = Field(
    name="reason_admin",
    kind=LANGUAGE_MAP,
    meaning="why, for administrators and logs",
    example={"en": "Policy 17 violated"},
)
REASON_USER = Field(
    name="reason_user",
    kind=LANGUAGE_MAP,
    meaning="why, for the user",
    example={"en": "You are in two places.", "de": "Sie sind an zwei Orten."},
)
ACCOUNT = FORMATS["iss_sub"].example
