"""IOP 1.0 §3: session revocation and credential change."""

from typing import Any

import pytest

from support.ssf_operator import Operator
from support.ssf_receiver import CAEP, SsfReceiver, only_event

REVOKED, CHANGED = CAEP + "session-revoked", CAEP + "credential-change"
CREDENTIAL = {"credential_type": "password", "change_type": "update"}
TYPES = ["password", "pin", "x509", "fido2-platform", "fido2-roaming", "fido-u2f"]
MORE_TYPES = ["verifiable-credential", "phone-voice", "phone-sms", "app"]
CHANGES = ["create", "revoke", "update", "delete"]


@pytest.mark.parametrize(("event_type", "own"), [(REVOKED, {}), (CHANGED, CREDENTIAL)])
@pytest.mark.parametrize("silent", [{}, {"reason_admin": {}}, {"reason_admin": {"en": ""}}])
def test_the_events_of_the_profile_say_why(
    operator: Operator, receiver: SsfReceiver, event_type: str, own: dict[str, Any], silent: dict[str, Any]
) -> None:
    """§3.1, §3.2: reason_admin is never empty; the account is asked for it, and nothing is invented."""
    stream = receiver.create_stream(events_requested=[event_type])
    body = {"event_type": event_type, "subject": {"format": "opaque", "id": "1"}}
    refused = operator.call("POST", "/security_events", {**body, "event": {**own, **silent}})
    assert refused.status == 400
    (error,) = refused.json["errors"]
    assert error["source"]["pointer"].startswith("/event/reason_admin")
    told = {**own, "reason_admin": {"en": "A user said so"}}
    operator.send(event_type, told)
    (claims,) = receiver.events(stream, 1)
    assert only_event(claims) == (event_type, told)


def test_every_value_of_a_credential_change_can_be_sent(operator: Operator, receiver: SsfReceiver) -> None:
    """§3.2: all of CAEP's credential types and changes, and a type that the parties agreed on."""
    stream = receiver.create_stream(events_requested=[CHANGED])
    pairs = [(kind, CHANGES[n % 4]) for n, kind in enumerate([*TYPES, *MORE_TYPES, "urn:example:retina"])]
    for kind, change in pairs:
        told = {"credential_type": kind, "change_type": change, "reason_admin": {"en": "A test"}}
        operator.send(CHANGED, told)
    events = [only_event(claims)[1] for claims in receiver.events(stream, len(pairs))]
    assert [(event["credential_type"], event["change_type"]) for event in events] == pairs
