"""Every event type this transmitter knows: one table, EVENT_TYPES. What checks an event is in `event_rules`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NewType

from riskrelay.core.products import PRODUCTS, okta
from riskrelay.core.products.rows import Product
from riskrelay.core.ssf.event_fields import (
    CLAIMS,
    LANGUAGE_MAP,
    OPAQUE_TEXT,
    SECONDS,
    SUBJECT_MEMBERS,
    TEXT,
    TEXTS,
    WHOLE_SECONDS,
    Field,
)
from riskrelay.core.ssf.subjects import FORMATS

EventTypeUri = NewType("EventTypeUri", str)

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"

CAEP_RISK_LEVEL_CHANGE = EventTypeUri(CAEP + "risk-level-change")
OKTA_USER_RISK_CHANGE = EventTypeUri(okta.USER_RISK_CHANGE)
VERIFICATION = EventTypeUri(SSF + "verification")
STREAM_UPDATED = EventTypeUri(SSF + "stream-updated")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """A kind of security event: one row of EVENT_TYPES.

    Attributes:
        source: the section that defines it.
        meaning: what it tells a receiver, a sentence.
        subject_example: a subject of it.
        fields: the members it can have.
        subject_formats: the identifier formats its subject can have; None: any, complex ones too.
        one_of: at least one of these members is required.
        deprecated: by the text that defines it; what to send instead. Empty: it is not.
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
        """The last part of the URI."""
        return self.uri.rpartition("/")[2]

    @property
    def subject_in_event(self) -> bool:
        """Whether its receivers read the subject in the event, besides `sub_id`."""
        return any(field.kind is SUBJECT_MEMBERS for field in self.fields)


_WHO = ("admin", "user", "policy", "system")
_TIMESTAMP = Field(name="event_timestamp", kind=SECONDS, meaning="when it happened", example=1_773_735_100)
_INITIATING = Field(
    name="initiating_entity", kind=TEXT, meaning="what kind of actor brought it about", example="policy", allowed=_WHO
)
_REASON_ADMIN = Field(
    name="reason_admin",
    kind=LANGUAGE_MAP,
    meaning="why, for administrators and logs",
    example={"en": "Policy 17 violated"},
)
_REASON_USER = Field(
    name="reason_user",
    kind=LANGUAGE_MAP,
    meaning="why, for the user",
    example={"en": "You are in two places.", "de": "Sie sind an zwei Orten."},
)

_CREDENTIAL_TYPES = (
    "password",
    "pin",
    "x509",
    "fido2-platform",
    "fido2-roaming",
    "fido-u2f",
    "verifiable-credential",
    "phone-voice",
    "phone-sms",
    "app",
)
_NAMESPACES = ("RFC8176", "RFC6711", "ISO-IEC-29115", "NIST-IAL", "NIST-AAL", "NIST-FAL")
_COMPLIANCE = ("compliant", "not-compliant")
_PRINCIPALS = ("USER", "DEVICE", "SESSION", "TENANT", "ORG_UNIT", "GROUP")
_LEVELS = ("LOW", "MEDIUM", "HIGH")
_OKTA_LEVELS = ("none", "secure", "low", "medium", "high")
_STATUSES = ("enabled", "paused", "disabled")
_USER_AGENT = Field(name="fp_ua", kind=TEXT, meaning="a fingerprint of the user agent", example="3b9f0f7a6d2e4c18")
_EXTERNAL_ID = Field(
    name="ext_id", kind=TEXT, meaning="an identifier that ties it to a broader session", example="12345"
)

_SESSION: Mapping[str, Any] = {
    "format": "complex",
    "session": {"format": "opaque", "id": "session-8f3a"},
    "user": FORMATS["email"].example,
}
_DEVICE: Mapping[str, Any] = {
    "format": "complex",
    "device": {"format": "iss_sub", "iss": "https://idp.example.com/", "sub": "device-77"},
    "tenant": {"format": "opaque", "id": "tenant-a"},
}
_ACCOUNT = FORMATS["iss_sub"].example
_OWN_IDENTIFIER = ("email", "phone_number")


