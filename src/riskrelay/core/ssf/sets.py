"""The claims of a security event token (RFC 8417, SSF 1.0 §4)."""

from typing import Any

import msgspec

from riskrelay.core.ssf.events import SecurityEvent

JOSE_TYPE = "secevent+jwt"


def fixed_claims(event: SecurityEvent) -> bytes:
    """Return the claims that are fixed when the event is queued: all except `iss` and `aud`.

    Returns: a JSON object. `iss` and `aud` are read together with the stream's endpoint when the SET is signed, so that
        endpoint and audience always belong to the same version of a stream.

    Rule: RFC 8417 §2.2; SSF 1.0 §4.1 (`sub_id` at top level, never `sub` or `exp`; `iat` is when it was
    issued, not when it is pushed).
    """
    claims: dict[str, Any] = {
        "jti": event.jti,
        "iat": int(event.issued_at.timestamp()),
        "txn": event.txn,
        "sub_id": event.sub_id,
        "events": {event.event_type: event.event},
    }
    return msgspec.json.encode(claims)


def complete_claims(fixed: bytes, issuer: str, audience: str) -> bytes:
    """Return the whole payload of a SET: `iss` and `aud`, then *fixed*.

    >>> complete_claims(b'{"jti":"1"}', "https://i/1", "https://a")
    b'{"iss":"https://i/1","aud":"https://a","jti":"1"}'
    """
    head = msgspec.json.encode({"iss": issuer, "aud": audience})
    return head[:-1] + b"," + fixed[1:]
