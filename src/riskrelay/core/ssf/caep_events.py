"""The event types of CAEP 1.0."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from riskrelay.core.ssf.event_fields import (
    CLAIMS,
    TEXT,
    TEXTS,
    Field,
)
from riskrelay.core.ssf.event_type import (
    ACCOUNT,
    CAEP,
    INITIATING_ENTITY,
    REASON_ADMIN,
    REASON_USER,
    TIMESTAMP,
    EventType,
    EventTypeUri,
)
from riskrelay.core.ssf.subjects import FORMATS

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


def _caep(
    name: str,
    section: str,
    meaning: str,
    *fields: Field,
    subject: Mapping[str, Any] = ACCOUNT,
    reason_admin_rule: str = "",
) -> EventType:
    """A CAEP event type; with the section that makes `reason_admin` required, where one does."""
    reason_admin = replace(REASON_ADMIN, required=bool(reason_admin_rule), rule=reason_admin_rule)
    common = (TIMESTAMP, INITIATING_ENTITY, reason_admin, REASON_USER)  # CAEP 1.0 §2
    return EventType(
        uri=EventTypeUri(CAEP + name),
        source=f"CAEP 1.0 §{section}",
        meaning=meaning,
        subject_example=subject,
        fields=(*fields, *common),
    )


CAEP_EVENTS = (
    _caep(
        "session-revoked",
        "3.1",
        "The session that the subject names, or every session that fits it, was revoked.",
        subject=_SESSION,
        reason_admin_rule="IOP 1.0 §3.1",
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
        reason_admin_rule="IOP 1.0 §3.2",
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
)
