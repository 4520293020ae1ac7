"""The claims of a security event token (RFC 8417, SSF 1.0 §4)."""

from typing import Any

import msgspec

from riskrelay.core.ssf.events import SecurityEvent

JOSE_TYPE = "secevent+jwt"


def fixed_claims(event: SecurityEvent) -> bytes:
    """The claims that are decided when the event is queued: everything but `iss` and `aud`.

    Returns: a JSON object. `iss` and `aud` belong to the stream and are read together with its endpoint
    when the SET is signed, so that endpoint and audience can never come from two versions of a stream.

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
    """The whole payload of a SET: *fixed* preceded by `iss` and `aud`.

    >>> complete_claims(b'{"jti":"1"}', "https://i/1", "https://a")
    b'{"iss":"https://i/1","aud":"https://a","jti":"1"}'
    """
    head = msgspec.json.encode({"iss": issuer, "aud": audience})
    return head[:-1] + b"," + fixed[1:]