def _caep(
    name: str,
    section: str,
    meaning: str,
    *fields: Field,
    subject: Mapping[str, Any] = _ACCOUNT,
    admins_are_told_by: str = "",
) -> EventType:
    """A CAEP event type; with the section that makes `reason_admin` required, where one does."""
    told = replace(_REASON_ADMIN, required=bool(admins_are_told_by), rule=admins_are_told_by)
    common = (_TIMESTAMP, _INITIATING, told, _REASON_USER)  # CAEP 1.0 §2
    return EventType(
        uri=EventTypeUri(CAEP + name),
        source=f"CAEP 1.0 §{section}",
        meaning=meaning,
        subject_example=subject,
        fields=(*fields, *common),
    )


def _risc(
    name: str, section: str, meaning: str, *fields: Field, formats: tuple[str, ...] | None = None, deprecated: str = ""
) -> EventType:
    subject = _ACCOUNT if formats is None else FORMATS[formats[0]].example
    uri = EventTypeUri(RISC + name)
    return EventType(
        uri=uri,
        source=f"RISC 1.0 §{section}",
        meaning=meaning,
        subject_example=subject,
        fields=fields,
        subject_formats=formats,
        deprecated=deprecated,
    )


_ROWS = (
    _caep(
        "session-revoked",
        "3.1",
        "The session that the subject names, or every session that fits it, was revoked.",
        subject=_SESSION,
        admins_are_told_by="IOP 1.0 §3.1",
    ),
    _caep(
        "token-claims-change",
        "3.2",
        "Claims of the token that the subject names have changed.",
        Field(
            name="claims",
            kind=CLAIMS,
            meaning="each changed claim with its new value",
            example={"role": "auditor"},
            required=True,
        ),
        subject=FORMATS["jwt_id"].example,
    ),
    _caep(
        "credential-change",
        "3.3",
        "A credential was created, changed, revoked or deleted.",
        Field(
            name="credential_type",
            kind=TEXT,
            meaning="what kind of credential",
            example="fido2-roaming",
            required=True,
            allowed=_CREDENTIAL_TYPES,
            open=True,
        ),
        Field(
            name="change_type",
            kind=TEXT,
            meaning="what was done",
            example="create",
            required=True,
            allowed=("create", "revoke", "update", "delete"),
        ),
        Field(
            name="friendly_name", kind=TEXT, meaning="the credential's name for people", example="Kai's security key"
        ),
        Field(name="x509_issuer", kind=TEXT, meaning="the certificate's issuer", example="CN=Example CA"),
        Field(name="x509_serial", kind=TEXT, meaning="the certificate's serial number", example="6B4A0F"),
        Field(
            name="fido2_aaguid",
            kind=TEXT,
            meaning="the authenticator's AAGUID",
            example="0d6b1c7e-3f2a-4b58-9c01-7a9e5d2f4b60",
        ),
        admins_are_told_by="IOP 1.0 §3.2",
    ),
    _caep(
        "assurance-level-change",
        "3.4",
        "The way in which the subject is authenticated became stronger or weaker.",
        Field(
            name="namespace",
            kind=TEXT,
            meaning="where the levels are defined",
            example="NIST-AAL",
            required=True,
            allowed=_NAMESPACES,
            open=True,
        ),
        Field(name="current_level", kind=TEXT, meaning="the level now", example="nist-aal2", required=True),
        Field(name="previous_level", kind=TEXT, meaning="the level before", example="nist-aal1"),
        Field(
            name="change_direction",
            kind=TEXT,
            meaning="up or down",
            example="increase",
            allowed=("increase", "decrease"),
        ),
    ),
    _caep(
        "device-compliance-change",
        "3.5",
        "A device came into compliance or fell out of it.",
        Field(
            name="previous_status",
            kind=TEXT,
            meaning="the status before",
            example="compliant",
            required=True,
            allowed=_COMPLIANCE,
        ),
        Field(
            name="current_status",
            kind=TEXT,
            meaning="the status now",
            example="not-compliant",
            required=True,
            allowed=_COMPLIANCE,
        ),
        subject=_DEVICE,
    ),
    _caep(
        "session-established",
        "3.6",
        "A session was established for the subject.",
        _USER_AGENT,
        Field(name="acr", kind=TEXT, meaning="the authentication context class", example="AAL2"),
        Field(name="amr", kind=TEXTS, meaning="the authentication methods", example=["otp"]),
        _EXTERNAL_ID,
    ),
    _caep(
        "session-presented",
        "3.7",
        "A session of the subject was seen.",
        _USER_AGENT,
        _EXTERNAL_ID,
    ),
    _caep(
        "risk-level-change",
        "3.8",
        "The risk level of the subject changed.",
        Field(name="risk_reason", kind=TEXT, meaning="what contributed to the change", example="Impossible Travel"),
        Field(
            name="principal",
            kind=TEXT,
            meaning="what kind of entity the level is of",
            example="USER",
            required=True,
            allowed=_PRINCIPALS,
            open=True,
        ),
        Field(name="current_level", kind=TEXT, meaning="the level now", example="HIGH", required=True, allowed=_LEVELS),
        Field(name="previous_level", kind=TEXT, meaning="the level before", example="LOW", allowed=_LEVELS),
        subject=FORMATS["email"].example,
    ),
    _risc("account-credential-change-required", "2.1", "The account was required to change a credential."),
    _risc("account-purged", "2.2", "The account was deleted for good."),
    _risc(
        "account-disabled",
        "2.3",
        "The account was disabled.",
        Field(name="reason", kind=TEXT, meaning="why", example="hijacking", allowed=("hijacking", "bulk-account")),
    ),
    _risc("account-enabled", "2.4", "The account was enabled."),
    _risc(
        "identifier-changed",
        "2.5",
        "The identifier that the subject names, the old one, has changed.",
        Field(name="new-value", kind=TEXT, meaning="the new identifier", example="kai.roe@example.com"),
        formats=_OWN_IDENTIFIER,
    ),
    _risc(
        "identifier-recycled",
        "2.6",
        "The identifier that the subject names now belongs to another person.",
        formats=_OWN_IDENTIFIER,
    ),
    _risc(
        "credential-compromise",
        "2.7",
        "A credential of the subject was found to be compromised.",
        Field(
            name="credential_type",
            kind=TEXT,
            meaning="what kind of credential",
            example="password",
            required=True,
            allowed=_CREDENTIAL_TYPES,
        ),
        replace(_TIMESTAMP, meaning="when it was discovered"),
        _REASON_ADMIN,
        _REASON_USER,
    ),
    _risc("opt-in", "2.8.1", "The account takes part in the exchange of RISC events."),
    _risc("opt-out-initiated", "2.8.2", "The account's user asked to take no part in the exchange of RISC events."),
    _risc("opt-out-cancelled", "2.8.3", "The account's user took that back."),
    _risc("opt-out-effective", "2.8.4", "The account takes no part in the exchange of RISC events."),
    _risc("recovery-activated", "2.9", "The account's user began a recovery."),
    _risc("recovery-information-changed", "2.10", "The account's recovery information changed."),
    _risc(
        "sessions-revoked",
        "2.11",
        "All sessions of the account were revoked.",
        deprecated="session-revoked of CAEP",
    ),
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
                meaning=_TIMESTAMP.meaning,
                example=_TIMESTAMP.example,
                required=True,
            ),
            _INITIATING,
            _REASON_ADMIN,
            _REASON_USER,
        ),
        subject_formats=("email", "iss_sub"),
        one_of=("reason_admin", "reason_user"),
    ),
)

EVENT_TYPES: Mapping[str, EventType] = {row.uri: row for row in _ROWS}
"""By URI: all of CAEP 1.0 and RISC 1.0, SSF's own two, and Okta's."""

OF_STREAMS: frozenset[str] = frozenset({VERIFICATION, STREAM_UPDATED})
"""Those that speak of a stream itself: only the transmitter makes them, and they may be on any stream."""

OF_IMPLICIT_STREAMS: Mapping[str, Product] = {
    row.implicit_stream.event_type: row for row in PRODUCTS.values() if row.implicit_stream is not None
}
"""The event types that are on the implicit streams of a product's integrations and nowhere else, with the product."""

EVENTS_SUPPORTED: tuple[EventTypeUri, ...] = tuple(row.uri for row in _ROWS if row.uri not in OF_IMPLICIT_STREAMS)
"""What a receiver can ask for on a stream that it makes, in the table's order.

Rule: SSF 1.0 §8.1.1 events_supported.
"""
