"""All event types of this transmitter: one table, EVENT_TYPES. `event_rules` validates events with it."""

from collections.abc import Mapping

from riskrelay.core.products import PRODUCTS
from riskrelay.core.products.rows import Product
from riskrelay.core.ssf.caep_events import CAEP_EVENTS
from riskrelay.core.ssf.event_fields import (
    OPAQUE_TEXT,
    SUBJECT_MEMBERS,
    TEXT,
    WHOLE_SECONDS,
    Field,
)
from riskrelay.core.ssf.event_type import (
    INITIATING_ENTITY,
    OKTA_USER_RISK_CHANGE,
    REASON_ADMIN,
    REASON_USER,
    STREAM_UPDATED,
    TIMESTAMP,
    VERIFICATION,
    EventType,
    EventTypeUri,
)
from riskrelay.core.ssf.risc_events import RISC_EVENTS
from riskrelay.core.ssf.subjects import FORMATS

_OKTA_LEVELS = ("none", "secure", "low", "medium", "high")
_STATUSES = ("enabled", "paused", "disabled")

_OWN_EVENTS = (
    EventType(
        uri=VERIFICATION,
        source="SSF 1.0 §8.1.4.1",
        meaning="The stream works as far as here.",
        subject_example=FORMATS["opaque"].example,
        fields=(
            Field(
                name="state",
                kind=OPAQUE_TEXT,
                meaning="what the receiver gave when it asked",
                example="c3RhdGUgb2YgYSByZWNlaXZlcg==",
            ),
        ),
        subject_formats=("opaque",),
    ),
    EventType(
        uri=STREAM_UPDATED,
        source="SSF 1.0 §8.1.5",
        meaning="The transmitter changed the stream's status.",
        subject_example=FORMATS["opaque"].example,
        fields=(
            Field(
                name="status", kind=TEXT, meaning="the status now", example="paused", required=True, allowed=_STATUSES
            ),
            Field(name="reason", kind=TEXT, meaning="why, in short", example="no activity for 30 days"),
        ),
        subject_formats=("opaque",),
    ),
    EventType(
        uri=OKTA_USER_RISK_CHANGE,
        source="Okta API, Publish a Security Event Token, OktaUserRiskChangeEvent",
        meaning="The risk level of a user changed.",
        subject_example=FORMATS["email"].example,
        fields=(
            Field(
                name="subject",
                kind=SUBJECT_MEMBERS,
                meaning="the user",
                example={"user": FORMATS["email"].example},
                required=True,
            ),
            Field(
                name="current_level",
                kind=TEXT,
                meaning="the level now",
                example="high",
                required=True,
                allowed=_OKTA_LEVELS,
            ),
            Field(
                name="previous_level",
                kind=TEXT,
                meaning="the level before",
                example="none",
                required=True,
                allowed=_OKTA_LEVELS,
            ),
            Field(
                name="event_timestamp",
                kind=WHOLE_SECONDS,
                meaning=TIMESTAMP.meaning,
                example=TIMESTAMP.example,
                required=True,
            ),
            INITIATING_ENTITY,
            REASON_ADMIN,
            REASON_USER,
        ),
        subject_formats=("email", "iss_sub"),
        one_of=("reason_admin", "reason_user"),
    ),
)
_ROWS = (*CAEP_EVENTS, *RISC_EVENTS, *_OWN_EVENTS)

EVENT_TYPES: Mapping[str, EventType] = {row.uri: row for row in _ROWS}
"""By URI: all of CAEP 1.0 and RISC 1.0, SSF's own two, and Okta's."""

OF_STREAMS: frozenset[str] = frozenset({VERIFICATION, STREAM_UPDATED})
"""Event types about a stream itself. Only the transmitter creates them, and any stream can carry them."""

OF_IMPLICIT_STREAMS: Mapping[str, Product] = {
    row.implicit_stream.event_type: row for row in PRODUCTS.values() if row.implicit_stream is not None
}
"""The event types that only the implicit streams of a product carry, with the product."""

EVENTS_SUPPORTED: tuple[EventTypeUri, ...] = tuple(row.uri for row in _ROWS if row.uri not in OF_IMPLICIT_STREAMS)
"""What a receiver can ask for on a stream that it makes, in the table's order.

Rule: SSF 1.0 §8.1.1 events_supported.
"""
