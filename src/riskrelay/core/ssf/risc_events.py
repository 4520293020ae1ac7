"""The event types of RISC 1.0."""

from dataclasses import replace

from riskrelay.core.ssf.event_fields import (
    TEXT,
    Field,
)
from riskrelay.core.ssf.event_type import ACCOUNT, REASON_ADMIN, REASON_USER, RISC, TIMESTAMP, EventType, EventTypeUri
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
_OWN_IDENTIFIER = ("email", "phone_number")


def _risc(
    name: str, section: str, meaning: str, *fields: Field, formats: tuple[str, ...] | None = None, deprecated: str = ""
) -> EventType:
    subject = ACCOUNT if formats is None else FORMATS[formats[0]].example
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


RISC_EVENTS = (
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
        replace(TIMESTAMP, meaning="when it was discovered"),
        REASON_ADMIN,
        REASON_USER,
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
)
