"""Verify a SET as a receiver must. Pure: the caller passes the keys and the time."""

from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

MAX_SET_BYTES = 64 * 1024
LEEWAY = timedelta(seconds=60)  # guessed: the transmitter's clock may be this much ahead of the receiver's
ALGORITHMS = ("RS256", "ES256")

Keys = Mapping[str, RSAKey | ECKey]
"""Verification keys by `kid`."""


class InvalidSet(Exception):
    """The SET is invalid.

    Attributes:
        err: the registered error code for the transmitter. Rule: RFC 8935 §2.4.
        description: a sentence for people.
    """

    def __init__(self, err: str, description: str) -> None:
        super().__init__(f"{err}: {description}")
        self.err = err
        self.description = description


class UnknownKey(InvalidSet):
    """No key has this `kid`: perhaps the keys were rotated, and fetching them again helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEventToken:
    """A verified SET.

    Attributes:
        issued_at: aware UTC.
        sub_id: the top-level subject; None: the SET has none.
        event: the members of the one event.
        claims: all claims of the SET.
        kid: the id of the key that verified it.
    """

    jti: str
    issuer: str
    audience: tuple[str, ...]
    issued_at: datetime
    txn: str | None
    sub_id: Mapping[str, Any] | None
    event_type: str
    event: Mapping[str, Any]
    claims: Mapping[str, Any]
    kid: str


def key_id(token: bytes) -> str:
    """Read which key a SET claims to be signed with, before anything is believed.

    Raises: InvalidSet: it is no compact JWS, or its header may not be accepted.
    Rule: SSF 1.0 §4.1.1 (explicit type), RFC 8725 §3.1 (algorithms are chosen by the receiver).
    """
    if len(token) > MAX_SET_BYTES:
        raise InvalidSet("invalid_request", f"a SET may have at most {MAX_SET_BYTES} bytes")
    if token.count(b".") != 2:
        raise InvalidSet("invalid_request", "the body is not a compact JWS")
    header = _object(token.split(b".")[0], "header")
    typ = header.get("typ")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") != "secevent+jwt":
        raise InvalidSet("invalid_request", "the header's typ must be secevent+jwt")
    if header.get("alg") not in ALGORITHMS:
        raise InvalidSet("invalid_request", f"the header's alg must be one of {', '.join(ALGORITHMS)}")
    if "crit" in header:
        raise InvalidSet("invalid_request", "the header has critical members that are not understood")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise InvalidSet("invalid_key", "the header names no key (kid)")
    return kid


def verify_set(
    token: bytes, keys: Keys, *, issuer: str, audience: str, now: datetime, leeway: timedelta = LEEWAY
) -> SecurityEventToken:
    """Verify a SET.

    Args:
        token: the SET as a compact JWS.
        issuer: the only accepted `iss`, as in the transmitter's metadata.
        audience: the value that `aud` must contain.
        now: aware UTC.
        leeway: how far `iat` and `nbf` may be in the future.

    Returns: the verified SET.
    Raises:
        UnknownKey: none of *keys* has its `kid`.
        InvalidSet: the SET is invalid. No *token* raises another error.
    Rule: RFC 8417 §2.2; RFC 8935 §2.4; SSF 1.0 §4.1 (no `sub`, no `exp`, one event).
    """
    kid = key_id(token)
    if kid not in keys:
        raise UnknownKey("invalid_key", f"no key with kid {kid!r} is in the transmitter's JWKS")
    claims = _verified_claims(token, keys[kid])
    _check_parties(claims, issuer, audience)
    issued_at = _past(claims, "iat", now + leeway)
    if "nbf" in claims:
        _past(claims, "nbf", now + leeway)
    for forbidden in ("sub", "exp"):
        if forbidden in claims:
            raise InvalidSet("invalid_request", f"a SET must not have the claim {forbidden}")
    event_type, event = _one_event(claims)
    return SecurityEventToken(
        jti=_text(claims, "jti"),
        issuer=issuer,
        audience=_audience(claims),
        issued_at=issued_at,
        txn=_text(claims, "txn") if "txn" in claims else None,
        sub_id=_subject(claims),
        event_type=event_type,
        event=event,
        claims=claims,
        kid=kid,
    )


def _object(part: bytes, name: str) -> dict[str, Any]:
    """Decode one part of the JWS as a JSON object."""
    try:
        decoded = msgspec.json.decode(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, Base64Error, msgspec.DecodeError, RecursionError):
        raise InvalidSet("invalid_request", f"the {name} is not base64url-encoded JSON") from None
    if not isinstance(decoded, dict):
        raise InvalidSet("invalid_request", f"the {name} is not a JSON object")
    return decoded


def _verified_claims(token: bytes, key: RSAKey | ECKey) -> dict[str, Any]:
    try:
        jws.deserialize_compact(token, key, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, RecursionError):
        raise InvalidSet("authentication_failed", "the signature does not verify with the key it names") from None
    return _object(token.split(b".")[1], "payload")


def _check_parties(claims: Mapping[str, Any], issuer: str, audience: str) -> None:
    if claims.get("iss") != issuer:
        raise InvalidSet("invalid_issuer", f"iss must be {issuer}")
    if audience not in _audience(claims):
        raise InvalidSet("invalid_audience", f"aud must be or contain {audience}")


def _audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    aud = claims.get("aud")
    listed = aud if isinstance(aud, list) else [aud]
    return tuple(one for one in listed if isinstance(one, str))


def _past(claims: Mapping[str, Any], name: str, latest: datetime) -> datetime:
    """Return a claim that is a time, which must not be in the future. Rule: RFC 7519 §4.1.5, §4.1.6."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidSet("invalid_request", f"{name} is missing or not a number")
    try:
        moment = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidSet("invalid_request", f"{name} is not a time") from None
    if moment > latest:
        raise InvalidSet("invalid_request", f"{name} lies in the future")
    return moment


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidSet("invalid_request", f"{name} is missing or not a string")
    return value


def _subject(claims: Mapping[str, Any]) -> Mapping[str, Any] | None:
    sub_id = claims.get("sub_id")
    if sub_id is not None and not isinstance(sub_id, dict):
        raise InvalidSet("invalid_request", "sub_id is not a JSON object")
    return sub_id


def _one_event(claims: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    events = claims.get("events")
    if not isinstance(events, dict) or len(events) != 1:
        raise InvalidSet("invalid_request", "events must be an object with exactly one member")
    ((event_type, event),) = events.items()
    if not isinstance(event, dict):
        raise InvalidSet("invalid_request", "the event is not a JSON object")
    return event_type, event
